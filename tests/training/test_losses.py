"""Region-attentive losses look only where they should."""

from __future__ import annotations

import pytest
import torch

from unmask_sdk.training import losses
from unmask_sdk.training.discriminator import PatchDiscriminator


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
    features = [picture]
    assert losses.feature_matching([truth], features, hole * valid) == 0


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
    weight = torch.ones(1, 1, 4, 4)
    real, fake = torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 4, 4), -2.0)
    assert losses.discriminator_hinge(real, fake, weight) == 0
    assert losses.discriminator_hinge(fake, real, weight) == pytest.approx(6, abs=1e-3)
    assert losses.generator_hinge(real, weight) < losses.generator_hinge(fake, weight)


def test_discriminator_shapes():
    score, features = PatchDiscriminator()(torch.zeros(2, 3, 64, 64), torch.zeros(2, 1, 64, 64))
    assert score.shape == (2, 1, 8, 8)
    assert [f.shape[-1] for f in features] == [32, 16, 8, 8]
