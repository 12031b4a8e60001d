"""Folders whose ONNX file has a fault planted in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

Plant = Callable[[Any], None]


@pytest.fixture
def plant(own_artifacts: Path) -> Callable[[Plant], Path]:
    """A function that changes the tiny unmasker's fp32 ONNX file, and gives the folder.

    The manifest is made to agree, so that nothing but the outputs can tell.
    """
    onnx = pytest.importorskip("onnx")
    from unmask_sdk.core.manifest import read_manifest, sha256_of
    from unmask_sdk.export import manifest

    def change(fault: Plant) -> Path:
        file = own_artifacts / "unmasker-fp32.onnx"
        model = onnx.load(file)
        fault(model.graph)
        onnx.save(model, file)
        size, digest = file.stat().st_size, sha256_of(file)
        entries = [
            replace(a, sha256=digest, bytes=size) if a.file == file.name else a
            for a in read_manifest(own_artifacts).artifacts
        ]
        manifest.write(own_artifacts, entries, {})
        return own_artifacts

    return change


@pytest.fixture(scope="session")
def every_unmasker(
    tiny_artifacts: Path,
    tiny_weights: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Path:
    """The tiny networks, the unmasker in every format whose layers `parity` can compare.

    Each format is there in its simplest precision and in the one that changes most.
    """
    from unmask_sdk.benchmarks.parity.layers import TAPS
    from unmask_sdk.core.optional_deps import missing_packages
    from unmask_sdk.export.formats import EXPORTERS
    from unmask_sdk.export.run_export import export

    folder = Path(shutil.copytree(tiny_artifacts, tmp_path_factory.mktemp("every") / "artifacts"))
    usable = [e for e in EXPORTERS.values() if not missing_packages(e.requires)]
    chosen = [
        (e.name, p) for e in usable if e.name in TAPS for p in (e.precisions[0], e.precisions[-1])
    ]
    if len(usable) == len(EXPORTERS):
        _add(folder, request.getfixturevalue("every_artifact"), chosen)
    else:
        for name, precision in chosen:
            if (name, precision) != ("onnx", "fp32"):
                export(name, tiny_weights[:1], folder, precision=precision)
    return folder


def _add(folder: Path, source: Path, chosen: list[tuple[str, str]]) -> None:
    """Copies the artifacts of some formats and precisions to another folder with a manifest."""
    from unmask_sdk.core.manifest import read_manifest
    from unmask_sdk.export import manifest

    artifacts = [a for a in read_manifest(source).artifacts if (a.format, a.precision) in chosen]
    for artifact in artifacts:
        if (source / artifact.file).is_dir():
            shutil.copytree(source / artifact.file, folder / artifact.file, dirs_exist_ok=True)
        else:
            shutil.copy(source / artifact.file, folder / artifact.file)
    manifest.write(folder, manifest.merge(folder, artifacts), {})
