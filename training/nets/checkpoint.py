"""Weight files: safetensors whose metadata describe the network that the weights belong to."""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError

from .discriminator import FeatureDiscriminator
from .unmasker_graph import UnmaskerGraph

# kind in the file's metadata -> module, configuration class, factory of the uint8 graph (of the
# network itself where it is used in training only)
KINDS = {
    "unmasker": ("unmasker_graph", "UnmaskerConfig", "build_unmasker"),
    "detector": ("locator_networks", "DetectorConfig", "DetectorGraph"),
    "aligner": ("locator_networks", "AlignerConfig", "AlignerGraph"),
    "discriminator": ("discriminator", "DiscriminatorConfig", "FeatureDiscriminator"),
}


def save_network(path: Path, kind: str, config: Any, state: dict[str, torch.Tensor]) -> str:
    """Writes weights as fp16 safetensors, atomically.

    Args:
        path: File to write.
        kind: A key of `KINDS`.
        config: The network's configuration dataclass.
        state: The graph's state dictionary; step counters of batch norm are left out.

    Returns:
        The file's SHA-256 as hexadecimal digits.

    Raises:
        DataError: If the file cannot be written; a previous file is kept.
    """
    stored = {
        name: tensor.detach().cpu().to(torch.float16).contiguous()
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }
    metadata = {"kind": kind, "config": json.dumps(asdict(config))}
    content = _sorted_header(save(stored, metadata))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror}; free some space or write to another folder"
        ) from error
    return hashlib.sha256(content).hexdigest()


def _sorted_header(content: bytes) -> bytes:
    """Returns the same file with a sorted header: safetensors writes metadata in random order."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def read_metadata(path: Path) -> tuple[str, dict[str, Any]]:
    """Returns the kind of network of a weight file, and the fields of its configuration.

    Raises:
        DataError: If the file is missing, damaged, or of an unknown kind.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
    except FileNotFoundError:
        raise DataError(f"no weight file {path}; train one with: unmask train CONFIG") from None
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} is not a safetensors file: {error}") from None
    kind = metadata.get("kind")
    if kind not in KINDS or "config" not in metadata:
        raise DataError(
            f"{path} holds a network of kind {kind!r}; this version reads {', '.join(KINDS)}, "
            "as written by unmask train and unmask train-locator"
        )
    try:
        config = dict(json.loads(metadata["config"]))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path} holds a damaged configuration ({error}); download the file or train it again"
        ) from None
    return kind, config


def load_network(path: Path | str, *, sha256: str | None = None) -> nn.Module:
    """Builds the network that a weight file describes, and loads its weights.

    Args:
        path: A safetensors file from `unmask train` or `unmask train-locator`.
        sha256: If given, the SHA-256 that the file must have, as hexadecimal digits.

    Returns:
        The uint8 graph in float32, in evaluation mode, on the CPU.

    Raises:
        DataError: If the file is missing, damaged, or has another SHA-256.
    """
    path = Path(path)
    kind, fields = read_metadata(path)
    if sha256 is not None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != sha256:
            raise DataError(
                f"{path} has SHA-256 {digest} instead of {sha256}; it was changed or damaged: "
                "reinstall unmask-sdk or export again"
            )
    module_name, config_name, factory_name = KINDS[kind]
    module = importlib.import_module(f"{__package__}.{module_name}")
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    try:
        config = getattr(module, config_name)(**fields)
    except TypeError as error:
        raise DataError(
            f"{path} was written by another version of unmask-sdk ({error}); train it again"
        ) from None
    graph: nn.Module = getattr(module, factory_name)(config)
    with safe_open(path, framework="pt") as stored:
        state = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise DataError(
                f"{path} holds values in {name} that are not finite; the file is damaged, or its "
                "training diverged: use another weight file"
            )
    # Batch norm's step counters are not stored; all other keys must match.
    try:
        missing, unexpected = graph.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise DataError(f"{path} does not fit its own configuration: {error}") from None
    absent = [name for name in missing if not name.endswith("num_batches_tracked")]
    if absent or unexpected:
        raise DataError(
            f"{path} does not fit its own configuration: missing {absent[:3]}, "
            f"unexpected {unexpected[:3]}"
        )
    return graph.eval()


def load_unmasker(path: Path | str) -> UnmaskerGraph:
    """Loads a weight file as `load_network` does, and checks that it holds an unmasker.

    Raises:
        DataError: If the file cannot be loaded, or holds another network.
    """
    graph = load_network(path)
    if not isinstance(graph, UnmaskerGraph):
        raise DataError(f"{path} does not hold an unmasker; give weights that unmask train wrote")
    return graph


def load_discriminator(path: Path | str) -> FeatureDiscriminator:
    """Loads a weight file as `load_network` does, and checks that it holds a discriminator.

    Raises:
        DataError: If the file cannot be loaded, or holds another network.
    """
    network = load_network(path)
    if not isinstance(network, FeatureDiscriminator):
        raise DataError(
            f"{path} does not hold a discriminator; give the NAME-discriminator.safetensors that "
            "unmask train wrote"
        )
    return network
