"""The model of whole photos: the content of an image file in, that of the unmasked one out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.core.opencv import check_opencv
from unmask_sdk.errors import ImageReadError, ImageWriteError, InvalidInputError, UnmaskError

from .numpy_check import check_numpy
from .triton_runtime import TritonRuntime

# Parameters of a request, as `Result.encode` takes them.
PARAMETERS = ("format", "quality", "strip")


class TritonPythonModel:
    """What Triton's Python backend calls. The name is the backend's.

    The networks run as models of the same server, where their requests are batched; finding,
    cropping and blending run here, as in `unmask_sdk.load()`.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Reads which networks there are. Triton calls it once."""
        check_numpy()
        check_opencv()
        # They import OpenCV, whose absence would have been reported now.
        from unmask_sdk.faces.locator import Locator
        from unmask_sdk.unmasker import Unmasker

        listed = read_manifest(Path(args["model_repository"]) / args["model_version"])
        networks = {a.role: TritonRuntime(a) for a in listed.artifacts}
        locator = Locator(networks["detector"], networks["aligner"])
        self._model = Unmasker(networks["unmasker"], locator)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers requests, one photo each."""
        return [self._answer(request) for request in requests]

    def finalize(self) -> None:
        """Closes the model. Triton calls it once."""
        self._model.close()

    def _answer(self, request: Any) -> Any:
        try:
            options = _options(request.parameters())
            photo = triton.get_input_tensor_by_name(request, "photo").as_numpy()
            result = self._model(photo.tobytes())
            image = result.encode(**options)
        except (ImageReadError, ImageWriteError, InvalidInputError) as error:
            return _failure(error, triton.TritonError.INVALID_ARG)
        except UnmaskError as error:
            return _failure(error, triton.TritonError.UNAVAILABLE)
        outputs = [
            triton.Tensor("image", np.frombuffer(image, np.uint8)),
            triton.Tensor("result", np.array([json.dumps(result.to_dict()).encode()], np.object_)),
        ]
        return triton.InferenceResponse(outputs)


def _options(parameters: str) -> dict[str, Any]:
    """Returns the arguments for `Result.encode` from the parameters of a request."""
    given: dict[str, Any] = json.loads(parameters or "{}")
    unknown = sorted(set(given) - set(PARAMETERS))
    if unknown:
        raise InvalidInputError(
            f"unknown parameter {unknown[0]!r}; known are {', '.join(PARAMETERS)}"
        )
    if not isinstance(given.get("strip", False), bool):
        raise InvalidInputError(f"strip must be true or false; got {given['strip']!r}")
    return given


def _failure(error: UnmaskError, code: int) -> Any:
    return triton.InferenceResponse(error=triton.TritonError(str(error), code))
