"""A small interpreter of Core ML's ML programs (MIL) in torch, to verify packages on Linux.

It reads a finished `.mlpackage` and runs each operation of the program in float32, rounded to the
type that the program declares for its output. That verifies what is in the file: weights, layout,
constants and quantization. It does not verify Apple's kernels, which run only on a Mac or an
iPhone; `unmask verify` does that there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf.message import DecodeError

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.error_text import one_line
from unmask_sdk.errors import ArtifactError, ExportError, RuntimeUnavailableError
from unmask_sdk.export.quiet_converters import quiet_converters
from unmask_sdk.runtimes.base import Runtime, RuntimeInfo, check_names

from .mil_operations import OPERATIONS

# Without Core ML, coremltools logs that several times while it is imported.
with quiet_converters():
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load

__all__ = ["MilRuntime", "Program", "Step", "ct", "read"]

# What coremltools raises for a package or a program that it cannot read.
_READ_ERRORS = (
    AssertionError,
    AttributeError,
    DecodeError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_TYPES = {
    "fp16": torch.float16,
    "fp32": torch.float32,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int32": torch.int32,
    "bool": torch.bool,
}


@dataclass(frozen=True)
class Step:
    """One operation, ready to run.

    Attributes:
        run: The operation, from `mil_operations`.
        constants: Constant inputs, by name.
        variables: Names of the values for the other inputs, by name; several for a concatenation.
        output: Name of the output value.
        kind: Type of the output value.
    """

    run: Callable[..., torch.Tensor]
    constants: Mapping[str, Any]
    variables: Mapping[str, str | tuple[str, ...]]
    output: str
    kind: torch.dtype


@dataclass(frozen=True)
class Program:
    """A package's program.

    Attributes:
        spec: The package's specification, a protobuf message.
        steps: Its operations, in order.
        constants: Values that do not depend on the input image, by name.
    """

    spec: Any
    steps: tuple[Step, ...]
    constants: Mapping[str, torch.Tensor]


class MilRuntime(Runtime[Program]):
    """Runs a `.mlpackage` by interpreting its program.

    Threads: may be run by many threads at the same time; torch chooses the threads of one run.
    """

    def _open(self, path: Path, device: str, threads: int | None) -> tuple[Program, RuntimeInfo]:
        spec, function = read(path)
        check_names(
            path,
            self.artifact,
            [feature.name for feature in spec.description.input],
            [feature.name for feature in spec.description.output],
        )
        info = RuntimeInfo(
            runtime="mil",
            provider=f"MIL interpreter, PyTorch {torch.__version__}",
            device="cpu",
            precision=self.artifact.precision,
            threads=None,
        )
        return _prepared(spec, function), info

    def _run(self, handle: Program, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        values = dict(handle.constants)
        for feature, array in zip(handle.spec.description.input, inputs, strict=True):
            values[feature.name] = _from_image(feature, array)
        with torch.inference_mode():
            for step in handle.steps:
                values[step.output] = _result(step, values)
        return [_to_array(f, values[f.name]) for f in handle.spec.description.output]


def read(path: Path) -> tuple[Any, Any]:
    """Reads a finished package: its specification (a protobuf message) and its main function.

    Raises:
        RuntimeUnavailableError: If coremltools cannot read it.
    """
    try:
        with quiet_converters():
            model = ct.models.MLModel(str(path), skip_model_load=True)
            spec = model.get_spec()
            program = load(spec, spec.specificationVersion, model.weights_dir)
        return spec, program.functions["main"]
    except _READ_ERRORS as error:
        raise RuntimeUnavailableError(
            f"coremltools {ct.__version__} does not open {path.name} ({one_line(error)}); "
            "export it again with: unmask export coreml"
        ) from error


def _prepared(spec: Any, function: Any) -> Program:
    steps = []
    constants: dict[str, torch.Tensor] = {}
    for operation in function.operations:
        if operation.op_type == "const":
            continue
        step = _step(operation)
        if all(n in constants for names in step.variables.values() for n in _listed(names)):
            constants[step.output] = _result(step, constants)
        else:
            steps.append(step)
    return Program(spec, tuple(steps), constants)


def _step(operation: Any) -> Step:
    """Returns an operation of a program as a step.

    Raises:
        ExportError: If `mil_operations` does not have it.
    """
    given = {name: value for name, value in operation.inputs.items() if value is not None}
    run = OPERATIONS.get(operation.op_type)
    try:
        if run is None:
            raise TypeError
        inspect.signature(run).bind(**given)
    except TypeError:
        raise ExportError(
            f"the MIL interpreter does not know {operation.op_type}({', '.join(given)}); "
            "add it to export/coreml/mil_operations.py"
        ) from None
    constants: dict[str, Any] = {}
    variables: dict[str, str | tuple[str, ...]] = {}
    for name, value in given.items():
        if isinstance(value, (tuple, list)):
            variables[name] = tuple(part.name for part in value)
        elif value.val is None:
            variables[name] = value.name
        else:
            constants[name] = _constant(value.val)
    (output,) = operation.outputs
    return Step(run, constants, variables, output.name, _TYPES[_kind(output)])


def _kind(variable: Any) -> str:
    kind: str = ct.converters.mil.mil.types.builtin_to_string(variable.dtype)
    return kind


def _constant(value: Any) -> Any:
    """Returns floats and quantized data as tensors, other values as Python numbers and lists."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    if np.issubdtype(value.dtype, np.floating):
        return torch.from_numpy(np.array(value, np.float32))
    if value.dtype in (np.int8, np.uint8):
        return torch.from_numpy(np.array(value))
    return value.tolist()


def _listed(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _result(step: Step, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    arguments = {
        key: values[name] if isinstance(name, str) else [values[part] for part in name]
        for key, name in step.variables.items()
    }
    output = step.run(**step.constants, **arguments).to(step.kind)
    return output.float() if step.kind == torch.float16 else output


def _from_image(feature: Any, image: AnyArray) -> torch.Tensor:
    """Returns an image as Core ML passes it to a program: float32 planes, 0..255."""
    if feature.type.WhichOneof("Type") != "imageType":
        raise ArtifactError(
            f"input {feature.name} is not an image; export it again with: unmask export coreml"
        )
    planes = torch.from_numpy(image).permute(0, 3, 1, 2).float()
    return planes.flip(1) if _color_space(feature) == "BGR" else planes


def _to_array(feature: Any, value: torch.Tensor) -> AnyArray:
    """Returns an output as a runtime does: images as uint8 `[N, H, W, C]`, others unchanged."""
    if feature.type.WhichOneof("Type") != "imageType":
        return value.numpy()
    if not torch.equal(value, value.round().clamp(0, 255)):
        raise ExportError(
            f"image {feature.name} holds values that are no whole numbers of 0 to 255; how Core ML "
            "would convert them is not known"
        )
    planes = value.flip(1) if _color_space(feature) == "BGR" else value
    return planes.permute(0, 2, 3, 1).to(torch.uint8).contiguous().numpy()


def _color_space(feature: Any) -> str:
    kind = feature.type.imageType
    name: str = type(kind).ColorSpace.Name(kind.colorSpace)
    return name
