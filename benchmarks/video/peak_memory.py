"""A fresh process that unmasks one video: its peak memory, in MB; nan on Windows.

python -m unmask_sdk.benchmarks.video.peak_memory RUNTIME PRECISION THREADS CLIP OUT
"""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import unmask_sdk
from unmask_sdk.benchmarks.start import peak_megabytes


def of_process(model: unmask_sdk.Unmasker, clip: Path, out: Path) -> float:
    """Returns the peak memory of a process that does nothing else, in MB.

    Args:
        model: The process opens one like it: the package's, on the same runtime.
        clip: The video.
        out: File to write.

    Raises:
        subprocess.CalledProcessError: If it fails; its messages are on stderr.
    """
    info = model.runtime
    what = [info.runtime, info.precision, str(info.threads or 1), str(clip), str(out)]
    command = [sys.executable, "-m", __spec__.name, *what]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main(runtime: str, precision: str, threads: str, clip: str, out: str) -> None:
    """Unmasks the video, and prints the peak memory."""
    with unmask_sdk.load(runtime, precision, threads=int(threads)) as model:
        model.video(clip, out)
    print(peak_megabytes() or math.nan)


if __name__ == "__main__":
    main(*sys.argv[1:])
