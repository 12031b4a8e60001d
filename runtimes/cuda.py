"""ONNX Runtime on an NVIDIA GPU."""

from __future__ import annotations

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

    Threads: a session takes runs from many threads at once, each with inputs and outputs of its
    own on the GPU. `threads` counts for the few operators that stay on the CPU.
    """

    name = "cuda"
    provider = PROVIDER
    # With TF32, fp32 would be calculated with the ten bits of fp16.
    provider_options: Mapping[str, str] = {"device_id": "0", "use_tf32": "0"}

    def _mismatch_fix(self) -> str:
        return (
            ": the libraries of CUDA or cuDNN are missing, or of another version than it was built "
            "for; " + pip_command("install --upgrade 'onnxruntime-gpu[cuda,cudnn]'")
        )

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[ort.InferenceSession, RuntimeInfo]:
        check_build()
        gpu = find_gpu()
        session, info = super()._open(path, device, threads)
        # It would otherwise go on with the CPU alone after an error of CUDA.
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
    """Refuses a build of ONNX Runtime that knows no CUDA.

    Raises:
        RuntimeUnavailableError: Naming what it knows, and what mends it.
    """
    known = ort.get_available_providers()
    if PROVIDER not in known:
        # The two packages are installed into one folder: the other has to go first.
        raise RuntimeUnavailableError(
            f"ONNX Runtime {ort.__version__} is a build without CUDA (it has {', '.join(known)}); "
            f"{pip_command('uninstall onnxruntime')}, then {install_command('cuda')}"
        )
