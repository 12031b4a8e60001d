"""From weights to verified artifacts, in the same order of work for every format."""

from __future__ import annotations

import importlib
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from unmask_sdk.calibration.calibration_set import CalibrationSet
from unmask_sdk.core.manifest import Artifact, sha256_of, size_of
from unmask_sdk.core.optional_deps import require_packages
from unmask_sdk.core.output_paths import check_writable_folder
from unmask_sdk.core.scratch_folder import scratch_folder
from unmask_sdk.errors import ConfigError, ExportError

from . import manifest
from .formats import CALIBRATED, EXPORTERS, ExportFormat
from .job import Content, Converted, FormatModule, Job
from .metadata import metadata_of
from .precision_check import check_precision
from .quiet_converters import quiet_converters
from .weight_files import check_exist, packaged_weights, with_precision

if TYPE_CHECKING:
    from torch import nn

    # A weight file and its network.
    Network = tuple[Path, nn.Module]

# What several exports begin with: by weight file, files by the name of their conversion.
Conversions: TypeAlias = dict[Path, dict[str, bytes]]
# Called with a line of text as each step begins.
OnStep = Callable[[str], object]


def export(
    format: str,
    weights: Sequence[Path],
    folder: Path,
    *,
    precision: str = "fp32",
    calibration: Path | None = None,
    progress: OnStep = lambda step: None,
    conversions: Conversions | None = None,
) -> tuple[Artifact, ...]:
    """Exports networks to a format and verifies each against the reference.

    Args:
        format: A key of `formats.EXPORTERS`.
        weights: Weight files (safetensors); if empty, those of the package whose networks have
            the precision. Artifacts are named after them.
        folder: Where the files and `manifest.json` go. Entries of a manifest there stay, unless
            they are exported again, or are of a name that is now exported from other weights.
        precision: Precision to write.
        calibration: Calibration set for the precisions in `formats.CALIBRATED`; the package's own
            if `None`.
        progress: Called with a line of text as each step begins.
        conversions: What exports of the same weights share, so that it is converted once; it is
            filled as they go.

    Returns:
        The new manifest entries.

    Raises:
        ConfigError: If the format or precision is not known, or a weight file is missing.
        MissingDependencyError: If a package that the exporter needs is not installed.
        DataError: If a weight file or the calibration set is not valid.
        InvalidInputError: If the folder cannot be written to.
        ExportError: If the folder's manifest cannot be read, the conversion fails, or the result
            is too far from the reference.
    """
    exporter = Exporter.of(format, precision)
    return exporter.run(weights, folder, CalibrationSet(calibration), progress, conversions)


