"""int8 ONNX files for CPUs: which layers are int8, which stay in float, and verification."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.errors import DataError, ExportError
from unmask_sdk.export.run_export import export
from unmask_sdk.golden_vectors import iter_checks
from unmask_sdk.loading.load import open_runtime

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
from torch import nn  # noqa: E402

from unmask_sdk.calibration.calibration_set import CalibrationSet, pack_images, read_images  # noqa: E402
from unmask_sdk.calibration.plan import convolutions, plan_for  # noqa: E402
from unmask_sdk.export.job import Job  # noqa: E402
from unmask_sdk.export.metadata import metadata_of  # noqa: E402
from unmask_sdk.export.onnx.exporter import convert, float_graph, write_metadata  # noqa: E402
from unmask_sdk.export.onnx.precision import conv_work_by_precision, int8_share  # noqa: E402
from unmask_sdk.export.onnx.quantize import (  # noqa: E402
    CPU,
    OPENVINO,
    TENSORRT,
    FloatGraph,
    quantize_by_plan,
)
from unmask_sdk.export.precision_check import check_precision, precision_of  # noqa: E402
from unmask_sdk.export.roles import role_of  # noqa: E402
from unmask_sdk.training import shipped_weights  # noqa: E402
from unmask_sdk.training.nets.checkpoint import load_network  # noqa: E402

pytestmark = pytest.mark.slow

SIZE = 64


@pytest.fixture(scope="module")
def int8_folder(
    tiny_artifacts: Path,
    add_unmasker: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tiny networks in fp32, and the unmasker in int8 too."""
    folder = tmp_path_factory.mktemp("int8") / "artifacts"
    shutil.copytree(tiny_artifacts, folder)
    add_unmasker(folder, "onnx", "int8")
    return folder


@pytest.fixture(scope="module")
def network(tiny_weights: list[Path]) -> nn.Module:
    return load_network(tiny_weights[0])


@pytest.fixture(scope="module")
def float_file(network: nn.Module) -> bytes:
    return float_graph(network).file


def _int8(folder: Path) -> Artifact:
    (found,) = (a for a in read_manifest(folder).artifacts if a.precision == "int8")
    return found


def _kept(model: onnx.ModelProto) -> set[str]:
    """The convolutions of a file whose weights are float."""
    floats = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    direct = {n.input[1] for n in model.graph.node if n.op_type == "Conv"} & floats
    return {name.removesuffix(".weight") for name in direct}


def test_manifest_has_the_digest_of_the_calibration_set(int8_folder: Path) -> None:
    artifact = _int8(int8_folder)
    assert artifact.calibration_sha256 == read_images().sha256
    assert artifact.golden.min_psnr_db is not None
    assert {p.output for p in artifact.parity} == {"unmasked", "mask"}


def test_exporting_twice_gives_the_same_bytes(int8_folder: Path, network: nn.Module) -> None:
    content = (int8_folder / "unmasker-int8.onnx").read_bytes()
    again = convert(Job(network, role_of(network), "int8")).content
    assert write_metadata(again, metadata_of(_int8(int8_folder))) == content
    for word in (str(Path.home()), str(Path.cwd()), "site-packages", "/tmp"):
        assert word.encode() not in content


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_int8_verifies_and_keeps_pixels_outside_the_mask(int8_folder: Path, runtime: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(runtime, runtime))
    checks = [c for c in iter_checks(int8_folder, runtime) if c.precision == "int8"]
    assert [c.ok for c in checks] == [True], checks
    images = read_images().at(SIZE)[:5]
    with open_runtime("unmasker", runtime, "int8", artifacts=int8_folder) as opened:
        assert opened.info.precision == "int8"
        unmasked, mask = opened.run(images)
        alone = opened.run(images[2:3])[0]
    outside = mask[..., 0] == 0
    assert outside.any()
    assert not outside.all()
    np.testing.assert_array_equal(unmasked[outside], images[outside])
    np.testing.assert_array_equal(alone, unmasked[2:3])


def test_fp32_is_the_default_precision(int8_folder: Path) -> None:
    for runtime in ("auto", "onnx"):
        with open_runtime("unmasker", runtime, artifacts=int8_folder) as opened:
            assert opened.info.precision == "fp32"


def test_layers_kept_in_float_are_in_float(network: nn.Module, float_file: bytes) -> None:
    kept = ("unmasker.generator.down2.0.0", "unmasker.sharpener.body.2")
    plan = replace(plan_for(network), keep_float=kept)
    file = quantize_by_plan(float_file, read_images().at(SIZE)[:2], plan)
    assert _kept(onnx.load_from_string(file)) == set(kept)


