"""The TFLite exporter: fixed shapes, channels last, and the requested precision."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_networks import TINY
from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import ExportError
from unmask_sdk.faces.tiled_detector import TILE
from unmask_sdk.golden_vectors import iter_checks
from unmask_sdk.loading.load import open_runtime

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")
pytest.importorskip("ai_edge_quantizer")
from torch import nn  # noqa: E402

from unmask_sdk.calibration.calibration_set import read_images  # noqa: E402
from unmask_sdk.calibration.plan import convolutions, plan_for  # noqa: E402
from unmask_sdk.export.job import Job  # noqa: E402
from unmask_sdk.export.metadata import metadata_of  # noqa: E402
from unmask_sdk.export.parity_check import run_reference  # noqa: E402
from unmask_sdk.export.precision_check import check_precision, precision_of  # noqa: E402
from unmask_sdk.export.roles import role_of  # noqa: E402
from unmask_sdk.export.tflite.channels_last import channels_last  # noqa: E402
from unmask_sdk.export.tflite.exporter import convert, write_metadata  # noqa: E402
from unmask_sdk.export.tflite.precision import (  # noqa: E402
    CONVOLUTIONS,
    conv_work_by_precision,
    int8_share,
    operators,
    precision_by_layer,
    with_short_names,
)
from unmask_sdk.export.tflite.quantize import int8_operators, quantize_by_plan  # noqa: E402
from unmask_sdk.training.nets.checkpoint import load_network  # noqa: E402

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def folder(
    tiny_artifacts: Path,
    add_unmasker: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tiny networks in fp32, and the unmasker in fp16 and int8 too."""
    made = tmp_path_factory.mktemp("tflite") / "artifacts"
    shutil.copytree(tiny_artifacts, made)
    add_unmasker(made, "tflite", "fp16", "int8")
    return made


@pytest.fixture(scope="module")
def network(tiny_weights: list[Path]) -> nn.Module:
    return load_network(tiny_weights[0]).eval()


@pytest.fixture(scope="module")
def float_file(tiny_artifacts: Path) -> bytes:
    return (tiny_artifacts / "unmasker-fp32.tflite").read_bytes()


def entries(folder: Path) -> dict[tuple[str, str], Artifact]:
    found = [a for a in read_manifest(folder).artifacts if a.format == "tflite"]
    return {(a.role, a.precision): a for a in found}


def test_manifest_has_the_shapes_of_the_file(folder: Path) -> None:
    found = entries(folder)
    cells = TILE // 8
    assert [(s.name, s.shape) for s in found["detector", "fp32"].inputs] == [
        ("image", (1, TILE, TILE, 3))
    ]
    assert [(s.name, s.shape) for s in found["detector", "fp32"].outputs] == [
        ("heat", (1, cells, cells)),
        ("box", (1, cells, cells, 4)),
    ]
    assert found["aligner", "fp32"].inputs[0].shape == (1, 112, 112, 3)
    assert [s.shape for s in found["unmasker", "int8"].outputs] == [
        (1, TINY, TINY, 3),
        (1, TINY, TINY, 1),
    ]
    assert found["unmasker", "int8"].calibration_sha256 == read_images().sha256
    assert found["unmasker", "fp16"].calibration_sha256 is None
    for artifact in found.values():
        assert set(artifact.tools) == {"torch", "litert-torch", "ai-edge-quantizer"}
        assert {p.images for p in artifact.parity} == {64}


def test_exporting_twice_gives_the_same_bytes(folder: Path, network: nn.Module) -> None:
    content = (folder / "unmasker-int8.tflite").read_bytes()
    again = convert(Job(network, role_of(network), "int8")).content
    assert write_metadata(again, metadata_of(entries(folder)["unmasker", "int8"])) == content


def test_files_have_no_path_and_no_module_name(folder: Path) -> None:
    files = list(folder.glob("*.tflite"))
    assert len(files) == 5
    for file in files:
        content = file.read_bytes()
        for word in (str(Path.home()), str(Path.cwd()), "site-packages", "/tmp", "unmask_sdk"):
            assert word.encode() not in content


