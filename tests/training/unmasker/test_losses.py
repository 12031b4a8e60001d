"""Region-attentive losses look only where they should."""

from __future__ import annotations

import pytest
import torch

from unmask_sdk.training.nets.discriminator import FeatureDiscriminator
from unmask_sdk.training.unmasker import losses


@pytest.fixture
def scene():
    torch.manual_seed(0)
    truth = torch.rand(2, 3, 64, 64) * 2 - 1
    hole = torch.zeros(2, 1, 64, 64)
    hole[:, :, 30:50, 20:44] = 1
    valid = torch.ones_like(hole)
    valid[:, :, :, :8] = 0
    return truth, hole, valid


def test_reconstruction_sees_hole_and_seam_only(scene):
    truth, hole, valid = scene
    weight = losses.region_weight(hole, valid, seam=1.0, context=0.0)
    picture = truth.clone()
    picture[:, :, :20] += 1  # far above the hole
    assert losses.reconstruction(picture, truth, weight) == 0
    picture[:, :, 40, 30] += 1
    assert losses.reconstruction(picture, truth, weight) > 0


def test_invalid_pixels_never_count(scene):
    truth, hole, valid = scene
    hole = torch.ones_like(hole)
    weight = losses.region_weight(hole, valid, seam=1.0, context=1.0)
    picture = truth.clone()
    picture[:, :, :, :8] = 9
    assert losses.reconstruction(picture, truth, weight) == 0


def test_seam_band_hugs_the_hole(scene):
    _, hole, _ = scene
    band = losses.seam_band(hole, 2)
    assert (band * hole).sum() == 0
    assert band.sum() == 2 * (24 * 28 - 20 * 24)


def test_segmentation_prefers_the_right_mask(scene):
    _, hole, _ = scene
    right, wrong = (hole * 2 - 1) * 8, (1 - hole * 2) * 8
    assert losses.segmentation(right, hole) < 0.01
    assert losses.segmentation(wrong, hole) > 2
    empty = torch.zeros_like(hole)
    assert losses.segmentation(torch.full_like(hole, -8.0), empty) < 0.01
    assert torch.isfinite(losses.segmentation(torch.zeros_like(hole), empty))


def test_hinge_rewards_telling_real_from_fake():
    region = torch.ones(1, 1, 8, 8)
    real = [torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 2, 2), 3.0)]
    fake = [-scores for scores in real]
    assert losses.discriminator_hinge(real, fake, region) == 0
    assert losses.discriminator_hinge(fake, real, region) == pytest.approx(7, abs=1e-3)
    assert losses.generator_hinge(real, region) < losses.generator_hinge(fake, region)


def test_hinge_looks_only_at_the_region():
    region = torch.zeros(1, 1, 8, 8)
    region[..., :4] = 1
    good, bad = torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 4, 4), 2.0)
    bad[..., 2:] = -9
    assert losses.discriminator_hinge([bad], [-bad], region) == 0
    assert losses.generator_hinge([bad], region) == losses.generator_hinge([good], region)


def test_discriminator_scores_each_map_whatever_its_scale():
    torch.manual_seed(0)
    critic = FeatureDiscriminator((4, 8)).eval()
    features = [torch.rand(2, 4, 32, 24), torch.rand(2, 8, 16, 12)]
    scores = critic(features)
    assert [s.shape for s in scores] == [(2, 1, 16, 12), (2, 1, 8, 6)]
    louder = critic([1000 * x for x in features])
    for a, b in zip(scores, louder, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)