@dataclass(frozen=True)
class Exporter:
    """Exports networks to one format in one precision.

    `run` always works in this order. A step that fails raises, and nothing is written:

    1. Check capability: the format is known and can be written in the precision (`of`).
    2. Check config: the folder can be written to, its manifest can be read, and a calibration set
       is given only for a precision that uses one (`check_config`).
    3. Check dependencies: the packages that the format needs are installed, and only then are they
       imported (`check_dependencies`).
    4. Check weights: the files exist and are valid, no two have the same name, and their networks
       can be exported in the precision (`check_networks`).
    5. Convert each network (`FormatModule.convert`).
    6. Check the precision of the finished file, counted from the file (`precision_check`).
    7. Verify: make golden vectors, open the file and compare it with torch (`parity_check`).
    8. Write all files, the manifest last (`manifest.write`).

    Attributes:
        format: The format to write.
        precision: The precision to write.
    """

    format: ExportFormat
    precision: str

    @classmethod
    def of(cls, format: str, precision: str) -> Exporter:
        """Returns the exporter for a format and precision by their names.

        Raises:
            ConfigError: If the format is not known, or cannot be written in the precision.
        """
        found = EXPORTERS.get(format)
        if found is None:
            raise ConfigError(f"unknown format {format!r}; known are {', '.join(EXPORTERS)}")
        if precision not in found.precisions:
            raise ConfigError(
                f"{format} can be exported in {', '.join(found.precisions)}, not in {precision!r} "
                f"in this version; use --precision {found.precisions[0]}"
            )
        return cls(found, precision)

    def run(
        self,
        weights: Sequence[Path],
        folder: Path,
        calibration: CalibrationSet,
        progress: OnStep = lambda step: None,
        conversions: Conversions | None = None,
    ) -> tuple[Artifact, ...]:
        """Exports each weight file in the order that the class names.

        Arguments and errors are those of `export`, but the calibration set is passed as an object:
        several exports share one, and it is decoded once. They may share `conversions` too: files
        that several formats or precisions begin with, by weight file.
        """
        self.check_config(folder, calibration)
        self.check_dependencies()
        files = list(weights) or with_precision(packaged_weights(), self.precision)
        check_exist(files)
        with quiet_converters():
            module = cast(FormatModule, importlib.import_module(self.format.module))
        from .roles import role_of

        progress("reading weights")
        networks = _read(files)
        self.check_networks(networks)
        artifacts: list[Artifact] = []
        contents: dict[str, bytes] = {}
        for file, network in networks:
            shared = {} if conversions is None else conversions.setdefault(file, {})
            job = Job(network, role_of(network), self.precision, calibration, shared)
            entries, files_of_one = self._export_one(module, file, folder, job, progress)
            artifacts += entries
            contents |= files_of_one
        progress(f"writing {folder}")
        manifest.write(folder, manifest.merge(folder, artifacts), contents)
        return tuple(artifacts)

    def check_config(self, folder: Path, calibration: CalibrationSet) -> None:
        """Checks the output folder, and that a calibration set is used if one is given.

        Raises:
            InvalidInputError: If the folder cannot be written to.
            ExportError: If the folder's manifest cannot be read.
            ConfigError: If a calibration set is given for a precision that uses none.
        """
        check_writable_folder(folder, "--out")
        manifest.check(folder)
        if calibration.path is not None and self.precision not in CALIBRATED:
            raise ConfigError(
                f"a calibration set is for {', '.join(CALIBRATED)}, not for {self.precision}; "
                "leave it out"
            )

    def check_dependencies(self) -> None:
        """Checks that the packages that the format needs are installed.

        Raises:
            MissingDependencyError: Naming those that are not, and the command that installs them.
        """
        extra = self.format.extra
        require_packages(f"exporting {self.format.name}", *self.format.requires, extra=extra)

    def check_networks(self, networks: Sequence[Network]) -> None:
        """Checks that names differ, and that each network can be exported in the precision.

        Raises:
            ConfigError: If two weight files have the same name, or a network lacks the precision.
            ExportError: If a network is of no exportable kind.
        """
        from .roles import role_of

        names = [file.stem for file, _ in networks]
        if len(set(names)) != len(names):
            raise ConfigError(
                "artifacts are named after their weight files; got two of one name: "
                f"{', '.join(names)}"
            )
        for file, network in networks:
            role = role_of(network)
            if self.precision not in role.precisions:
                raise ConfigError(
                    f"{file.name} is a {role.name}, which is exported in "
                    f"{', '.join(role.precisions)}, not in {self.precision}; leave it out"
                )

    def _export_one(
        self,
        module: FormatModule,
        file: Path,
        folder: Path,
        job: Job,
        progress: OnStep,
    ) -> tuple[list[Artifact], dict[str, bytes]]:
        """Returns the entries of an artifact and of its weights, and the files to write."""
        try:
            progress(f"{file.stem}: converting")
            converted = module.convert(job)
            check_precision(converted.counts, self.precision)
            return self._verify(module, file, folder, job, converted, progress)
        except OSError as error:
            raise ExportError(
                f"{self.format.name} of {file.name} failed on {error.filename or 'a file'} in "
                f"{tempfile.gettempdir()}: {error.strerror or error}; make room there, or set "
                "TMPDIR to another folder"
            ) from error

    def _verify(
        self,
        module: FormatModule,
        file: Path,
        folder: Path,
        job: Job,
        converted: Converted,
        progress: OnStep,
    ) -> tuple[list[Artifact], dict[str, bytes]]:
        """Compares a converted network with torch; returns what `_export_one` returns."""
        import torch

        from .parity_check import measure
        from .reference import make_golden, reference_entry

        name, role = file.stem, job.role
        progress(f"{name}: golden vectors")
        reference, contents = reference_entry(file, job.network, role, folder)
        golden = reference.golden
        if converted.inputs[0].shape[1:] != reference.inputs[0].shape[1:]:
            # A graph of fixed size, where the reference takes any, has golden vectors of that size.
            sized = f"{name}-{converted.inputs[0].shape[1]}"
            golden, vectors = make_golden(job.network, sized, role, converted.inputs)
            contents[golden.file] = vectors
        path = f"{name}-{self.precision}{converted.suffix or self.format.suffix}"
        entry = replace(
            reference,
            format=self.format.name,
            precision=self.precision,
            file=path,
            package=None,
            inputs=converted.inputs,
            outputs=converted.outputs,
            calibration_sha256=converted.calibration_sha256,
            tools={tool: version(tool) for tool in converted.tools},
            golden=replace(golden, min_psnr_db=role.min_psnr_db.get(self.precision)),
        )
        progress(f"{name}: comparing with torch")
        content = module.write_metadata(converted.content, metadata_of(entry))
        files = _files_by_path(content, path)
        with scratch_folder("unmask-export-") as scratch:
            for inner, data in files.items():
                target = scratch / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            finished = scratch / path
            entry = replace(entry, sha256=sha256_of(finished), bytes=size_of(finished))
            with module.open_converted(finished, entry) as runtime:
                against = f"torch {torch.__version__} fp32, {platform.machine()} CPU"
                entry = replace(entry, parity=measure(job.network, runtime, against))
        return [entry, reference], {**contents, **files}


def _read(files: Sequence[Path]) -> list[Network]:
    from unmask_sdk.training.nets.checkpoint import load_network

    return [(file, load_network(file).eval()) for file in files]


def _files_by_path(content: Content, path: str) -> dict[str, bytes]:
    """Returns the files of an artifact by their paths next to the manifest."""
    if isinstance(content, bytes):
        return {path: content}
    return {f"{path}/{inner}": data for inner, data in content.items()}
