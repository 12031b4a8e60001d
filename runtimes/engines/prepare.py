"""Gets the engine of an artifact from the cache, or builds and stores it."""

from __future__ import annotations

from pathlib import Path

from unmask_sdk.core.manifest import Artifact
from unmask_sdk.runtimes.nvidia import Gpu

from .build import build
from .cache import EngineCache
from .key import EngineKey, key_for
from .library import Library
from .profiles import PROFILES
from .progress import Reporter, logger


def prepare(
    path: Path,
    artifact: Artifact,
    library: Library,
    target: Gpu | str,
    cache: EngineCache | None = None,
) -> tuple[EngineKey, bytes]:
    """Returns an artifact's engine and its key.

    Args:
        path: The ONNX file, its digest already checked.
        artifact: Its entry.
        library: TensorRT.
        target: The GPU of this machine, or a compute capability, see `key_for`.
        cache: Where engines are stored; the user's cache by default.

    Raises:
        InvalidInputError: If the library does not build for the target.
        RuntimeUnavailableError: If the engine cannot be built or stored.
    """
    key = key_for(artifact, library, target)

    def make() -> bytes:
        logger.warning("building %s; this is done once, and may take some minutes", key)
        built = build(
            library,
            path.read_bytes(),
            PROFILES[artifact.role].shapes(artifact.inputs[0]),
            capability=key.capability,
            tell=Reporter(str(key)).tell,
        )
        return built.engine

    return key, (cache or EngineCache()).get(key, make)
