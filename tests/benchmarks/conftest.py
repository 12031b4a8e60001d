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
    pytest.importorskip("onnx")
    return lambda fault: _change(own_artifacts, "unmasker-fp32.onnx", fault)


@pytest.fixture
def plant_in_int8(tmp_path: Path) -> Callable[[Plant], Path]:
    """The same with the shipped int8 ONNX file of the lite unmasker."""
    pytest.importorskip("onnx")
    from unmask_sdk.core.manifest import read_manifest
    from unmask_sdk.export import manifest

    shipped = read_manifest()
    chosen = [
        a
        for a in shipped.find(role="unmasker", formats=("onnx", "safetensors"))
        if a.name == "unmask-256-lite" and (a.format, a.precision) != ("onnx", "fp32")
    ]
    folder = tmp_path / "int8"
    for artifact in chosen:
        for name, source in (
            (artifact.file, shipped.path(artifact)),
            (artifact.golden.file, shipped.golden_path(artifact)),
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    manifest.write(folder, chosen, {})
    return lambda fault: _change(folder, "unmask-256-lite-int8.onnx", fault)


def _change(folder: Path, name: str, fault: Plant) -> Path:
    """Changes an ONNX file and its entry in the manifest."""
    import onnx

    from unmask_sdk.core.manifest import read_manifest, sha256_of
    from unmask_sdk.export import manifest

    model = onnx.load(folder / name)
    fault(model.graph)
    onnx.save(model, folder / name)
    size, digest = (folder / name).stat().st_size, sha256_of(folder / name)
    entries = [
        replace(a, sha256=digest, bytes=size) if a.file == name else a
        for a in read_manifest(folder).artifacts
    ]
    manifest.write(folder, entries, {})
    return folder


@pytest.fixture(scope="session")
def every_unmasker(
    tiny_artifacts: Path,
    add_unmasker: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tiny networks, the unmasker in every format whose layers `parity` can compare.

    Each format is there in its simplest precision and in the one that changes most.
    """
    from unmask_sdk.benchmarks.parity.layers import TAPS
    from unmask_sdk.core.optional_deps import missing_packages
    from unmask_sdk.export.formats import EXPORTERS

    folder = Path(shutil.copytree(tiny_artifacts, tmp_path_factory.mktemp("every") / "artifacts"))
    for exporter in EXPORTERS.values():
        if exporter.name in TAPS and not missing_packages(exporter.requires):
            chosen = {exporter.precisions[0], exporter.precisions[-1]}
            add_unmasker(folder, exporter.name, *sorted(chosen))
    return folder
