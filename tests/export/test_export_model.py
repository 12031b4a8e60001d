"""`unmask_sdk.export_model()`: what its report holds, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import unmask_sdk
from unmask_sdk.core.manifest import read_manifest


def test_the_report_is_what_the_folder_holds(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    report = unmask_sdk.export_model(
        "onnx", models=["aligner"], out=tmp_path, progress=lambda *step: steps.append(step)
    )
    assert report.folder == tmp_path
    (artifact,) = (a for a in report.artifacts if a.format == "onnx")
    assert (artifact.name, artifact.precision) == ("aligner", "fp32")
    assert report.artifacts == read_manifest(tmp_path).artifacts
    assert (tmp_path / artifact.file).stat().st_size == artifact.bytes
    assert all(exported.seconds > 0 for exported in report.exports)
    assert {(done, total) for _, done, total in steps} == {(0, 1)}
    data = json.loads(json.dumps(report.to_dict()))
    assert data["exports"][0]["artifact"]["sha256"] == report.artifacts[0].sha256
    assert unmask_sdk.verify(artifacts=tmp_path, runtime="onnx").ok


@pytest.mark.parametrize(
    ("format", "precision", "words"),
    [
        ("caffe", None, "unknown format 'caffe'; known are onnx"),
        ("onnx", "int4", "onnx can be exported in fp32, fp16, int8, not in 'int4'"),
        ("all", "fp32", "all also means every precision"),
    ],
)
def test_unknown_formats_and_precisions_are_refused(
    format: str, precision: str | None, words: str, tmp_path: Path
) -> None:
    with pytest.raises(unmask_sdk.ConfigError, match=words):
        unmask_sdk.export_model(format, precision, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(unmask_sdk.ConfigError, match=r"there is no weight file none\.safetensors"):
        unmask_sdk.export_model("onnx", weights=["none.safetensors"], out=tmp_path)


def test_unknown_networks_are_named(tmp_path: Path) -> None:
    with pytest.raises(unmask_sdk.ConfigError, match="the package holds no weights of 'nobody'"):
        unmask_sdk.export_model("onnx", models=["nobody"], out=tmp_path)
