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
    tiny_artifacts: Path, tiny_weights: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny networks, the unmasker in all formats that can be exported and looked into here."""
    from unmask_sdk.benchmarks.parity.layers import TAPS
    from unmask_sdk.core.optional_deps import missing_packages
    from unmask_sdk.export.formats import EXPORTERS, export

    folder = Path(shutil.copytree(tiny_artifacts, tmp_path_factory.mktemp("every") / "artifacts"))
    unmasker = [file for file in tiny_weights if file.stem == "unmasker"]
    for exporter in EXPORTERS.values():
        if exporter.name not in TAPS or missing_packages(exporter.requires):
            continue
        # The simplest and the one that changes most; exports take long.
        for precision in (exporter.precisions[0], exporter.precisions[-1]):
            if (exporter.name, precision) != ("onnx", "fp32"):
                export(exporter.name, unmasker, folder, precision=precision)
    return folder
