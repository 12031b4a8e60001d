"""PyTorch: the reference that all other runtimes are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.error_text import one_line
from unmask_sdk.errors import DeviceMismatchError, RuntimeUnavailableError
from unmask_sdk.training.nets.checkpoint import load_network

from .base import Runtime, RuntimeInfo
from .fork import pooled_before_fork


class TorchRuntime(Runtime[torch.nn.Module]):
    """Runs the reference network from its weights.

    Threads: may be run by many threads at the same time. PyTorch has one thread count for the whole
    process, so `threads` changes it for all other code that runs torch in the process.
    """

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[torch.nn.Module, RuntimeInfo]:
        if device == "cuda" and not torch.cuda.is_available():
            raise RuntimeUnavailableError(
                f"PyTorch {torch.__version__} finds no CUDA device; install the NVIDIA driver "
                "and a CUDA build of torch, or use device='cpu'"
            )
        if device == "cpu" and pooled_before_fork("torch"):
            # Its pool of threads is gone after a fork: more than one would wait for the others.
            if threads is not None and threads > 1:
                raise RuntimeUnavailableError(
                    f"PyTorch was imported before this process was forked, and cannot run "
                    f"{threads} threads in it; use threads=1, another runtime, or start workers "
                    "with spawn (docs/workers.md)"
                )
            threads = 1
        if threads is not None:
            torch.set_num_threads(threads)
        network = load_network(path).eval()
        try:
            network.to(device)
        except RuntimeError as error:
            raise RuntimeUnavailableError(
                f"PyTorch {torch.__version__} cannot move {path.name} to {device} "
                f"({one_line(error)}); free its memory, or use device='cpu'"
            ) from error
        actual = next(network.parameters()).device.type
        if actual != device:
            raise DeviceMismatchError(f"asked PyTorch for {device}, got {actual}")
        info = RuntimeInfo(
            runtime="torch",
            provider=f"PyTorch {torch.__version__}",
            device=actual,
            precision=self.artifact.precision,
            threads=torch.get_num_threads() if actual == "cpu" else None,
        )
        return network, info

    def _run(self, handle: torch.nn.Module, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        try:
            tensors = [torch.from_numpy(array).to(self.info.device) for array in inputs]
            with torch.inference_mode():
                outputs: Sequence[torch.Tensor] = handle(*tensors)
            return [output.contiguous().cpu().numpy() for output in outputs]
        # For example, CUDA out of memory.
        except RuntimeError as error:
            shapes = [list(array.shape) for array in inputs]
            raise RuntimeUnavailableError(
                f"PyTorch {torch.__version__} failed on inputs {shapes}: {one_line(error)}"
            ) from error