@pytest.mark.parametrize("role", ["unmasker", "detector", "aligner"])
def test_convolutions_have_torch_names_and_no_transpose_before_them(
    tiny_artifacts: Path, tiny_weights: list[Path], role: str
) -> None:
    found = operators((tiny_artifacts / f"{role}-fp32.tflite").read_bytes())
    (weights,) = (file for file in tiny_weights if file.stem == role)
    names = {op.name for op in found if op.kind in CONVOLUTIONS}
    assert names == set(convolutions(load_network(weights)))
    transposed = {op.outputs[0] for op in found if op.kind == "TRANSPOSE"}
    assert not transposed & {op.inputs[0] for op in found if op.kind in CONVOLUTIONS}
    # One for each pixel shuffle, three of the composite, two of the detector's small maps.
    assert len(transposed) <= {"unmasker": 7, "detector": 2, "aligner": 0}[role]


def test_channels_last_computes_the_same(network: nn.Module) -> None:
    images = draw_masked_faces(3, TINY, TINY)
    for expected, actual in zip(
        run_reference(network, images), run_reference(channels_last(network), images), strict=True
    ):
        assert np.abs(expected.astype(int) - actual).max() <= 1


def test_each_file_has_the_requested_precision(folder: Path) -> None:
    files = {p: (folder / f"unmasker-{p}.tflite").read_bytes() for p in ("fp32", "fp16", "int8")}
    assert {p: precision_of(conv_work_by_precision(f)) for p, f in files.items()} == {
        p: p for p in files
    }
    assert len(files["int8"]) < len(files["fp16"]) < len(files["fp32"])
    with pytest.raises(ExportError, match="asked for int8, the exported file is fp16"):
        check_precision(conv_work_by_precision(files["fp16"]), "int8")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_it_verifies_and_keeps_pixels_outside_the_mask(folder: Path, precision: str) -> None:
    checks = [c for c in iter_checks(folder, "tflite", threads=1) if c.precision == precision]
    assert [c.ok for c in checks] == [True], checks
    images = read_images().at(TINY)[:5]
    with open_runtime("unmasker", "tflite", precision, artifacts=folder) as opened:
        assert opened.info.precision == precision
        unmasked, mask = opened.run(images)
    outside = mask[..., 0] == 0
    assert outside.any()
    assert not outside.all()
    np.testing.assert_array_equal(unmasked[outside], images[outside])


def test_fp32_is_the_default_precision(folder: Path) -> None:
    with open_runtime("unmasker", "tflite", artifacts=folder) as opened:
        assert opened.info.precision == "fp32"


def test_layers_that_the_plan_keeps_stay_in_float(network: nn.Module, float_file: bytes) -> None:
    kept = ("unmasker.generator.blocks.0.branches.1.0.0", "unmasker.sharpener.body.2")
    plan = replace(plan_for(network), keep_float=kept)
    file = quantize_by_plan(float_file, read_images().at(TINY)[:2], plan)
    assert {name for name, kind in precision_by_layer(file).items() if kind != "int8"} == set(kept)
    with pytest.raises(ExportError, match=r"does not have: \['nowhere'\]"):
        int8_operators(float_file, ["nowhere"])


def test_operators_between_float_layers_stay_float(network: nn.Module, float_file: bytes) -> None:
    assert int8_operators(float_file, convolutions(network)) == []
    assert {op.kind for op in int8_operators(float_file, ())} <= {
        *CONVOLUTIONS, "PAD", "ADD", "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR"
    }  # fmt: skip


def test_int8_share_is_counted_from_the_file(network: nn.Module, float_file: bytes) -> None:
    images = read_images().at(TINY)[:2]
    full = replace(plan_for(network), keep_float=())
    assert int8_share(quantize_by_plan(float_file, images, full)) == 1.0
    assert int8_share(float_file) == 0.0
    most = tuple(name for name in convolutions(network) if ".sharpener." in name)
    little = quantize_by_plan(float_file, images, replace(full, keep_float=most))
    with pytest.raises(ExportError, match="of the work is in int8, at least 80%"):
        precision_of(conv_work_by_precision(little))


@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_ranges_are_derived_by_the_plans_method(
    network: nn.Module, float_file: bytes, method: str
) -> None:
    images = read_images().at(TINY)[:2]
    minmax, other = (
        quantize_by_plan(float_file, images, replace(plan_for(network), method=m))
        for m in ("minmax", method)
    )
    assert precision_of(conv_work_by_precision(other)) == "int8"
    assert other != minmax


def test_a_file_of_another_network_is_refused(float_file: bytes) -> None:
    with pytest.raises(ExportError, match="other convolutions than the network"):
        with_short_names(float_file, {"no.such": "no.such"})
