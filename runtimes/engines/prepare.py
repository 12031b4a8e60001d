"""From an artifact to its engine: out of the cache, or built and kept there."""

from __future__ import annotations

from pathlib import Path

from unmask_sdk.manifest import Artifact
from unmask_sdk.runtimes.engines.build import build
from unmask_sdk.runtimes.engines.cache import EngineCache
from unmask_sdk.runtimes.engines.key import EngineKey, key_for
from unmask_sdk.runtimes.engines.library import Library
from unmask_sdk.runtimes.engines.profiles import PROFILES
from unmask_sdk.runtimes.engines.progress import Reporter, logger
from unmask_sdk.runtimes.nvidia import Gpu


def prepare(
    path: Path,
    artifact: Artifact,
    library: Library,
    target: Gpu | str,
    cache: EngineCache | None = None,
) -> tuple[EngineKey, bytes]:
    """Gives an artifact's engine and its key.

    Args:
        path: The ONNX file, its digest already checked.
        artifact: Its entry.
        library: TensorRT.
        target: The GPU here, or a compute capability, see `key_for`.
        cache: Where engines are kept; the user's cache by default.

    Raises:
        InvalidInputError: If the target is none that the library builds for.
        RuntimeUnavailableError: If the engine cannot be built or kept.
    """
    key = key_for(artifact, library, target)

    def make() -> bytes:
        logger.warning("building %s; this is done once, and takes up to some minutes", key)
        built = build(
            library,
            path.read_bytes(),
            PROFILES[artifact.role].shapes(artifact.inputs[0]),
            capability=key.capability,
            tell=Reporter(str(key)).tell,
        )
        return built.engine

    return key, (cache or EngineCache()).get(key, make)
