"""OpenVINO IR: converted from our ONNX, opened by our runtime, the same bytes each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tiny_networks import TINY
from unmask_sdk.core.manifest import read_manifest, sha256_of
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import ExportError
from unmask_sdk.export.run_export import export
from unmask_sdk.golden_vectors import iter_checks
from unmask_sdk.loading.load import open_runtime

pytest.importorskip("openvino")
pytest.importorskip("onnxscript")
from unmask_sdk.export.metadata import metadata_of
from unmask_sdk.export.openvino.exporter import RT_INFO, weights_by_precision
from unmask_sdk.export.precision_check import precision_of

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def folder(
    tiny_weights: list[Path],
    conversions: dict[Path, dict[str, bytes]],
    add_unmasker: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tiny networks in fp16, the unmasker in int8 too."""
    folder = tmp_path_factory.mktemp("ir")
    export("openvino", tiny_weights[1:], folder, precision="fp16", conversions=conversions)
    add_unmasker(folder, "openvino", "fp16", "int8")
    return folder


def test_every_file_verifies(folder: Path) -> None:
    checks = [check for check in iter_checks(folder, "openvino") if check.format == "openvino"]
    assert {(c.role, c.precision) for c in checks} == {
        ("unmasker", "fp16"),
        ("unmasker", "int8"),
        ("detector", "fp16"),
        ("aligner", "fp16"),
    }
    assert all(check.ok for check in checks), checks


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_precision_is_counted_from_the_file(folder: Path, precision: str) -> None:
    import openvino as ov

    model = ov.Core().read_model(folder / f"unmasker-{precision}_openvino" / "model.xml")
    assert precision_of(weights_by_precision(model)) == precision


def test_float32_is_recognized_and_a_model_without_weights_refused() -> None:
    import openvino as ov
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, 8, 8], np.float32)
    weights = ops.constant(np.ones((4, 3, 3, 3), np.float32))
    conv = ops.convolution(image, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    assert precision_of(weights_by_precision(ov.Model([conv], [image], "one"))) == "fp32"
    with pytest.raises(ExportError, match="mixed or unknown"):
        precision_of(weights_by_precision(ov.Model([], [], "empty")))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_pixels_outside_the_mask_are_exact(folder: Path, precision: str) -> None:
    images = draw_masked_faces(4, TINY, TINY, 7)
    with open_runtime("unmasker", "openvino", precision, artifacts=folder) as opened:
        assert opened.info.precision == precision
        unmasked, mask = opened.run(images)
    outside = np.broadcast_to(mask == 0, images.shape)
    assert outside.any()
    assert (unmasked[outside] == images[outside]).all()


def test_exporting_twice_gives_the_same_bytes_and_no_path(
    folder: Path, tiny_weights: list[Path], tmp_path: Path
) -> None:
    export("openvino", tiny_weights[2:], tmp_path, precision="fp16")
    again = tmp_path / "aligner-fp16_openvino"
    assert sha256_of(again) == sha256_of(folder / again.name)
    assert sorted(file.name for file in again.iterdir()) == ["model.bin", "model.xml"]
    for file in folder.glob("*_openvino/*"):
        content = file.read_bytes()
        for word in (b"site-packages", str(Path.home()).encode(), b".py", b"/tmp", b".onnx"):
            assert word not in content, (file, word)


def test_folder_has_its_metadata(folder: Path) -> None:
    import openvino as ov

    artifacts = [a for a in read_manifest(folder).artifacts if a.format == "openvino"]
    assert len(artifacts) == 4
    for artifact in artifacts:
        model = ov.Core().read_model(folder / artifact.file / "model.xml")
        expected = metadata_of(artifact).fields()
        found = {key: model.get_rt_info([RT_INFO, key]).astype(str) for key in expected}
        assert found == expected


def test_the_entry_keeps_open_dimensions(folder: Path) -> None:
    shapes = {
        artifact.role: artifact.inputs[0].shape
        for artifact in read_manifest(folder).artifacts
        if artifact.format == "openvino"
    }
    assert shapes["unmasker"] == (None, TINY, TINY, 3)
    assert shapes["detector"] == (None, None, None, 3)


def test_openvino_telemetry_is_off() -> None:
    code = (
        "import unmask_sdk.runtimes.openvino, sys; from openvino.tools.ovc import telemetry_utils;"
        "print(telemetry_utils.tm.__name__, 'openvino_telemetry.main' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "False"]
