"""The MIL interpreter: it agrees with torch, and finds errors in a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_networks import TINY
from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import ArtifactError, ExportError, RuntimeUnavailableError

ct = pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
from unmask_sdk.export.coreml.mil_interpreter import MilRuntime, read  # noqa: E402
from unmask_sdk.export.coreml.mil_operations import (  # noqa: E402
    OPERATIONS,
    avg_pool,
    conv,
    dequantize,
    max_pool,
    quantize,
    slice_by_index,
)
from unmask_sdk.export.parity_check import measure  # noqa: E402
from unmask_sdk.training.nets.checkpoint import load_network  # noqa: E402

pytestmark = pytest.mark.engine

MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


@pytest.fixture
def package(tiny_packages: Path, tmp_path: Path) -> Path:
    """A copy of the fp32 unmasker that a test may damage."""
    file = "unmasker-fp32.mlpackage"
    return Path(shutil.copytree(tiny_packages / file, tmp_path / file))


@pytest.fixture
def artifact(tiny_packages: Path) -> Artifact:
    found = read_manifest(tiny_packages).find(role="unmasker", formats=("coreml",))
    return next(a for a in found if a.precision == "fp32")


def verify_package(package: Path, artifact: Artifact, weights: Path) -> None:
    with MilRuntime(package, artifact) as runtime:
        measure(load_network(weights).eval(), runtime, "torch")


def operations(spec: Any) -> Any:
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    return block.operations


def edited(package: Path, edit: Callable[[Any], None]) -> None:
    """Changes a package's model."""
    spec, _ = read(package)
    edit(spec)
    (package / MODEL).write_bytes(spec.SerializeToString())


def test_intact_file_verifies(package: Path, artifact: Artifact, tiny_weights: list[Path]) -> None:
    verify_package(package, artifact, tiny_weights[0])


def test_a_changed_weight_is_caught(
    package: Path, artifact: Artifact, tiny_weights: list[Path]
) -> None:
    file = package / WEIGHTS
    content = bytearray(file.read_bytes())
    first = next(o for o in read(package)[1].operations if o.op_type == "conv").weight.val
    at = content.find(np.ascontiguousarray(first).tobytes())
    assert at > 0
    content[at : at + 4] = np.float32(first.ravel()[0] + 2).tobytes()
    file.write_bytes(content)
    with pytest.raises(ExportError, match=r"output \w+ is too far from torch"):
        verify_package(package, artifact, tiny_weights[0])


def test_swapped_axes_are_caught(
    package: Path, artifact: Artifact, tiny_weights: list[Path]
) -> None:
    """One kernel has its input and output channels swapped; its shape stays the same."""
    file = package / WEIGHTS
    kernels = [o.weight.val for o in read(package)[1].operations if o.op_type == "conv"]
    kernel = next(k for k in kernels if k.shape[0] == k.shape[1] > 1)
    content = file.read_bytes()
    turned = np.ascontiguousarray(kernel.swapaxes(0, 1)).tobytes()
    assert turned != kernel.tobytes() in content
    file.write_bytes(content.replace(np.ascontiguousarray(kernel).tobytes(), turned))
    with pytest.raises(ExportError, match="is too far from torch"):
        verify_package(package, artifact, tiny_weights[0])


def test_wrong_channel_order_is_caught(
    package: Path, artifact: Artifact, tiny_weights: list[Path]
) -> None:
    def swap(spec: Any) -> None:
        kind = spec.description.input[0].type.imageType
        kind.colorSpace = kind.ColorSpace.Value("BGR")

    edited(package, swap)
    with pytest.raises(ExportError, match="is too far from torch"):
        verify_package(package, artifact, tiny_weights[0])


def test_a_wrong_scale_is_caught(tiny_packages: Path, tiny_weights: list[Path]) -> None:
    found = read_manifest(tiny_packages).find(role="unmasker", formats=("coreml",))
    artifact = next(a for a in found if a.precision == "w8a8")
    with MilRuntime(tiny_packages / artifact.file, artifact) as runtime:
        program = runtime._handle
        assert program is not None
        steps = [s for s in program.steps if s.run is OPERATIONS["dequantize"]]
        steps[0].constants["scale"].mul_(4)  # type: ignore[index]
        with pytest.raises(ExportError, match="is too far from torch"):
            measure(load_network(tiny_weights[0]).eval(), runtime, "torch")


def test_images_with_fractional_values_are_refused(package: Path, artifact: Artifact) -> None:
    """Without the last rounding, how Core ML converts the image is not known."""

    def drop(spec: Any) -> None:
        for operation in operations(spec):
            if operation.type == "floor":
                operation.type = "relu"

    edited(package, drop)
    with (
        MilRuntime(package, artifact) as runtime,
        pytest.raises(ExportError, match="no whole numbers of 0 to 255"),
    ):
        runtime.run(draw_masked_faces(4, TINY, TINY))


def test_unknown_operations_are_named(package: Path, artifact: Artifact) -> None:
    def replace(spec: Any) -> None:
        next(o for o in operations(spec) if o.type == "relu").type = "silu"

    edited(package, replace)
    with pytest.raises(ExportError, match=r"does not know silu\(x\)"):
        MilRuntime(package, artifact)


def test_damaged_files_are_refused(package: Path, artifact: Artifact) -> None:
    (package / MODEL).write_bytes(b"no model")
    with pytest.raises(RuntimeUnavailableError, match="unmask export coreml"):
        MilRuntime(package, artifact)


def test_wrong_manifest_entry_is_refused(tiny_packages: Path, artifact: Artifact) -> None:
    with pytest.raises(ArtifactError, match="its entry says"):
        MilRuntime(tiny_packages / "aligner-fp32.mlpackage", artifact)


def test_padding_is_top_bottom_left_right() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    one = torch.ones(1, 1, 1, 1)
    padded = conv(x, one, pad_type="custom", pad=(1, 0, 0, 2))
    assert padded.shape == (1, 1, 4, 6)
    assert (padded[0, 0, 1:, :4] == x[0, 0]).all()
    assert padded.sum() == x.sum()
    assert max_pool(-x, (2, 2), (2, 2), "custom", (1, 0, 0, 0))[0, 0, 0, 0] == 0
    assert avg_pool(x, (2, 2), (2, 2), "custom", (1, 0, 0, 0))[0, 0, 0, 0] == 0.25
    with pytest.raises(ExportError, match="pad_type='same'"):
        conv(x, one, pad_type="same", pad=(0, 0, 0, 0))


def test_slices_select_and_squeeze() -> None:
    x = torch.arange(24).reshape(2, 3, 4)
    taken = slice_by_index(
        x, (0, 1, 0), (0, 3, 2), (True, False, False), (True, False, False), (False, False, False)
    )
    assert torch.equal(taken, x[:, 1:3, :2])
    one = slice_by_index(x, (0, 2, 0), (2, 3, 4), squeeze_mask=(False, True, False))
    assert torch.equal(one, x[:, 2])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=20),
    st.floats(2**-7, 1, width=32),
    st.sampled_from(["int8", "uint8"]),
)
def test_quantization_error_is_at_most_half_a_step(
    values: list[float], scale: float, kind: str
) -> None:
    x, step = torch.tensor(values), torch.tensor(scale)
    whole = quantize(x, step, kind).to(getattr(torch, kind))
    limits = torch.iinfo(getattr(torch, kind))
    expected = x.clamp(limits.min * scale, limits.max * scale)
    assert (dequantize(whole, step) - expected).abs().max() <= scale * 0.5001 + 1e-5
