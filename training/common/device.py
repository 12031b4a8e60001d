"""The device that a training command runs on, and moving networks to it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from unmask_sdk.errors import ConfigError

Network = TypeVar("Network", bound=nn.Module)


def open_device(name: str) -> torch.device:
    """Returns a torch device by name, after checking that it exists, and sets it up for training.

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
    if kind == "cuda":
        # Convolutions see few shapes many times, and what autocast leaves in float32 does not need
        # all of its bits.
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    return torch.device(name)


def to_channels_last(network: Network, device: torch.device) -> Network:
    """Moves a network to a device, in the channels-last layout, and returns it.

    Convolutions are faster in this layout, on CPUs and on GPUs with tensor cores.
    """
    # The overloads that PyTorch declares lack this one, which it documents.
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