def test_more_layers_stay_in_float_where_there_are_no_zero_points(
    network: nn.Module, float_file: bytes
) -> None:
    images = read_images().at(SIZE)[:2]
    plan = replace(
        plan_for(network),
        keep_float=("unmasker.generator.down2.0.0",),
        keep_float_symmetric=("unmasker.sharpener.known.0",),
    )
    for placement in (CPU, OPENVINO, TENSORRT):
        file = quantize_by_plan(float_file, images, plan, placement)
        assert _kept(onnx.load_from_string(file)) == set(plan.kept(symmetric=placement is TENSORRT))


def test_operators_between_float_layers_stay_float(network: nn.Module, float_file: bytes) -> None:
    graph = FloatGraph(float_file)
    assert set(graph.convolutions) == set(convolutions(network))
    assert {n.op_type for n in graph.nodes(())} <= {
        "Conv", "Relu", "Add", "Concat", "Resize", "DepthToSpace"
    }  # fmt: skip
    assert graph.nodes(tuple(graph.convolutions)) == []
    with pytest.raises(ExportError, match=r"does not have: \['nowhere'\]"):
        graph.nodes(["nowhere"])


def test_only_added_tensors_have_short_names(network: nn.Module, float_file: bytes) -> None:
    kept = ("unmasker.generator.down2.0.0",)
    plan = replace(plan_for(network), keep_float=kept)
    model = onnx.load_from_string(quantize_by_plan(float_file, read_images().at(SIZE)[:2], plan))
    before = onnx.load_from_string(float_file).graph
    known = {name for node in before.node for name in (*node.input, *node.output)}
    added = [t.name for t in model.graph.initializer if t.name not in known]
    assert len(added) > 50
    assert max(map(len, added)) <= 5
    assert f"{kept[0]}.weight" in {t.name for t in model.graph.initializer}
    # Layers are compared by these.
    assert {n.output[0] for n in model.graph.node if n.op_type == "Conv"} <= known


def test_int8_share_is_counted_from_the_file(network: nn.Module, float_file: bytes) -> None:
    images = read_images().at(SIZE)[:2]
    full = replace(plan_for(network), keep_float=())
    model = onnx.load_from_string(quantize_by_plan(float_file, images, full))
    assert int8_share(model) == 1.0
    assert precision_of(conv_work_by_precision(model)) == "int8"
    with pytest.raises(ExportError, match="asked for fp32, the exported file is int8"):
        check_precision(conv_work_by_precision(model), "fp32")
    most = [name for name in FloatGraph(float_file).convolutions if ".sharpener." in name]
    little = onnx.load_from_string(
        quantize_by_plan(float_file, images, replace(full, keep_float=tuple(most)))
    )
    assert 0 < int8_share(little) < 0.8
    with pytest.raises(ExportError, match="of the work is in int8, at least 80%"):
        precision_of(conv_work_by_precision(little))
    assert int8_share(onnx.load_from_string(float_file)) == 0.0


def test_symmetric_activations_have_no_zero_point(float_file: bytes) -> None:
    graph = FloatGraph(float_file)
    model = onnx.load_from_string(
        graph.quantize(dict.fromkeys(graph.tensors(), (-1.0, 2.0)), symmetric=True)
    )
    points = {n.input[2] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    assert all((stored[p].dtype, stored[p].any()) == (np.int8, False) for p in points)


def test_calibration_set_and_its_plan_are_used(network: nn.Module, tmp_path: Path) -> None:
    own = tmp_path / "own.npz"
    kept = ("unmasker.segmenter.head.1",)
    plan = replace(plan_for(network), keep_float=kept).to_json()
    own.write_bytes(pack_images(read_images().images[:3], plan))
    made = convert(Job(network, role_of(network), "int8", CalibrationSet(own)))
    assert made.calibration_sha256 == read_images(own).sha256
    assert _kept(onnx.load_from_string(made.content)) == set(kept)


def test_damaged_calibration_set_writes_nothing(tiny_weights: list[Path], tmp_path: Path) -> None:
    own = tmp_path / "own.npz"
    own.write_bytes(b"not a set")
    with pytest.raises(DataError, match="is not a calibration set"):
        export("onnx", tiny_weights[:1], tmp_path / "out", precision="int8", calibration=own)
    assert not (tmp_path / "out").exists()


def test_first_and_last_layer_of_the_locator_stay_in_float() -> None:
    for name in ("detector", "aligner"):
        network = load_network(shipped_weights(name)).eval()
        first, *_, last = convolutions(network)
        made = convert(Job(network, role_of(network), "int8"))
        assert isinstance(made.content, bytes)
        assert _kept(onnx.load_from_string(made.content)) == {first, last}
        assert made.calibration_sha256 == read_images().sha256
