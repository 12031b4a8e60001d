"""The Core ML exporter: contents of the package, the same bytes each time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tiny_networks import TINY
from unmask_sdk.core.manifest import Artifact, read_manifest, sha256_of
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import ConfigError, ExportError
from unmask_sdk.export.run_export import export

pytest.importorskip("coremltools")
pytest.importorskip("onnxscript")
from unmask_sdk.export.coreml.mil_interpreter import MilRuntime, read
from unmask_sdk.export.coreml.precision import quantize_program, weights_by_precision
from unmask_sdk.export.metadata import metadata_of
from unmask_sdk.export.precision_check import precision_of
from unmask_sdk.faces.tiled_detector import TILE

pytestmark = pytest.mark.engine

PRECISIONS = ("fp32", "fp16", "w8", "w8a8")


def entry(folder: Path, role: str, precision: str) -> Artifact:
    found = read_manifest(folder).find(role=role, formats=("coreml",))
    return next(artifact for artifact in found if artifact.precision == precision)


def convolutions(folder: Path, precision: str) -> list:  # type: ignore[type-arg]
    _, function = read(folder / f"unmasker-{precision}.mlpackage")
    return [operation for operation in function.operations if operation.op_type == "conv"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_precision_is_counted_from_the_file(tiny_packages: Path, precision: str) -> None:
    _, function = read(tiny_packages / f"unmasker-{precision}.mlpackage")
    assert precision_of(weights_by_precision(function)) == precision


@pytest.mark.parametrize("precision", PRECISIONS)
def test_inputs_and_outputs_are_images(tiny_packages: Path, precision: str) -> None:
    spec, function = read(tiny_packages / f"unmasker-{precision}.mlpackage")
    assert spec.specificationVersion == 8, "iOS 17"
    kinds = [f.type.imageType for f in (*spec.description.input, *spec.description.output)]
    named = [(kind.ColorSpace.Name(kind.colorSpace), kind.width) for kind in kinds]
    assert named == [("RGB", TINY), ("RGB", TINY), ("GRAYSCALE", TINY)]
    # Inputs and outputs are float32 in every precision: compositing must be exact.
    for variable in (*function.inputs.values(), *function.outputs):
        assert variable.dtype.__name__ == "fp32"
    floors = [operation for operation in function.operations if operation.op_type == "floor"]
    assert {operation.x.dtype.__name__ for operation in floors} == {"fp32"}
    sigmoids = [o for o in function.operations if o.op_type == "sigmoid" and o.x.shape[-1] == TINY]
    assert [operation.x.dtype.__name__ for operation in sigmoids] == ["fp32"]


def test_manifest_has_the_shapes_of_the_program(tiny_packages: Path) -> None:
    artifact = entry(tiny_packages, "unmasker", "w8a8")
    assert artifact.inputs[0].shape == (1, TINY, TINY, 3)
    assert [spec.shape for spec in artifact.outputs] == [(1, TINY, TINY, 3), (1, TINY, TINY, 1)]
    assert artifact.calibration_sha256 is not None
    assert artifact.golden.min_psnr_db is not None
    assert set(artifact.tools) == {"torch", "coremltools"}
    assert entry(tiny_packages, "unmasker", "w8").calibration_sha256 is None
    detector = entry(tiny_packages, "detector", "fp32")
    assert detector.inputs[0].shape == (1, TILE, TILE, 3)
    cells = TILE // 8
    assert [s.shape for s in detector.outputs] == [(1, cells, cells), (1, cells, cells, 4)]
    assert [s.shape for s in entry(tiny_packages, "aligner", "fp32").outputs] == [(1, 5, 2), (1,)]


def test_parity_is_in_the_manifest(tiny_packages: Path) -> None:
    for role in ("unmasker", "detector", "aligner"):
        artifact = entry(tiny_packages, role, "fp32")
        assert {parity.images for parity in artifact.parity} == {64}
        if role == "unmasker":
            assert all(parity.max_abs <= 1 for parity in artifact.parity)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_pixels_outside_the_mask_are_exact(tiny_packages: Path, precision: str) -> None:
    artifact = entry(tiny_packages, "unmasker", precision)
    images = np.concatenate(
        [
            draw_masked_faces(3, TINY, TINY, 5),
            np.random.default_rng(0).integers(0, 256, (2, TINY, TINY, 3)),
        ]
    ).astype(np.uint8)
    with MilRuntime(tiny_packages / artifact.file, artifact) as runtime:
        unmasked, mask = runtime.run(images)
    outside = np.broadcast_to(mask == 0, images.shape)
    assert outside.any()
    assert not outside.all()
    assert (unmasked[outside] == images[outside]).all()


def test_layers_that_the_plan_keeps_stay_in_float(tiny_packages: Path) -> None:
    kinds = {
        precision: [c.weight.op.op_type != "const" for c in convolutions(tiny_packages, precision)]
        for precision in ("fp16", "w8", "w8a8")
    }
    assert not any(kinds["fp16"])
    assert kinds["w8"] == kinds["w8a8"]
    assert any(kinds["w8"])
    assert not all(kinds["w8"])
    for conv in convolutions(tiny_packages, "w8a8"):
        rounded = conv.x.op is not None and conv.x.op.op_type == "dequantize"
        assert rounded == (conv.weight.op.op_type != "const")


def test_lower_precision_has_smaller_weights(tiny_packages: Path) -> None:
    weights = {
        precision: (
            tiny_packages
            / f"unmasker-{precision}.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
        )
        .stat()
        .st_size
        for precision in PRECISIONS
    }
    assert weights["w8a8"] < 0.7 * weights["fp16"] < 0.5 * weights["fp32"]


def test_exporting_twice_gives_the_same_bytes(
    tiny_packages: Path, tiny_weights: list[Path], tmp_path: Path
) -> None:
    export("coreml", tiny_weights[:1], tmp_path, precision="w8a8")
    again = tmp_path / "unmasker-w8a8.mlpackage"
    assert sha256_of(again) == sha256_of(tiny_packages / again.name)


def test_package_has_no_trace_of_the_machine(tiny_packages: Path) -> None:
    for package in tiny_packages.glob("*.mlpackage"):
        for file in package.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                for word in (b"site-packages", str(Path.home()).encode(), b".py", b"/tmp"):
                    assert word not in content, (file, word)
        contents = json.loads((package / "Manifest.json").read_text())
        items = contents["itemInfoEntries"]
        assert items[contents["rootModelIdentifier"]]["name"] == "model.mlmodel"


def test_package_has_its_metadata(tiny_packages: Path) -> None:
    artifacts = [a for a in read_manifest(tiny_packages).artifacts if a.format == "coreml"]
    assert len(artifacts) == 6
    for artifact in artifacts:
        description = read(tiny_packages / artifact.file)[0].description
        expected = metadata_of(artifact)
        found = description.metadata
        assert dict(found.userDefined) == expected.fields()
        assert found.shortDescription == expected.summary()
        assert (found.author, found.versionString) == ("unmask-sdk", expected.version)
        assert found.license == expected.license
        ends = {f.name: f.shortDescription for f in (*description.input, *description.output)}
        assert ends == {**expected.inputs, **expected.outputs}


def test_opening_a_package_does_not_change_it(tiny_packages: Path) -> None:
    """coremltools rewrites the table of contents."""
    for artifact in read_manifest(tiny_packages).artifacts:
        if artifact.format != "coreml":
            continue
        read(tiny_packages / artifact.file)
        assert sha256_of(tiny_packages / artifact.file) == artifact.sha256, artifact.file


def test_a_changed_package_is_refused(tiny_packages: Path, tmp_path: Path) -> None:
    from unmask_sdk.errors import ArtifactError

    own = Path(shutil.copytree(tiny_packages, tmp_path / "own"))
    artifact = entry(own, "unmasker", "fp16")
    file = own / artifact.file / "Data/com.apple.CoreML/weights/weight.bin"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="changed or damaged"):
        read_manifest(own).path(artifact)


def test_unsupported_precisions_are_refused(tiny_weights: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fp32, fp16, w8, w8a8, not in 'int8'"):
        export("coreml", tiny_weights, tmp_path, precision="int8")
    with pytest.raises(ConfigError, match=r"detector\.safetensors is a detector"):
        export("coreml", tiny_weights, tmp_path, precision="w8")
    assert not list(tmp_path.iterdir())


def test_a_plan_for_another_network_is_refused(tiny_weights: list[Path]) -> None:
    from unmask_sdk.export.coreml.exporter import _program
    from unmask_sdk.export.onnx.folding import fold_batch_norms
    from unmask_sdk.export.roles import role_of
    from unmask_sdk.training.nets.checkpoint import load_network

    network = load_network(tiny_weights[2]).eval()
    role = role_of(network)
    size = role.size(network)
    program = _program(fold_batch_norms(network), size, role.outputs(size), halved=False)
    with pytest.raises(ExportError, match="keeps layers in float that the network does not have"):
        quantize_program(program, ("aligner.body.99",))
