"""Triton's own parser reads the configurations, and they say what the model files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask_sdk.export.triton.model_config import BACKENDS
from unmask_sdk.export.triton.repository import export_repository
from unmask_sdk.serving.networks import MAX_BATCH, model_name

pytestmark = pytest.mark.serving

pytest.importorskip("tritonclient", reason="needs tritonclient: nox -s serving")
messages = pytest.importorskip("tritonclient.grpc.model_config_pb2")
text_format = pytest.importorskip("google.protobuf.text_format")

# What Triton makes of a configuration that names one of these.
EXPECTED = {
    "onnxruntime": ("onnxruntime", ""),
    "tensorrt": ("", "tensorrt_plan"),
    "python": ("python", ""),
}
# ONNX Runtime's names of types.
TYPES = {"TYPE_UINT8": "tensor(uint8)", "TYPE_FP32": "tensor(float)"}


def parsed(folder: Path) -> Any:
    """The configuration of a model; unknown or misspelled fields raise."""
    text = (folder / "config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, messages.ModelConfig())


def full_shape(config: Any, tensor: Any) -> list[int]:
    """The shape that Triton's documentation gives a tensor: the batch, then dims or reshape."""
    dims = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
    return [-1, *dims] if config.max_batch_size > 0 else list(dims)


@pytest.mark.parametrize("model", ["unmask-256", "unmask-256-lite"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_networks_are_described_as_their_files_are(
    backend: str, model: str, tmp_path: Path
) -> None:
    ort = pytest.importorskip("onnxruntime")
    networks = export_repository(tmp_path, backend=backend, model=model)
    folders = {p.name for p in tmp_path.iterdir() if p.is_dir()}
    assert folders == {"unmask", *map(model_name, networks)}
    for artifact in networks:
        folder = tmp_path / model_name(artifact)
        config = parsed(folder)
        assert config.name == folder.name
        assert (config.backend, config.platform) == EXPECTED[backend]
        assert config.max_batch_size == MAX_BATCH[artifact.role]
        assert config.HasField("dynamic_batching")
        session = ort.InferenceSession(folder / "1" / "model.onnx")
        for given, nodes in (
            (config.input, session.get_inputs()),
            (config.output, session.get_outputs()),
        ):
            assert [t.name for t in given] == [node.name for node in nodes]
            for tensor, node in zip(given, nodes, strict=True):
                sizes = [size if isinstance(size, int) else -1 for size in node.shape]
                assert full_shape(config, tensor) == sizes
                assert TYPES[messages.DataType.Name(tensor.data_type)] == node.type
                # Triton refuses a configuration without dims.
                assert len(tensor.dims) > 0
                assert np.prod(tensor.dims) != 0


def test_photos_are_files_of_any_length(tmp_path: Path) -> None:
    export_repository(tmp_path)
    config = parsed(tmp_path / "unmask")
    assert (config.name, config.backend, config.max_batch_size) == ("unmask", "python", 0)
    described = {
        t.name: (messages.DataType.Name(t.data_type), list(t.dims))
        for t in (*config.input, *config.output)
    }
    assert described == {
        "photo": ("TYPE_UINT8", [-1]),
        "image": ("TYPE_UINT8", [-1]),
        "result": ("TYPE_STRING", [1]),
    }
    (group,) = config.instance_group
    assert group.kind == messages.ModelInstanceGroup.KIND_CPU
    assert group.count == 2
