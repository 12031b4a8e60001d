"""`unmask_sdk.verify()`: which model files it checks, and what it reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import unmask_sdk
from unmask_sdk.core.manifest import read_manifest


@pytest.fixture(scope="module")
def aligner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file of the shipped aligner alone."""
    pytest.importorskip("onnxruntime")
    listed = read_manifest()
    folder = tmp_path_factory.mktemp("aligner")
    kept = [a for a in listed.artifacts if (a.name, a.file) == ("aligner", "aligner-fp32.onnx")]
    for artifact in kept:
        assert artifact.external is not None
        for file in (artifact.file, artifact.external.file, artifact.golden.file):
            (folder / file).parent.mkdir(exist_ok=True)
            shutil.copy(listed.folder / file, folder / file)
    data = json.loads((listed.folder / "manifest.json").read_text(encoding="utf-8"))
    files = {artifact.file for artifact in kept}
    data["artifacts"] = [a for a in data["artifacts"] if a["file"] in files and not a["package"]]
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def test_all_models_of_a_folder_by_default(aligner: Path) -> None:
    report = unmask_sdk.verify(artifacts=aligner)
    assert {check.artifact for check in report.checks} == {"aligner"}
    assert report.ok
    assert set(report.right) | set(report.not_run) == set(report.checks)
    report.raise_if_wrong()


def test_models_by_name_file_and_folder(aligner: Path) -> None:
    (file,) = (a.file for a in read_manifest(aligner).artifacts if a.format == "onnx")
    seen: list[unmask_sdk.Check] = []
    named = unmask_sdk.verify("aligner", artifacts=aligner, runtime="onnx", progress=seen.append)
    assert tuple(seen) == named.checks
    assert [check.artifact for check in named.checks] == ["aligner"]
    assert len(unmask_sdk.verify(aligner / file, runtime="onnx").checks) == 1
    assert len(unmask_sdk.verify([aligner, str(aligner / file)], runtime="onnx").checks) == 1


def test_wrong_models_are_reported_and_raise_on_demand(aligner: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(aligner, folder)
    for artifact in read_manifest(folder).artifacts:
        (folder / artifact.file).write_bytes(b"not the model")
    report = unmask_sdk.verify(artifacts=folder, runtime="onnx")
    assert not report.ok
    assert {check.artifact for check in report.wrong} == {"aligner"}
    with pytest.raises(unmask_sdk.VerificationError, match="aligner onnx"):
        report.raise_if_wrong()
    data = json.loads(json.dumps(report.to_dict()))
    assert data["ok"] is False
    assert [check["ok"] for check in data["checks"]] == [check.ok for check in report.checks]


def test_nothing_run_is_not_ok() -> None:
    report = unmask_sdk.VerifyReport(())
    assert not report.ok
    with pytest.raises(unmask_sdk.VerificationError, match="nothing could be run"):
        report.raise_if_wrong()


def test_unknown_names_and_runtimes_raise(aligner: Path) -> None:
    with pytest.raises(unmask_sdk.ArtifactError, match="no model 'none'"):
        unmask_sdk.verify("none", artifacts=aligner)
    with pytest.raises(unmask_sdk.UnmaskError, match="abacus"):
        unmask_sdk.verify(artifacts=aligner, runtime="abacus")
