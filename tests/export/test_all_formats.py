"""`unmask export all`: every format and precision, with a table and an image of the results."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import pytest

from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.core.optional_deps import install_command
from unmask_sdk.errors import MissingDependencyError
from unmask_sdk.export import all_formats
from unmask_sdk.export.formats import EXPORTERS
from unmask_sdk.export.weight_files import with_precision

pytestmark = pytest.mark.engine


def test_everything_is_exported_and_summarized(every_artifact: Path) -> None:
    folder = every_artifact
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    made, steps = report["artifacts"], report["steps"]
    wanted = {(e.name, p) for e in EXPORTERS.values() for p in e.precisions}
    assert {(name, precision) for name, precision, _ in made} == wanted
    manifest = read_manifest(folder)
    for artifact in manifest.artifacts:
        assert manifest.path(artifact).exists()
    assert all(n_parity for _, _, n_parity in made)
    assert steps[0][1:] == [0, len(wanted)]
    assert steps[-1] == ["comparison image", len(wanted), len(wanted)]
    lines = (folder / all_formats.SUMMARY_TABLE).read_text().splitlines()
    assert len(lines) == 2 + len(made)
    image = cv2.imread(str(folder / all_formats.SUMMARY_IMAGE))
    rows = len(wanted) + 1
    assert image.shape == (rows * (64 + 24), all_formats.FACES * 64, 3)


def test_missing_packages_are_reported_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_formats, "missing_packages", lambda names: ["coremltools"])
    with pytest.raises(
        MissingDependencyError, match="coremltools.*" + re.escape(install_command("export-tflite"))
    ):
        all_formats.export_all([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_precision_takes_only_networks_that_have_it(tiny_weights: list[Path]) -> None:
    assert with_precision(tiny_weights, "fp16") == tiny_weights
    assert with_precision(tiny_weights, "int8") == tiny_weights
    assert [file.stem for file in with_precision(tiny_weights, "w8")] == ["unmasker"]
    assert with_precision(tiny_weights[1:], "w8") == []
