"""Region-attentive losses count only the pixels they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unmask_sdk.training.nets.discriminator import DiscriminatorConfig, FeatureDiscriminator
from unmask_sdk.training.unmasker import losses
from unmask_sdk.training.unmasker.color_augmentation import change_colors


@pytest.fixture
def scene():
    torch.manual_seed(0)
    truth = torch.rand(2, 3, 64, 64) * 2 - 1
    hole = torch.zeros(2, 1, 64, 64)
    hole[:, :, 30:50, 20:44] = 1
    valid = torch.ones_like(hole)
    valid[:, :, :, :8] = 0
    return truth, hole, valid


def test_reconstruction_covers_hole_and_seam_only(scene):
    truth, hole, valid = scene
    weight = losses.region_weight(hole, valid, seam=1.0, context=0.0)
    generated = truth.clone()
    generated[:, :, :20] += 1  # far above the hole
    assert losses.reconstruction(generated, truth, weight) == 0
    generated[:, :, 40, 30] += 1
    assert losses.reconstruction(generated, truth, weight) > 0


def test_invalid_pixels_never_count(scene):
    truth, hole, valid = scene
    hole = torch.ones_like(hole)
    weight = losses.region_weight(hole, valid, seam=1.0, context=1.0)
    generated = truth.clone()
    generated[:, :, :, :8] = 9
    assert losses.reconstruction(generated, truth, weight) == 0


def test_the_seam_band_surrounds_the_hole(scene):
    _, hole, _ = scene
    band = losses.seam_band(hole, 2)
    assert (band * hole).sum() == 0
    assert band.sum() == 2 * (24 * 28 - 20 * 24)


def test_segmentation_loss_is_lower_for_the_right_mask(scene):
    _, hole, _ = scene
    right, wrong = (hole * 2 - 1) * 8, (1 - hole * 2) * 8
    assert losses.segmentation(right, hole) < 0.01
    assert losses.segmentation(wrong, hole) > 2
    empty = torch.zeros_like(hole)
    assert losses.segmentation(torch.full_like(hole, -8.0), empty) < 0.01
    assert torch.isfinite(losses.segmentation(torch.zeros_like(hole), empty))


def test_hinge_loss_is_lower_when_real_and_fake_are_separated():
    region = torch.ones(1, 1, 8, 8)
    real = [torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 2, 2), 3.0)]
    fake = [-scores for scores in real]
    assert losses.discriminator_hinge(real, fake, region) == 0
    assert losses.discriminator_hinge(fake, real, region) == pytest.approx(7, abs=1e-3)
    assert losses.generator_hinge(real, region) < losses.generator_hinge(fake, region)


def test_hinge_loss_covers_only_the_region():
    region = torch.zeros(1, 1, 8, 8)
    region[..., :4] = 1
    good, bad = torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 4, 4), 2.0)
    bad[..., 2:] = -9
    assert losses.discriminator_hinge([bad], [-bad], region) == 0
    assert losses.generator_hinge([bad], region) == losses.generator_hinge([good], region)


def test_discriminator_scores_do_not_depend_on_the_scale_of_features():
    torch.manual_seed(0)
    discriminator = FeatureDiscriminator(DiscriminatorConfig((4, 8))).eval()
    features = [torch.rand(2, 4, 32, 24), torch.rand(2, 8, 16, 12)]
    scores = discriminator(features, 0)
    assert [s.shape for s in scores] == [(2, 1, 16, 12), (2, 1, 8, 6)]
    louder = discriminator([1000 * x for x in features], 0)
    for a, b in zip(scores, louder, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)


def test_each_scale_has_a_discriminator_of_its_own():
    torch.manual_seed(0)
    discriminator = FeatureDiscriminator(DiscriminatorConfig((4,))).eval()
    features = [torch.rand(2, 4, 32, 24)]
    half, full = (discriminator(features, scale)[0] for scale in (0, 1))
    assert not torch.allclose(half, full)
    full.sum().backward()
    assert all(p.grad is None for p in discriminator.heads[0].parameters())


def test_colors_of_a_pair_change_alike_and_pass_gradients():
    generated = torch.rand(4, 3, 16, 16, requires_grad=True)
    target = generated.detach().clone()
    a, b = change_colors(generated, target, np.random.default_rng(0))
    assert torch.equal(a, b)
    assert not torch.allclose(a, target, atol=0.05)
    again, _ = change_colors(generated, target, np.random.default_rng(0))
    assert torch.equal(a, again)
    a.sum().backward()
    assert generated.grad is not None
    assert torch.isfinite(generated.grad).all()
    assert generated.grad.abs().amax((1, 2, 3)).min() > 0
