"""The ONNX exporter: the same bytes each time, with no trace of the machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask_sdk.core.manifest import read_manifest, sha256_of
from unmask_sdk.errors import ConfigError, DataError, ExportError, InvalidInputError
from unmask_sdk.export.metadata import metadata_of
from unmask_sdk.export.run_export import export

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from unmask_sdk.runtimes.onnx_session import open_session  # noqa: E402


@pytest.fixture(scope="module")
def exported_again(
    tiny_weights: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """The aligner and the unmasker, exported a second time, and the steps reported on the way."""
    folder = tmp_path_factory.mktemp("again")
    steps: list[str] = []
    chosen = [file for file in tiny_weights if file.stem != "detector"]
    export("onnx", chosen, folder, progress=steps.append)
    return folder, steps


def test_exporting_twice_gives_the_same_bytes(
    tiny_artifacts: Path, exported_again: tuple[Path, list[str]]
) -> None:
    files = [p for p in exported_again[0].rglob("*") if p.suffix in {".onnx", ".npz"}]
    assert len(files) == 4
    for file in files:
        first = tiny_artifacts / file.relative_to(exported_again[0])
        assert sha256_of(first) == sha256_of(file), file.name


def test_steps_are_reported(exported_again: tuple[Path, list[str]]) -> None:
    steps = exported_again[1]
    assert steps[0] == "reading weights"
    assert [s for s in steps if s.startswith("unmasker")] == [
        "unmasker: converting",
        "unmasker: golden vectors",
        "unmasker: comparing with torch",
    ]
    assert steps[-1].startswith("writing")


def test_manifest_lists_every_network_and_its_weights(tiny_artifacts: Path) -> None:
    manifest = read_manifest(tiny_artifacts)
    assert [(a.role, a.format) for a in manifest.artifacts if a.format != "tflite"] == [
        (role, kind)
        for role in ("aligner", "detector", "unmasker")
        for kind in ("onnx", "safetensors")
    ]
    for artifact in manifest.artifacts:
        assert manifest.path(artifact).stat().st_size == artifact.bytes
        assert manifest.golden_path(artifact).stat().st_size < 1_000_000
        assert artifact.precision == "fp32"
        assert artifact.calibration_sha256 is None
    for artifact in manifest.find(role="unmasker", formats=("onnx",)):
        assert {p.output: p.images for p in artifact.parity} == {"unmasked": 64, "mask": 64}
        assert all(p.max_abs <= 1 for p in artifact.parity)
        assert set(artifact.tools) == {"torch", "onnx", "onnxscript", "onnxruntime"}


def test_golden_vectors_have_masked_pixels(tiny_artifacts: Path) -> None:
    with np.load(tiny_artifacts / "golden/unmasker.npz", allow_pickle=False) as data:
        mask, before, after = data["out_mask"], data["in_image"], data["out_unmasked"]
    assert mask.max() > 0
    assert (before != after).any()


@pytest.mark.parametrize("name", ["unmasker-fp32", "detector-fp32", "aligner-fp32"])
def test_file_has_its_metadata(tiny_artifacts: Path, name: str) -> None:
    (artifact,) = (a for a in read_manifest(tiny_artifacts).artifacts if a.file == f"{name}.onnx")
    file = tiny_artifacts / artifact.file
    found, expected = open_session(file).get_modelmeta(), metadata_of(artifact)
    assert found.custom_metadata_map == expected.fields()
    assert found.description == expected.summary()
    graph = onnx.load(file).graph
    texts = {value.name: value.doc_string for value in (*graph.input, *graph.output)}
    assert texts == {**expected.inputs, **expected.outputs}


@pytest.mark.parametrize("name", ["unmasker-fp32", "detector-fp32", "aligner-fp32"])
def test_file_has_no_trace_of_the_machine(tiny_artifacts: Path, name: str) -> None:
    file = tiny_artifacts / f"{name}.onnx"
    model = onnx.load(file)
    assert {entry.version for entry in model.opset_import} == {20}
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    content = file.read_bytes()
    for word in (b"site-packages", str(Path.home()).encode(), b".py", str(Path.cwd()).encode()):
        assert word not in content
    operators = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in operators, "batch norm should have folded"
    assert "ConvTranspose" not in operators


def test_open_dimensions_are_named(tiny_artifacts: Path) -> None:
    graph = onnx.load(tiny_artifacts / "detector-fp32.onnx").graph
    dims = [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", "image_1", "image_2", 3]


def test_other_entries_of_the_manifest_stay(own_artifacts: Path, tiny_weights: list[Path]) -> None:
    before = read_manifest(own_artifacts)
    aligner = [file for file in tiny_weights if file.stem == "aligner"]
    export("onnx", aligner, own_artifacts)
    assert read_manifest(own_artifacts).artifacts == before.artifacts
    assert not [p for p in own_artifacts.rglob(".*")]


def test_unknown_format_and_precision_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown format 'caffe'; known are onnx"):
        export("caffe", [], tmp_path)
    with pytest.raises(ConfigError, match="not in 'int4' in this version; use --precision fp32"):
        export("onnx", [], tmp_path, precision="int4")
    with pytest.raises(ConfigError, match="a calibration set is for int8, w8, w8a8, not for fp16"):
        export("onnx", [], tmp_path, precision="fp16", calibration=tmp_path)


def test_missing_and_damaged_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no weight file"):
        export("onnx", [tmp_path / "none.safetensors"], tmp_path)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights")
    with pytest.raises(DataError):
        export("onnx", [broken], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_weights_with_the_same_name_are_refused(
    tiny_weights: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="two of one name: unmasker, unmasker"):
        export("onnx", [tiny_weights[0], tiny_weights[0]], tmp_path)


def test_folder_is_checked_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    steps: list[str] = []
    with pytest.raises(InvalidInputError, match=r"--out .*file is a file, not a folder"):
        export("onnx", [], tmp_path / "file" / "out", progress=steps.append)
    for broken in ("{", '{"schema": 99, "artifacts": []}'):
        (tmp_path / "manifest.json").write_text(broken)
        with pytest.raises(ExportError, match=r"manifest\.json .*; remove it, or choose another"):
            export("onnx", [], tmp_path, progress=steps.append)
        assert (tmp_path / "manifest.json").read_text() == broken
    assert steps == []
