"""The example scripts do what they say, with the shipped model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTO, OTHER = str(EXAMPLES / "surgical.jpg"), str(EXAMPLES / "n95.jpg")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("with_threads.py", [PHOTO, OTHER, "--out", "out"], "surgical.jpg: Result("),
        ("with_asyncio.py", [PHOTO, OTHER], "n95.jpg: "),
        ("embedded.py", [PHOTO, "overlay.png"], "of the picture is generated"),
        ("own_runtime.py", [PHOTO], "Unmasker(counting, fp32, cpu: ours): 1 run"),
    ],
)
def test_an_example(name: str, arguments: list[str], words: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
