"""fp16 ONNX files: the precision is counted from the file, and the file verifies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unmask_sdk.core.manifest import Golden, read_manifest
from unmask_sdk.errors import ExportError, InvalidInputError
from unmask_sdk.export.run_export import export
from unmask_sdk.golden_vectors import Deviation, iter_checks
from unmask_sdk.loading.load import open_runtime

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
from unmask_sdk.export.onnx.precision import conv_work_by_precision, to_precision  # noqa: E402
from unmask_sdk.export.precision_check import check_precision, precision_of  # noqa: E402
from unmask_sdk.training.nets.checkpoint import load_network, save_network  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def both(
    tiny_artifacts: Path,
    tiny_weights: list[Path],
    conversions: dict[Path, dict[str, bytes]],
    add_unmasker: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tiny networks in fp32 and in fp16, in one folder."""
    folder = tmp_path_factory.mktemp("both") / "artifacts"
    shutil.copytree(tiny_artifacts, folder)
    export("onnx", tiny_weights[1:], folder, precision="fp16", conversions=conversions)
    add_unmasker(folder, "onnx", "fp16")
    return folder


def test_fp16_is_listed_with_fp32(both: Path) -> None:
    manifest = read_manifest(both)
    assert len([a for a in manifest.artifacts if a.format == "onnx"]) == 6
    for artifact in manifest.artifacts:
        lossy = artifact.precision == "fp16"
        assert (artifact.golden.min_psnr_db is not None) == lossy
        if lossy:
            assert {p.images for p in artifact.parity} == {64}


def test_export_of_other_weights_drops_their_old_artifacts(
    own_artifacts: Path, tiny_weights: list[Path], tmp_path: Path
) -> None:
    network = load_network(tiny_weights[2])
    with torch.no_grad():
        next(network.parameters()).mul_(1.5)
    other = tmp_path / "newer" / "aligner.safetensors"
    other.parent.mkdir()
    save_network(other, "aligner", network.config, network.state_dict())
    export("onnx", [other], own_artifacts, precision="fp16")
    checks = {(c.role, c.runtime, c.precision): c.ok for c in iter_checks(own_artifacts)}
    assert False not in checks.values()
    assert checks["aligner", "onnx", "fp16"]
    assert ("aligner", "onnx", "fp16") in checks
    assert ("aligner", "onnx", "fp32") not in checks


def test_network_is_chosen_by_name(
    own_artifacts: Path, tiny_weights: list[Path], tmp_path: Path
) -> None:
    other = tmp_path / "mine.safetensors"
    other.write_bytes(tiny_weights[0].read_bytes())
    export("onnx", [other], own_artifacts)
    with open_runtime(model="mine", artifacts=own_artifacts) as opened:
        assert opened.artifact.name == "mine"
    with pytest.raises(InvalidInputError, match="mine, unmasker; choose one with model='mine'"):
        open_runtime(artifacts=own_artifacts)
    with pytest.raises(InvalidInputError, match="no unmasker named 'yours'; known are: mine, unm"):
        open_runtime(model="yours", artifacts=own_artifacts)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_precision_is_counted_from_the_file(both: Path, precision: str) -> None:
    for file in both.glob(f"*-{precision}.onnx"):
        assert precision_of(conv_work_by_precision(onnx.load(file))) == precision


def test_wrong_precision_is_an_error(both: Path) -> None:
    model = onnx.load(both / "unmasker-fp16.onnx")
    with pytest.raises(ExportError, match="asked for fp32, the exported file is fp16"):
        check_precision(conv_work_by_precision(model), "fp32")
    mixed = onnx.load(both / "unmasker-fp32.onnx")
    makers = {name: node for node in mixed.graph.node for name in node.output}
    made = next(makers[n.input[1]] for n in mixed.graph.node if n.op_type == "Conv")
    # The cast to fp32 of the first convolution's weights, behind their scale.
    cast = made if made.op_type == "Cast" else makers[made.input[0]]
    cast.attribute[0].i = onnx.TensorProto.FLOAT16
    with pytest.raises(ExportError, match="mixed"):
        precision_of(conv_work_by_precision(mixed))


def test_network_is_copied_once_and_not_changed() -> None:
    class Counted(torch.nn.Linear):
        copies = 0

        def __deepcopy__(self, memo: object) -> torch.nn.Module:
            Counted.copies += 1
            return torch.nn.Linear(2, 2)

    graph = torch.nn.Sequential(Counted(2, 2))
    converted = to_precision(graph, "fp16")
    assert Counted.copies == 1
    assert {p.dtype for p in converted.parameters()} == {torch.float16}
    assert {p.dtype for p in graph.parameters()} == {torch.float32}


def test_fp16_verifies_and_keeps_pixels_outside_the_mask(both: Path) -> None:
    checks = [c for c in iter_checks(both, "onnx") if c.precision == "fp16"]
    assert len(checks) == 3
    for check in checks:
        assert check.ok, check
        assert "at least 50 dB" in check.note
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    with open_runtime("unmasker", "onnx", "fp16", artifacts=both) as runtime:
        assert runtime.info.precision == "fp16"
        unmasked, mask = runtime.run(image)
    outside = np.broadcast_to(mask == 0, image.shape)
    assert outside.any()
    assert (unmasked[outside] == image[outside]).all()


def test_min_psnr_replaces_the_tolerance() -> None:
    exact = Golden("f", "", tolerance=1.0)
    lossy = Golden("f", "", tolerance=1.0, min_psnr_db=50.0)
    assert Deviation(1.0, 40.0).within(exact)
    assert not Deviation(2.0, 90.0).within(exact)
    assert Deviation(9.0, 51.0).within(lossy)
    assert not Deviation(0.5, 49.0).within(lossy)
    assert Deviation(0.0, None).within(lossy)
