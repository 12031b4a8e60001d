"""Which TensorRT is installed: the full one, or TensorRT for RTX. One code path serves both."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

from unmask_sdk.core.optional_deps import install_command, missing_packages, pip_command
from unmask_sdk.errors import MissingDependencyError, RuntimeUnavailableError

# The full one is preferred: it tunes for the GPU that it builds on.
NAMES = ("tensorrt", "tensorrt_rtx")
# Older ones do not have strongly typed networks and `execute_async_v3` as used here.
OLDEST = 10
_TITLES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}


@dataclass(frozen=True)
class Library:
    """An imported TensorRT.

    Attributes:
        module: The Python module.
        name: Its name.
        version: Its version.
    """

    module: Any
    name: str
    version: str

    @property
    def title(self) -> str:
        """Name and version for messages."""
        return f"{_TITLES[self.name]} {self.version}"

    @property
    def is_rtx(self) -> bool:
        """Whether its engines fit every GPU of a compute capability, and build without a GPU."""
        return self.name == "tensorrt_rtx"


@functools.cache
def find_library() -> Library:
    """Imports the installed TensorRT.

    Raises:
        MissingDependencyError: If none is installed.
        RuntimeUnavailableError: If it does not import, or is too old.
    """
    name = next((name for name in NAMES if not missing_packages([name])), None)
    if name is None:
        raise MissingDependencyError(
            f"neither {' nor '.join(NAMES)} is installed; {install_command('trt')} (on a "
            "Jetson use JetPack's: python3 -m venv --system-site-packages)"
        )
    try:
        module = importlib.import_module(name)
    # A missing shared library raises OSError on some platforms.
    except (ImportError, OSError) as error:
        raise RuntimeUnavailableError(
            f"{_TITLES[name]} is installed but does not import ({error}); "
            f"{pip_command('install --force-reinstall ' + name.replace('_', '-'))}"
        ) from error
    library = Library(module, name, str(module.__version__))
    if not library.is_rtx and int(library.version.split(".")[0]) < OLDEST:
        raise RuntimeUnavailableError(
            f"{library.title} is too old, {OLDEST}.0 or newer is needed; on a Jetson install "
            f"JetPack 6 or newer, elsewhere {pip_command('install --upgrade tensorrt')}"
        )
    return library
