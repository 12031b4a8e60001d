"""The key of an engine: if any of it changes, another engine is needed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from unmask_sdk.core.manifest import Artifact
from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.errors import InvalidInputError, RuntimeUnavailableError
from unmask_sdk.runtimes.nvidia import Gpu

from .library import Library
from .profiles import PROFILES

# Used in keys of TensorRT-RTX, whose engines fit every GPU of their compute capability.
ANY = "any"
# First major compute capability on which TensorRT-RTX computes convolutions in int8: a build for
# 7.5 has none.
_RTX_INT8_FROM = 8


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on.

    Attributes:
        name: Name of the network.
        onnx_sha256: Digest of the ONNX file.
        precision: Its precision.
        library: TensorRT, with its version.
        capability: Compute capability, such as `8.6`.
        gpu: Name of the GPU; `any` for TensorRT-RTX.
        driver: Version of the driver or of L4T; `any` for TensorRT-RTX.
        profile: Smallest, best and largest shape of the input.
    """

    name: str
    onnx_sha256: str
    precision: str
    library: str
    capability: str
    gpu: str
    driver: str
    profile: tuple[tuple[int, ...], ...]

    @property
    def digest(self) -> str:
        """The name of its files, the same for equal keys."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def __str__(self) -> str:
        where = f"compute capability {self.capability}" if self.gpu == ANY else self.gpu
        return f"{self.name} {self.precision} for {where}, {self.library}"


def key_for(artifact: Artifact, library: Library, target: Gpu | str) -> EngineKey:
    """Returns the key of an artifact's engine.

    Args:
        artifact: The ONNX file's entry.
        library: TensorRT.
        target: The GPU of this machine; or a compute capability such as `8.6`, to build ahead of
            time with TensorRT-RTX.

    Raises:
        InvalidInputError: If TensorRT-RTX does not support the compute capability, or one is given
            for the full TensorRT, which builds only for the GPU that it runs on.
        RuntimeUnavailableError: If TensorRT-RTX would not compute in the artifact's precision.
    """
    capability = target if isinstance(target, str) else target.capability
    gpu, driver = ANY, ANY
    if library.is_rtx:
        if capability not in capabilities(library):
            raise InvalidInputError(
                f"{library.title} builds for the compute capabilities "
                f"{', '.join(capabilities(library))}, not for {capability}; on that GPU use the "
                f"full TensorRT: {pip_command('install tensorrt')}"
            )
        if artifact.precision == "int8" and int(capability.split(".")[0]) < _RTX_INT8_FROM:
            raise RuntimeUnavailableError(
                f"{library.title} computes no convolutions in int8 on compute capability "
                f"{capability}; use precision='fp16'"
            )
    elif isinstance(target, str):
        raise InvalidInputError(
            f"{library.title} builds engines for the GPU that it runs on, not for a compute "
            "capability; leave it out, and build on the device"
        )
    else:
        gpu, driver = target.name, target.driver
    return EngineKey(
        name=artifact.name,
        onnx_sha256=artifact.sha256,
        precision=artifact.precision,
        library=library.title,
        capability=capability,
        gpu=gpu,
        driver=driver,
        profile=PROFILES[artifact.role].shapes(artifact.inputs[0]),
    )


def capabilities(library: Library) -> tuple[str, ...]:
    """Returns the compute capabilities that TensorRT-RTX builds for, in order."""
    names = [name for name in dir(library.module.ComputeCapability) if name.startswith("SM")]
    return tuple(f"{name[2:-1]}.{name[-1]}" for name in sorted(names, key=lambda n: int(n[2:])))
