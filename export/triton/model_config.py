"""The text of Triton's `config.pbtxt`, from manifest entries."""

from __future__ import annotations

from collections.abc import Sequence

from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.errors import ExportError
from unmask_sdk.serving.networks import MAX_BATCH, PHOTO_MODEL, model_name

# How Triton names the backends that run the networks.
BACKENDS = {
    "onnxruntime": 'backend: "onnxruntime"',
    "tensorrt": 'platform: "tensorrt_plan"',
    "python": 'backend: "python"',
}
# Photos that are processed at the same time, each in a process. While one waits for a network,
# another finds, crops or blends; and only requests of several can be batched.
PHOTO_INSTANCES = 2
_TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32"}


def network_config(artifact: Artifact, backend: str) -> str:
    """Returns the configuration of a network.

    Args:
        artifact: Its manifest entry.
        backend: One of `BACKENDS`.

    Raises:
        ExportError: If the file takes one image at a time.
    """
    fixed = [s for s in (*artifact.inputs, *artifact.outputs) if s.shape[:1] != (None,)]
    if fixed:
        raise ExportError(
            f"{artifact.file} takes one image at a time ({fixed[0].name}: {list(fixed[0].shape)}), "
            "and Triton batches requests; export it again with: unmask export onnx"
        )
    parts = [
        f'name: "{model_name(artifact)}"',
        BACKENDS[backend],
        f"max_batch_size: {MAX_BATCH[artifact.role]}",
        _tensors("input", artifact.inputs),
        _tensors("output", artifact.outputs),
        "dynamic_batching { }",
    ]
    if backend == "python":
        # This package's runtime runs on the CPU; Triton would start one for each GPU.
        parts.append("instance_group [ { kind: KIND_CPU count: 1 } ]")
    return "\n".join(parts) + "\n"


def photo_config() -> str:
    """Returns the configuration of the model of whole photos."""
    return f"""\
name: "{PHOTO_MODEL}"
backend: "python"
# A photo is the content of an image file, and no two are of one length.
max_batch_size: 0
input [
  {{ name: "photo" data_type: TYPE_UINT8 dims: [ -1 ] }}
]
output [
  {{ name: "image" data_type: TYPE_UINT8 dims: [ -1 ] }},
  {{ name: "result" data_type: TYPE_STRING dims: [ 1 ] }}
]
# Photos that are processed at the same time, each in a process.
instance_group [ {{ kind: KIND_CPU count: {PHOTO_INSTANCES} }} ]
"""


def _tensors(kind: str, specs: Sequence[TensorSpec]) -> str:
    return f"{kind} [\n" + ",\n".join(map(_tensor, specs)) + "\n]"


def _tensor(spec: TensorSpec) -> str:
    # Without the batch, which Triton adds.
    dims = ", ".join(str(-1 if size is None else size) for size in spec.shape[1:])
    shape = f"dims: [ {dims} ]"
    if len(spec.shape) == 1:
        # Triton refuses empty dims.
        shape = "dims: [ 1 ] reshape { shape: [ ] }"
    return f'  {{ name: "{spec.name}" data_type: {_TYPES[spec.dtype]} {shape} }}'
