"""The manifest entry of the weights themselves, and golden vectors made with torch."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

import torch

from unmask_sdk.core.manifest import (
    WEIGHTS_PACKAGE,
    Artifact,
    Golden,
    TensorSpec,
    package_folder,
    sha256_of,
)

from .parity_check import golden_vectors
from .roles import Role


def reference_entry(
    file: Path, network: torch.nn.Module, role: Role, folder: Path
) -> tuple[Artifact, dict[str, bytes]]:
    """Returns the entry of a weight file, and the files to write next to the manifest.

    Those are its golden vectors, and the weights if they are neither there nor in the package.

    Args:
        file: Weight file (safetensors); the entry is named after it.
        network: The network with these weights, in evaluation mode, on the CPU.
        role: The network's role.
        folder: Folder of the manifest.
    """
    inputs, outputs = role.inputs(role.size(network)), role.outputs(role.size(network))
    golden, vectors = make_golden(network, file.stem, role, inputs)
    digest = sha256_of(file)
    contents = {golden.file: vectors}
    path, package = f"{file.stem}.safetensors", None
    root, resolved = package_folder().resolve(), file.resolve()
    if resolved != (folder / path).resolve():
        if resolved.is_relative_to(root):
            path, package = resolved.relative_to(root).as_posix(), WEIGHTS_PACKAGE
        else:
            contents[path] = file.read_bytes()
    entry = Artifact(
        name=file.stem,
        role=role.name,
        format="safetensors",
        precision="fp32",
        file=path,
        package=package,
        sha256=digest,
        bytes=file.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        weights_sha256=digest,
        calibration_sha256=None,
        tools={"torch": version("torch")},
        golden=golden,
        parity=(),
    )
    return entry, contents


def make_golden(
    network: torch.nn.Module, name: str, role: Role, inputs: tuple[TensorSpec, ...]
) -> tuple[Golden, bytes]:
    """Returns the manifest's entry for golden vectors, and the content of their file.

    Args:
        network: The reference network, in evaluation mode, on the CPU.
        name: File name of the vectors, without `.npz`.
        role: The network's role; gives the tolerance.
        inputs: The graph's inputs; open dimensions take sizes of `parity_check.OPEN_SIZES`.
    """
    vectors = golden_vectors(network, inputs, role.outputs(role.size(network)))
    file, digest = f"golden/{name}.npz", hashlib.sha256(vectors).hexdigest()
    return Golden(file=file, sha256=digest, tolerance=role.tolerance), vectors
