"""Checkpoints from which an interrupted training run resumes."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError

# What PyTorch raises on files that are damaged, truncated, or from another network.
_LOAD_ERRORS = (
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
    """Writes a checkpoint; the previous one stays until the new one is complete.

    Args:
        path: File to write.
        state: State dictionaries and numbers by name.

    Raises:
        DataError: If it cannot be written, for example on a full disk.
    """
    try:
        atomic_write(path, lambda file: torch.save(state, file))
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"cannot write {path}: {error}; free some disk space and run the same command again: "
            "it resumes from the last checkpoint"
        ) from None


@contextmanager
def open_checkpoint(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the state of a checkpoint, on the CPU, to be loaded in a `with` block.

    Errors in the block, such as tensors of other shapes, are reported as errors of the file.

    Args:
        path: File that `save_checkpoint` wrote.

    Raises:
        DataError: If the file cannot be read, or the block finds that it is of another network.
    """
    try:
        yield torch.load(path, map_location="cpu", weights_only=True)
    except _LOAD_ERRORS as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{path}: not a checkpoint of this network, or damaged ({reason[0]}); remove it to "
            "start over, or choose another folder to keep it"
        ) from None
