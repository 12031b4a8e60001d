"""Checkpoints that a training run goes on from."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import ConfigError, DataError

# What torch raises on files that are damaged, cut off, or of another network.
_DAMAGE = (
    pickle.UnpicklingError,
    OSError,
    EOFError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint; the last one stays until the new one is whole.

    Raises:
        DataError: If it cannot be written, as on a full disk.
    """
    try:
        atomic_write(path, lambda file: torch.save(state, file))
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"cannot write {path}: {error}; free some space and run the same command again: it "
            "goes on from the last checkpoint"
        ) from None


@contextmanager
def open_checkpoint(path: Path) -> Iterator[dict[str, Any]]:
    """Gives a checkpoint's state, on the CPU, to be taken over in a `with` block.

    Raises:
        DataError: If the file cannot be read, or the block finds that it is of another network.
    """
    try:
        yield torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{path}: not a checkpoint of this network, or damaged ({reason[0]}); remove it to "
            "start afresh, or choose another folder to keep it"
        ) from None


def open_device(name: str) -> torch.device:
    """The device of a name, `cpu`, `cuda` or `cuda:N`, if it is there.

    Raises:
        ConfigError: If there is no such device.
    """
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or name.endswith(":") or not (number or "0").isdecimal()):
        raise ConfigError(f"device must be cpu or cuda; got {name!r}")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name}: torch sees no such GPU here; use --device cpu")
    return torch.device(name)
