"""TensorRT: its parser reports no warnings, engines have the precision of the file, and the file
computes what the reference computes. Real engines are built; running them needs a GPU.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_networks import TINY
from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import ConfigError, ExportError
from unmask_sdk.export.run_export import export
from unmask_sdk.golden_vectors import compare

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")

from unmask_sdk.calibration.calibration_set import read_images  # noqa: E402
from unmask_sdk.calibration.plan import read_plan  # noqa: E402
from unmask_sdk.export.metadata import metadata_of  # noqa: E402
from unmask_sdk.export.onnx.precision import conv_work, conv_work_by_precision, int8_share  # noqa: E402
from unmask_sdk.export.onnx.quantize import TENSORRT, FloatGraph  # noqa: E402
from unmask_sdk.export.precision_check import precision_of  # noqa: E402
from unmask_sdk.export.trt.exporter import (  # noqa: E402
    UnoptimizedOnnxRuntime,
    check_engines,
    convert,
    write_metadata,
)
from unmask_sdk.export.trt.precision import share_by_type, unexpected_messages  # noqa: E402
from unmask_sdk.runtimes.engines.library import Library, find_library  # noqa: E402

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def library() -> Library:
    pytest.importorskip("tensorrt_rtx")
    return find_library()


def _entry(folder: Path, precision: str, role: str = "unmasker") -> tuple[Path, Artifact]:
    manifest = read_manifest(folder)
    (found,) = (a for a in manifest.find(role=role, formats=("trt",)) if a.precision == precision)
    return manifest.path(found), found


def test_manifest_lists_the_files(tiny_trt: Path) -> None:
    found = {
        (a.role, a.precision): a.file
        for a in read_manifest(tiny_trt).artifacts
        if a.format == "trt"
    }
    assert found == {
        ("unmasker", "fp16"): "unmasker-fp16.onnx",
        ("detector", "fp16"): "detector-fp16.onnx",
        ("aligner", "fp16"): "aligner-fp16.onnx",
        ("unmasker", "int8"): "unmasker-int8-trt.onnx",
    }
    int8 = _entry(tiny_trt, "int8")[1]
    assert int8.calibration_sha256 == read_images().sha256
    assert {p.output: p.images for p in int8.parity} == {"unmasked": 64, "mask": 64}


def test_fp16_file_is_that_of_onnx(
    tiny_trt: Path, tiny_weights: list[Path], tmp_path: Path
) -> None:
    """The same bytes under the same name: a folder with both formats holds it once."""
    folder = Path(shutil.copytree(tiny_trt, tmp_path / "artifacts"))
    path, entry = _entry(folder, "fp16", "aligner")
    before = path.read_bytes()
    export("onnx", [tiny_weights[2]], folder, precision="fp16")
    assert path.read_bytes() == before
    assert _entry(folder, "fp16", "aligner") == (path, entry)
    assert precision_of(conv_work_by_precision(onnx.load(path))) == "fp16"


def test_exporting_twice_gives_the_same_bytes(tiny_trt: Path, tiny_weights: list[Path]) -> None:
    from unmask_sdk.export.job import Job
    from unmask_sdk.export.roles import role_of
    from unmask_sdk.training.nets.checkpoint import load_network

    network = load_network(tiny_weights[0]).eval()
    path, entry = _entry(tiny_trt, "int8")
    content = convert(Job(network, role_of(network), "int8")).content
    assert write_metadata(content, metadata_of(entry)) == path.read_bytes()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_file_has_its_metadata(tiny_trt: Path, precision: str) -> None:
    path, entry = _entry(tiny_trt, precision)
    found = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    assert found == metadata_of(entry).fields()
    assert (found["precision"], found["output_is_generated"]) == (precision, "yes")


def test_int8_is_symmetric_and_fused(tiny_trt: Path) -> None:
    model = onnx.load(_entry(tiny_trt, "int8")[0])
    graph = model.graph
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert stored[node.input[2]].dtype == np.int8, "weights and activations, no biases"
            assert not stored[node.input[2]].any()
            assert stored[node.input[1]].dtype == np.float16
    makers = {name: node for node in graph.node for name in node.output}
    rounded = [n for n in graph.node if n.op_type == "QuantizeLinear"]
    assert not [n for n in rounded if makers[n.input[0]].op_type == "Conv"], "Relu comes first"
    assert precision_of(conv_work_by_precision(model)) == "int8"
    # Decision and compositing are float32, and so are the inputs of these operators.
    kinds = {
        value.name: value.type.tensor_type.elem_type
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    for node in graph.node:
        if node.op_type in ("Clip", "Floor") or node.op_type.startswith("MaxPool"):
            assert kinds[node.input[0]] == onnx.TensorProto.FLOAT, node.name


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_pixels_outside_the_mask_are_exact(tiny_trt: Path, precision: str) -> None:
    path, entry = _entry(tiny_trt, precision)
    images = np.concatenate(
        [
            draw_masked_faces(2, TINY, TINY),
            np.random.default_rng(1).integers(0, 256, (2, TINY, TINY, 3), "u1"),
        ]
    )
    with UnoptimizedOnnxRuntime(path, entry, threads=1) as opened:
        unmasked, masks = opened.run(images)
    outside = np.broadcast_to(masks == 0, images.shape)
    assert outside.any()
    assert not outside.all()
    np.testing.assert_array_equal(unmasked[outside], images[outside])


@pytest.mark.parametrize(
    ("role", "precision"),
    [("unmasker", "int8"), ("unmasker", "fp16"), ("detector", "fp16"), ("aligner", "fp16")],
)
def test_engines_have_the_precision_of_the_file(
    library: Library, tiny_trt: Path, role: str, precision: str
) -> None:
    path, entry = _entry(tiny_trt, precision, role)
    wanted = int8_share(onnx.load(path)) if precision == "int8" else 1.0
    kind = {"int8": "Int8", "fp16": "Half"}[precision]
    found = check_engines(path, entry, library, ("8.6", "8.9", "12.0"))
    for share in found.values():
        assert share[kind] == pytest.approx(wanted, abs=0.01)
        assert sum(share.values()) == pytest.approx(1)


def test_engines_in_another_precision_are_refused(library: Library, tiny_trt: Path) -> None:
    # TensorRT-RTX has no integer convolutions for Turing.
    path, entry = _entry(tiny_trt, "int8")
    with pytest.raises(ExportError, match=r"in int8, but .* on compute capability 7\.5: Half 100"):
        check_engines(path, entry, library, ("7.5",))
    with pytest.raises(ExportError, match=r"in fp16, but .* 8\.6: .*Int8"):
        check_engines(path, replace(entry, precision="fp16"), library)


def test_packaged_plan_keeps_nine_tenths_of_the_work_in_int8() -> None:
    manifest = read_manifest()
    (entry,) = (
        artifact
        for artifact in manifest.find(role="unmasker", formats=("onnx",))
        if (artifact.name, artifact.precision) == ("unmask-256", "fp32")
    )
    content = manifest.path(entry).read_bytes()
    cost = conv_work(onnx.load_from_string(content))
    int8 = FloatGraph(content, TENSORRT).nodes(read_plan(entry.name).kept(symmetric=True))
    assert sum(cost[node.output[0]] for node in int8) / sum(cost.values()) >= 0.9


def test_types_are_read_from_the_log_by_layer() -> None:
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [
                onnx.helper.make_node("Conv", ["image", "w1"], ["a"], "one"),
                onnx.helper.make_node("Conv", ["a", "w2"], ["b"], "two"),
                onnx.helper.make_node("Conv", ["b", "w1"], ["c"], "three"),
            ],
            "net",
            [onnx.helper.make_tensor_value_info("image", 1, [None, 1, 4, 4])],
            [onnx.helper.make_tensor_value_info("c", 1, [None, 1, 4, 4])],
            [
                onnx.helper.make_tensor("w1", 1, [1, 1, 1, 1], [1.0]),
                onnx.helper.make_tensor("w2", 1, [1, 1, 1, 1], [1.0]),
            ],
        )
    )
    layer = (
        "Name: {name}, LayerType: {layer}, Inputs: [ {{ Name: x, Dimensions: [1], Datatype: {kind},"
        " Format: (NHWC) }}], Outputs: [ {{ Datatype: Half }}], Metadata: {nodes}"
    )
    text = "\n".join(
        layer.format(name=name, layer=kind_of_layer, kind=kind, nodes=nodes)
        for name, kind_of_layer, kind, nodes in (
            ("one_myl0_1", "correlation", "Int8", "[ONNX Layer: one][ONNX Layer: two]"),
            ("__mye7_myl0_2", "gemm", "Half", "[ONNX Layer: two]"),
            ("__myl_Cast_0_3", "kgen", "Float", "[ONNX Layer: three]"),
        )
    )
    log = [("VERBOSE", text), ("WARNING", "  known\n thing"), ("ERROR", "bad"), ("INFO", "fine")]
    found = share_by_type(model, log)
    assert found == pytest.approx({"Int8": 1 / 3, "Half": 1 / 3, "unknown": 1 / 3})
    assert unexpected_messages(log, ["known thing"]) == ["bad"]


def test_fp32_is_refused(tiny_weights: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trt can be exported in fp16, int8, not in 'fp32'"):
        export("trt", tiny_weights, tmp_path)


def test_the_locator_in_int8(tmp_path: Path) -> None:
    """The export itself builds engines, and reads from their logs that they compute in int8."""
    from unmask_sdk.training import shipped_weights

    weights = [shipped_weights(name) for name in ("detector", "aligner")]
    found = export("trt", weights, tmp_path, precision="int8")
    made = [artifact for artifact in found if artifact.format == "trt"]
    assert [a.file for a in made] == ["detector-int8-trt.onnx", "aligner-int8-trt.onnx"]
    assert min(p.psnr_db or 0.0 for a in made for p in a.parity) > 40


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_parity_holds_without_graph_optimization(tiny_trt: Path, precision: str) -> None:
    path, entry = _entry(tiny_trt, precision)
    with np.load(tiny_trt / entry.golden.file, allow_pickle=False) as golden:
        images, expected = golden["in_image"], golden["out_unmasked"]
    with UnoptimizedOnnxRuntime(path, entry, threads=1) as opened:
        unmasked, _ = opened.run(images)
    found = compare("unmasked", expected, unmasked, images=len(images)).psnr_db
    assert found is None or found > (entry.golden.min_psnr_db or 0)
