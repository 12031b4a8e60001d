"""Which formats can be exported, as plain data, and the one function that exports any of them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unmask_sdk.errors import ConfigError, MissingDependencyError
from unmask_sdk.manifest import Artifact, weights_root

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Exporter:
    """What is known of an exporter without importing it.

    Attributes:
        name: Name of the format.
        module: Python module with the function `export(weights, folder, precision, progress)`.
        precisions: Precisions that it can write.
        requires: Packages that it imports.
        mend: Command that installs them.
    """

    name: str
    module: str
    precisions: tuple[str, ...]
    requires: tuple[str, ...]
    mend: str


EXPORTERS: dict[str, Exporter] = {
    exporter.name: exporter
    for exporter in (
        Exporter(
            name="onnx",
            module="unmask_sdk.export.onnx",
            precisions=("fp32",),
            requires=("torch", "safetensors", "onnx", "onnxscript", "onnxruntime"),
            mend="pip install 'unmask-sdk[export]'",
        ),
    )
}


def export(
    format: str,
    weights: Sequence[Path],
    folder: Path,
    *,
    precision: str = "fp32",
    progress: Progress = lambda step: None,
) -> tuple[Artifact, ...]:
    """Exports networks to a format, and proves each against the reference.

    Args:
        format: A key of `EXPORTERS`.
        weights: Weight files (safetensors), at most one for each role; the package's own if empty.
        folder: Where the files and `manifest.json` go. Entries that a manifest there holds
            already stay, unless they are exported again.
        precision: Precision to write.
        progress: Called with a line of text as each step begins.

    Returns:
        The new manifest entries.

    Raises:
        ConfigError: If the format or precision is not known, or a weight file is missing.
        MissingDependencyError: If a package that the exporter needs is not installed.
        DataError: If a weight file is not valid.
        ExportError: If the conversion fails, or the result is too far from the reference.
    """
    exporter = EXPORTERS.get(format)
    if exporter is None:
        raise ConfigError(f"unknown format {format!r}; known are {', '.join(EXPORTERS)}")
    if precision not in exporter.precisions:
        raise ConfigError(
            f"{format} can be exported in {', '.join(exporter.precisions)}, not in {precision!r} "
            f"in this version; use --precision {exporter.precisions[0]}"
        )
    files = list(weights) or shipped_weights()
    for file in files:
        if not file.is_file():
            raise ConfigError(f"there is no weight file {file}; make one with `unmask train`")
    missing = [name for name in exporter.requires if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"exporting {format} needs {' and '.join(missing)}; {exporter.mend}"
        )
    run: Callable[..., tuple[Artifact, ...]] = importlib.import_module(exporter.module).export
    return run(files, folder, precision, progress)


def shipped_weights() -> list[Path]:
    """Gives the weight files that came with the package.

    Raises:
        ConfigError: If there are none.
    """
    files = sorted((weights_root() / "weights").glob("*.safetensors"))
    if not files:
        raise ConfigError("the package holds no weights; give some with --weights FILE")
    return files
