"""fp32 files with 16-bit weights: half of the bytes, and the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask_sdk.core.sample_images import draw_masked_faces

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
from onnx.reference import ReferenceEvaluator  # noqa: E402

from unmask_sdk.export.job import Job  # noqa: E402
from unmask_sdk.export.onnx.exporter import convert, float_file  # noqa: E402
from unmask_sdk.export.onnx.half_weights import halve_weights  # noqa: E402
from unmask_sdk.export.roles import role_of  # noqa: E402
from unmask_sdk.runtimes.onnx_session import open_session  # noqa: E402
from unmask_sdk.training.nets.checkpoint import load_network  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(tiny_weights: list[Path]):
    """The tiny unmasker, with batch norms that do something."""
    network = load_network(tiny_weights[0])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                for values in (layer.weight, layer.running_var):
                    values.copy_((torch.rand(values.shape, generator=generator) + 0.5).half())
    return network.eval()


@pytest.fixture(scope="module")
def job(network) -> Job:
    """Converts the network once for `whole` and `halved`."""
    return Job(network, role_of(network), "fp32")


@pytest.fixture(scope="module")
def whole(job) -> bytes:
    return float_file(job)


@pytest.fixture(scope="module")
def halved(job) -> bytes:
    return convert(job).content


def constants(content: bytes) -> dict[str, np.ndarray]:
    """The weights of a file's convolutions as they are computed with, by name."""
    model = onnx.load_from_string(content)
    names = [n.input[1] for n in model.graph.node if n.op_type == "Conv"]
    stored = {t.name for t in model.graph.initializer}
    graph = model.graph
    while True:
        ready = [n for n in graph.node if set(n.input) <= stored and n.output[0] not in stored]
        if not ready:
            break
        stored |= {n.output[0] for n in ready}
    kept = [n for n in graph.node if n.output[0] in stored]
    for field in ("node", "input", "output"):
        graph.ClearField(field)
    graph.node.extend(kept)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return dict(zip(names, ReferenceEvaluator(model).run(names, {}), strict=True))


def test_every_weight_of_a_convolution_is_the_same_number(whole: bytes, halved: bytes) -> None:
    before, after = constants(whole), constants(halved)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert values.dtype == after[name].dtype == np.float32
        assert (values == after[name]).all(), name


def test_weights_are_stored_in_16_bits(whole: bytes, halved: bytes) -> None:
    model = onnx.load_from_string(halved)
    float_sizes = {
        t.name: np.prod(t.dims)
        for t in model.graph.initializer
        if t.data_type == onnx.TensorProto.FLOAT and len(t.dims) > 1 and max(t.dims[1:]) > 1
    }
    assert not float_sizes
    scales = [t for t in model.graph.initializer if t.name.endswith("_scale")]
    assert scales, "convolutions with a batch norm"
    assert max(t.dims[0] for t in scales) == max(np.prod(t.dims) for t in scales)


def test_outputs_are_the_same_bit_for_bit(whole: bytes, halved: bytes) -> None:
    size = 64
    images = draw_masked_faces(3, size, size)
    found = [open_session(content).run(None, {"image": images}) for content in (whole, halved)]
    for before, after in zip(*found, strict=True):
        np.testing.assert_array_equal(before, after)
    assert (found[0][0] != images).any()


def test_other_numbers_stay_as_they_are(network, whole: bytes) -> None:
    """Weights of one's own may have 32 bits: what 16 bits cannot express is not rounded."""
    other = onnx.load_from_string(whole)
    tensor = next(t for t in other.graph.initializer if len(t.dims) == 4 and t.dims[1] > 1)
    values = onnx.numpy_helper.to_array(tensor) + np.float32(1e-7)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    content = other.SerializeToString()
    halve_weights(other, network)
    after = constants(other.SerializeToString())
    for name, expected in constants(content).items():
        assert (after[name] == expected).all()
    assert tensor.name in {t.name for t in other.graph.initializer}


def test_a_network_of_32_bit_weights_keeps_them(tiny_weights: list[Path]) -> None:
    network = load_network(tiny_weights[2])
    with torch.no_grad():
        for values in network.parameters():
            values.add_(1e-7)
    model = onnx.load_from_string(convert(Job(network, role_of(network), "fp32")).content)
    assert not [t.name for t in model.graph.initializer if t.name.endswith("_half")]
