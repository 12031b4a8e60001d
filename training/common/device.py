"""The device that a training command runs on."""

from __future__ import annotations

import torch

from unmask_sdk.errors import ConfigError


def open_device(name: str) -> torch.device:
    """Returns a torch device by name, after checking that it exists.

    Args:
        name: `cpu`, `cuda` or `cuda:N`.

    Raises:
        ConfigError: If the name is another one, or PyTorch sees no such GPU.
    """
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or name.endswith(":") or not (number or "0").isdecimal()):
        raise ConfigError(f"device must be cpu, cuda or cuda:N; got {name!r}")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name}: PyTorch sees no such GPU; use --device cpu")
    return torch.device(name)
