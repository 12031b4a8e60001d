"""Channel padding for integer kernels: same outputs, same names of convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_networks import TINY
from unmask_sdk.core.sample_images import draw_masked_faces

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
from torch import nn  # noqa: E402

from unmask_sdk.calibration.plan import convolutions  # noqa: E402
from unmask_sdk.export.job import Job  # noqa: E402
from unmask_sdk.export.onnx.exporter import convert  # noqa: E402
from unmask_sdk.export.onnx.pad_channels import INPUTS, OUTPUTS, PaddedConv2d, pad_channels  # noqa: E402
from unmask_sdk.export.parity_check import run_reference  # noqa: E402
from unmask_sdk.export.roles import role_of  # noqa: E402
from unmask_sdk.training.nets.checkpoint import load_network  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(tiny_weights: list[Path]) -> nn.Module:
    return load_network(tiny_weights[0]).eval()


@settings(max_examples=40, deadline=None)
@given(
    inputs=st.integers(1, 9),
    outputs=st.integers(1, 33),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
)
def test_padded_convolution_computes_the_same(
    inputs: int, outputs: int, stride: int, dilation: int, bias: bool
) -> None:
    conv = nn.Conv2d(
        inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=bias
    )
    padded = PaddedConv2d(conv)
    assert padded.in_channels % INPUTS == padded.out_channels % OUTPUTS == 0
    x = torch.rand(2, inputs, 9, 11)
    with torch.no_grad():
        torch.testing.assert_close(padded(x), conv(x))


def test_padded_network_computes_the_same_and_the_original_is_unchanged(network: nn.Module) -> None:
    images, names = draw_masked_faces(3, TINY, TINY), set(convolutions(network))
    padded = pad_channels(network)
    assert set(convolutions(padded)) == set(convolutions(network)) == names
    assert not any(isinstance(module, PaddedConv2d) for module in network.modules())
    for expected, actual in zip(
        run_reference(network, images), run_reference(padded, images), strict=True
    ):
        assert np.abs(expected.astype(int) - actual).max() <= 1


def test_int8_files_for_cpus_are_padded(network: nn.Module) -> None:
    model = onnx.load_from_string(convert(Job(network, role_of(network), "int8")).content)
    made_by = {name: node for node in model.graph.node for name in node.output}
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    found = [
        shapes[made_by[node.input[1]].input[0]]
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] in made_by
    ]
    wider = [dims for dims in found if dims[2] > 1 and dims[0] > 1]
    assert wider
    assert all(dims[0] % OUTPUTS == 0 and dims[1] % INPUTS == 0 for dims in wider)
