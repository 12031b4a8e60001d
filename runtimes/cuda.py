"""ONNX Runtime on an NVIDIA GPU."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnxruntime as ort

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.optional_deps import install_command, pip_command
from unmask_sdk.errors import RuntimeUnavailableError

from .base import RuntimeInfo
from .nvidia import find_gpu
from .onnx import OnnxRuntime

PROVIDER = "CUDAExecutionProvider"


class OnnxCudaRuntime(OnnxRuntime):
    """Runs an ONNX file with ONNX Runtime's CUDA provider, on the first GPU.

    Threads: a session may be run by many threads at the same time, each with separate inputs and
    outputs on the GPU. `threads` applies to the few operators that stay on the CPU.
    """

    name = "cuda"
    provider = PROVIDER
    crops_per_run = 4
    # With TF32, fp32 would be computed with 10 bits of mantissa, as in fp16.
    provider_options: Mapping[str, str] = {"device_id": "0", "use_tf32": "0"}

    def _mismatch_fix(self) -> str:
        return (
            ": the libraries of CUDA or cuDNN are missing, or have another version than it was "
            "built for; " + pip_command("install --upgrade 'onnxruntime-gpu[cuda,cudnn]'")
        )

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[ort.InferenceSession, RuntimeInfo]:
        check_build()
        gpu = find_gpu()
        session, info = super()._open(path, device, threads)
        # Otherwise it would continue on the CPU after a CUDA error.
        session.disable_fallback()
        return session, replace(info, provider=f"{info.provider} on {gpu.name}")

    def _run_session(
        self, session: ort.InferenceSession, named: Mapping[str, AnyArray]
    ) -> Sequence[AnyArray]:
        binding = session.io_binding()
        for name, array in named.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, "cuda", 0))
        for spec in self.artifact.outputs:
            binding.bind_output(spec.name, "cuda", 0)
        session.run_with_iobinding(binding)
        outputs: Sequence[AnyArray] = binding.copy_outputs_to_cpu()
        return outputs


def check_build() -> None:
    """Raises if ONNX Runtime was built without CUDA.

    Raises:
        RuntimeUnavailableError: With the providers that it has, and the commands that fix it.
    """
    known = ort.get_available_providers()
    if PROVIDER not in known:
        # Both packages install into the same folder, so the other has to be removed first.
        raise RuntimeUnavailableError(
            f"ONNX Runtime {ort.__version__} is a build without CUDA (it has {', '.join(known)}); "
            f"{pip_command('uninstall onnxruntime')}, then {how_to_install(platform.release())}"
        )


def how_to_install(kernel: str) -> str:
    """Returns how to install ONNX Runtime with CUDA.

    Args:
        kernel: Release of the operating system's kernel; a Jetson's is named tegra.
    """
    if "tegra" in kernel:
        # PyPI's wheels have no kernels for its GPU, so the extra leaves them out.
        return "install a build for Jetson (docs/jetson.md, ONNX Runtime with CUDA)"
    return install_command("cuda")
