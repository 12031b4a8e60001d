"""A network that this package runs itself, for servers without Triton's ONNX Runtime backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.errors import UnmaskError
from unmask_sdk.loading.open_artifact import open_artifact
from unmask_sdk.runtimes.registry import find_runtime

from .numpy_check import check_numpy


class TritonPythonModel:
    """What Triton's Python backend calls. The name is the backend's."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the network, after checking its digest. Triton calls it once."""
        check_numpy()
        listed = read_manifest(Path(args["model_repository"]) / args["model_version"])
        (artifact,) = listed.artifacts
        self._runtime = open_artifact(listed, artifact, find_runtime("onnx"))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Runs the images of all requests, which have one size, in one batch."""
        artifact = self._runtime.artifact
        given = [[_input(request, spec.name) for spec in artifact.inputs] for request in requests]
        ends = np.cumsum([len(arrays[0]) for arrays in given])[:-1]
        joined = [np.concatenate(arrays) for arrays in zip(*given, strict=True)]
        named = {spec.name: x for spec, x in zip(artifact.inputs, joined, strict=True)}
        try:
            outputs = self._runtime.run_named(**named)
        except UnmaskError as error:
            failure = triton.TritonError(str(error))
            return [triton.InferenceResponse(error=failure) for _ in requests]
        split = {name: np.split(array, ends) for name, array in outputs.items()}
        return [
            triton.InferenceResponse(
                [triton.Tensor(name, parts[i]) for name, parts in split.items()]
            )
            for i in range(len(requests))
        ]

    def finalize(self) -> None:
        """Closes the network. Triton calls it once."""
        self._runtime.close()


def _input(request: Any, name: str) -> AnyArray:
    array: AnyArray = triton.get_input_tensor_by_name(request, name).as_numpy()
    return array
