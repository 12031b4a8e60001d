"""A runtime whose engine is another model of the same Triton server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Triton brings it to the processes of its Python backend.
import triton_python_backend_utils as triton

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.manifest import Artifact
from unmask_sdk.errors import RuntimeUnavailableError
from unmask_sdk.runtimes.base import Runtime, RuntimeInfo

from .networks import MAX_BATCH, model_name


class TritonRuntime(Runtime[str]):
    """Calls a network of the server by Triton's business logic scripting.

    It works inside `execute` of a model of Triton's Python backend, and nowhere else.

    Args:
        artifact: Manifest entry of the network.
    """

    def __init__(self, artifact: Artifact) -> None:
        super().__init__(Path(model_name(artifact)), artifact, device="server")

    def _open(self, path: Path, device: str, threads: int | None) -> tuple[str, RuntimeInfo]:
        provider = f"model {path.name} of this Triton server"
        precision = self.artifact.precision
        return path.name, RuntimeInfo("triton", provider, device, precision, threads)

    def _run(self, handle: str, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        size = MAX_BATCH[self.artifact.role]
        starts = range(0, len(inputs[0]), size)
        parts = [self._call(handle, [x[i : i + size] for x in inputs]) for i in starts]
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _call(self, model: str, inputs: Sequence[AnyArray]) -> list[AnyArray]:
        specs = self.artifact.outputs
        response = triton.InferenceRequest(
            model_name=model,
            requested_output_names=[spec.name for spec in specs],
            inputs=[
                triton.Tensor(spec.name, array)
                for spec, array in zip(self.artifact.inputs, inputs, strict=True)
            ],
            # Outputs of a network on a GPU would stay there otherwise.
            preferred_memory=triton.PreferredMemory(triton.TRITONSERVER_MEMORY_CPU, 0),
        ).exec()
        if response.has_error():
            raise RuntimeUnavailableError(
                f"model {model} of this Triton server failed: "
                f"{' '.join(response.error().message().split())}; the server's log has details"
            )
        # Copied, because the memory of a response is used again after it.
        outputs = [
            np.array(triton.get_output_tensor_by_name(response, spec.name).as_numpy())
            for spec in specs
        ]
        # Triton has no tensors of the batch dimension alone; their configuration adds a 1.
        return [
            output.reshape(-1) if len(spec.shape) == 1 else output
            for spec, output in zip(specs, outputs, strict=True)
        ]
