"""From weights to proven artifacts, in one order of work whatever the format.

Read the weights, convert each network, make its golden vectors, run the finished file and compare
it with the reference network, and write everything at once at the end. What differs between
formats is a module with two functions, see `FormatModule`.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch

from unmask_sdk.core.manifest import (
    WEIGHTS_PACKAGE,
    Artifact,
    Golden,
    TensorSpec,
    sha256_of,
    size_of,
    weights_root,
)
from unmask_sdk.errors import ConfigError, ExportError
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.training.nets.checkpoint import load_network

from . import manifest
from .roles import Role, role_of
from .verify import golden_vectors, measure

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What is to be converted.

    Attributes:
        network: The uint8 graph, in evaluation mode, on the CPU.
        role: What the network is for.
        precision: Precision asked for.
        calibration: Calibration set for `int8`; None for the package's own.
    """

    network: torch.nn.Module
    role: Role
    precision: str
    calibration: Path | None = None


@dataclass(frozen=True)
class Converted:
    """A converted network.

    Attributes:
        content: The file; or, for formats that are folders, the files by their paths in it.
        inputs: The graph's inputs, as they are in the file.
        outputs: The graph's outputs, as they are in the file.
        tools: Packages that made it.
        calibration_sha256: Digest of the calibration data; None where none was used.
        suffix: End of the file's name, where the file is the same as another format's; None for
            the format's own.
    """

    content: bytes | Mapping[str, bytes]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tools: tuple[str, ...]
    calibration_sha256: str | None = None
    suffix: str | None = None


class FormatModule(Protocol):
    """What a format's module holds."""

    def convert(self, job: Job) -> Converted:
        """Converts a network, and refuses a result of another precision than asked for.

        Raises:
            ExportError: If the converter fails, or the result is not what was asked for.
        """
        ...

    def prove(self, path: Path, artifact: Artifact) -> Runtime[Any]:
        """Opens a finished file, to be compared with the reference network."""
        ...


@dataclass(frozen=True)
class Target:
    """What is written.

    Attributes:
        format: Name of the format.
        suffix: End of the artifact's file name.
        precision: Precision.
        folder: Where it goes.
        calibration: Calibration set for `int8`; None for the package's own.
    """

    format: str
    suffix: str
    precision: str
    folder: Path
    calibration: Path | None = None


def run(
    module: FormatModule, target: Target, weights: Sequence[Path], progress: Progress
) -> tuple[Artifact, ...]:
    """Exports each weight file; see `unmask_sdk.export.formats.export`."""
    progress("reading weights")
    networks = [(file, load_network(file).eval()) for file in weights]
    _check(networks, target)
    artifacts: list[Artifact] = []
    contents: dict[str, bytes] = {}
    for file, network in networks:
        try:
            entries, files = _export_one(module, target, file, network, progress)
        except OSError as error:
            raise ExportError(
                f"{target.format} of {file.name} failed on {error.filename or 'a file'} in "
                f"{tempfile.gettempdir()}: {error.strerror or error}; make room there, or set "
                "TMPDIR to another folder"
            ) from error
        artifacts += entries
        contents |= files
    progress(f"writing {target.folder}")
    manifest.write(target.folder, manifest.merge(target.folder, artifacts), contents)
    return tuple(artifacts)


def _check(networks: Sequence[tuple[Path, torch.nn.Module]], target: Target) -> None:
    names = [file.stem for file, _ in networks]
    if len(set(names)) != len(names):
        raise ConfigError(
            f"artifacts are named after their weight files; got two of one name: {', '.join(names)}"
        )
    for file, network in networks:
        role = role_of(network)
        if target.precision not in role.precisions:
            raise ConfigError(
                f"{file.name} is a {role.name}, which is exported in "
                f"{', '.join(role.precisions)}, not in {target.precision}; leave it out"
            )


def _export_one(
    module: FormatModule, target: Target, file: Path, network: torch.nn.Module, progress: Progress
) -> tuple[list[Artifact], dict[str, bytes]]:
    role, name = role_of(network), file.stem
    progress(f"{name}: converting")
    made = module.convert(Job(network, role, target.precision, target.calibration))
    progress(f"{name}: golden vectors")
    reference, contents = _reference(file, network, role)
    golden = replace(reference.golden, min_psnr_db=role.min_psnr_db.get(target.precision))
    if made.inputs[0].shape[1:] != reference.inputs[0].shape[1:]:
        # A graph of fixed size where the reference takes any has golden vectors of that size.
        golden, vectors = _golden(network, f"{name}-{made.inputs[0].shape[1]}", role, made.inputs)
        golden = replace(golden, min_psnr_db=role.min_psnr_db.get(target.precision))
        contents[golden.file] = vectors
    path = f"{name}-{target.precision}{made.suffix or target.suffix}"
    entry = replace(
        reference,
        format=target.format,
        precision=target.precision,
        file=path,
        package=None,
        inputs=made.inputs,
        outputs=made.outputs,
        calibration_sha256=made.calibration_sha256,
        tools={tool: version(tool) for tool in made.tools},
        golden=golden,
    )
    progress(f"{name}: comparing with torch")
    with tempfile.TemporaryDirectory(prefix="unmask-export-") as scratch:
        place = Path(scratch) / path
        files = _laid_out(made.content, path)
        for inner, data in files.items():
            (Path(scratch) / inner).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / inner).write_bytes(data)
        entry = replace(entry, sha256=sha256_of(place), bytes=size_of(place))
        with module.prove(place, entry) as runtime:
            against = f"torch {torch.__version__} fp32, {platform.machine()} CPU"
            entry = replace(entry, parity=measure(network, runtime, against))
    return [entry, reference], {**contents, **files}


def _laid_out(content: bytes | Mapping[str, bytes], path: str) -> dict[str, bytes]:
    """The files of an artifact by their paths beside the manifest."""
    if isinstance(content, bytes):
        return {path: content}
    return {f"{path}/{inner}": data for inner, data in content.items()}


def _golden(
    network: torch.nn.Module, name: str, role: Role, inputs: tuple[TensorSpec, ...]
) -> tuple[Golden, bytes]:
    vectors = golden_vectors(network, inputs, role.outputs(role.size(network)))
    file, digest = f"golden/{name}.npz", hashlib.sha256(vectors).hexdigest()
    return Golden(file=file, sha256=digest, tolerance=role.tolerance), vectors


def _reference(
    file: Path, network: torch.nn.Module, role: Role
) -> tuple[Artifact, dict[str, bytes]]:
    """The entry of the weights themselves; golden vectors, and the weights if they are not ours."""
    inputs, outputs = role.inputs(role.size(network)), role.outputs(role.size(network))
    golden, vectors = _golden(network, file.stem, role, inputs)
    digest = sha256_of(file)
    entry = Artifact(
        name=file.stem,
        role=role.name,
        format="safetensors",
        precision="fp32",
        file=f"{file.stem}.safetensors",
        package=None,
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
    contents = {golden.file: vectors}
    root = weights_root().resolve()
    if file.resolve().is_relative_to(root):
        ours = file.resolve().relative_to(root).as_posix()
        return replace(entry, file=ours, package=WEIGHTS_PACKAGE), contents
    return entry, {**contents, entry.file: file.read_bytes()}
