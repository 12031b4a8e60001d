"""A runtime for the unmasker only: fills the lower half of each crop with its mean color."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.runtimes.base import Runtime, RuntimeInfo
from unmask_sdk.runtimes.registry import RuntimeEntry

ENTRY = RuntimeEntry(
    name="painter",
    title="Painter",
    module="unmask_sdk_painter",
    class_name="PainterRuntime",
    requires=("numpy",),
    formats=("onnx",),
    precisions=("fp32",),
    devices=("cpu",),
    platforms=("linux", "darwin", "win32"),
    fix="pip install unmask-sdk-painter",
    roles=("unmasker",),
)


class PainterRuntime(Runtime[str]):
    """Threads: keeps no state, so any number may run it."""

    def _open(self, path: Path, device: str, threads: int | None) -> tuple[str, RuntimeInfo]:
        info = RuntimeInfo(
            runtime="painter",
            provider=f"NumPy {np.__version__}",
            device=device,
            precision=self.artifact.precision,
            threads=threads,
        )
        return "no state", info

    def _run(self, handle: str, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        (images,) = inputs
        unmasked, masks = images.copy(), np.zeros_like(images[..., :1])
        lower = np.s_[:, images.shape[1] // 2 :]
        unmasked[lower] = images[lower].mean((1, 2), keepdims=True).round()
        masks[lower] = 255
        return [unmasked, masks]
