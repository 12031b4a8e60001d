"""Asks the NVIDIA driver for the GPU. Needs no Python package."""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask_sdk.errors import RuntimeUnavailableError

_LIBRARIES = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
FIX = (
    'install the NVIDIA driver (on a Jetson: JetPack), or use the CPU: load("onnx"), '
    "--runtime onnx on the command line"
)

# From cuda.h, where they never change.
_NO_DEVICE = 100
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        name: As the driver reports it, such as `NVIDIA GeForce RTX 3060`.
        capability: Compute capability, such as `8.6`.
        driver: Version of the driver; on a Jetson, of L4T, which contains it.
    """

    name: str
    capability: str
    driver: str


def driver_problem() -> str | None:
    """Returns why the NVIDIA driver cannot be loaded; None if it can. Does not initialize CUDA."""
    try:
        _library()
    except OSError as error:
        return f"there is no NVIDIA driver ({error})"
    return None


def find_gpu() -> Gpu:
    """Returns the first GPU, the only one that runtimes use.

    Raises:
        RuntimeUnavailableError: If there is no driver, or it reports no GPU.
    """
    trouble = driver_problem()
    if trouble is not None:
        raise RuntimeUnavailableError(f"{trouble}; {FIX}")
    cuda = _library()
    code = cuda.cuInit(0)
    if code == _NO_DEVICE:
        raise RuntimeUnavailableError(
            "the NVIDIA driver finds no GPU; in a container start it with --gpus all (on a "
            "Jetson: --runtime nvidia), else check CUDA_VISIBLE_DEVICES, or use a CPU runtime"
        )
    _check(cuda, code)
    device = ctypes.c_int()
    _check(cuda, cuda.cuDeviceGet(ctypes.byref(device), 0))
    name = ctypes.create_string_buffer(256)
    _check(cuda, cuda.cuDeviceGetName(name, len(name), device))
    parts = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int()
        _check(cuda, cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device))
        parts.append(str(value.value))
    version = ctypes.c_int()
    _check(cuda, cuda.cuDriverGetVersion(ctypes.byref(version)))
    driver = driver_version(
        _read("/etc/nv_tegra_release"), _read("/proc/driver/nvidia/version"), version.value
    )
    return Gpu(name.value.decode(errors="replace"), ".".join(parts), driver)


def driver_version(tegra: str, kernel: str, cuda: int) -> str:
    """Returns the version of the driver.

    Args:
        tegra: Text of `/etc/nv_tegra_release`; empty if this is not a Jetson.
        kernel: Text of `/proc/driver/nvidia/version`; may be empty.
        cuda: What `cuDriverGetVersion` returns, such as 12060; used if the texts have no version.
    """
    jetson = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", tegra)
    if jetson:
        return f"L4T {jetson[1]}.{jetson[2]}"
    module = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s", kernel)
    return module[1] if module else f"CUDA {cuda // 1000}.{cuda % 1000 // 10}"


def _library() -> Any:
    return ctypes.CDLL(_LIBRARIES.get(sys.platform, _LIBRARIES["linux"]))


def _check(cuda: Any, code: int) -> None:
    if code:
        text = ctypes.c_char_p()
        cuda.cuGetErrorString(code, ctypes.byref(text))
        message = (text.value or b"unknown error").decode(errors="replace")
        raise RuntimeUnavailableError(
            f"the NVIDIA driver reports: {message} (error {code}); does nvidia-smi work? {FIX}"
        )


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
