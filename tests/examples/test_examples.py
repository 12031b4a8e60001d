"""The example scripts work as documented, with the shipped model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTO, OTHER = str(EXAMPLES / "surgical.jpg"), str(EXAMPLES / "n95.jpg")


def run(name: str, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
    )


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("with_threads.py", [PHOTO, OTHER, "--out", "out"], "surgical.jpg: Result("),
        ("with_asyncio.py", [PHOTO, OTHER], "n95.jpg: "),
        ("embedded.py", [PHOTO, "overlay.png"], "of the image is generated"),
        ("own_runtime.py", [PHOTO], "Unmasker(counting, fp32, cpu: ours): 1 run"),
    ],
)
def test_example_runs(name: str, arguments: list[str], words: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = run(name, arguments, tmp_path)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


# The others need none.
@pytest.mark.parametrize(
    "name",
    ["embedded.py", "make_faces.py", "own_runtime.py", "with_asyncio.py", "with_threads.py"],
)
def test_example_without_arguments_states_what_it_needs(name: str, tmp_path: Path) -> None:
    done = run(name, [], tmp_path)
    assert done.returncode == 2, done.stderr
    usage, *_, last = done.stderr.splitlines()
    assert usage.startswith(f"usage: {name}")
    assert "the following arguments are required: " in last


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("embedded.py", ["gone.jpg", "overlay.png"], "gone.jpg does not exist"),
        ("embedded.py", [PHOTO, "none/overlay.png"], "none/overlay.png cannot be written"),
        ("own_runtime.py", ["gone.jpg"], "gone.jpg does not exist"),
        (
            "make_faces.py",
            ["gone", "--mesh", "gone.tflite", "-o", "."],
            "no mesh model at gone.tflite",
        ),
    ],
)
def test_failing_example_gives_one_line(
    name: str, arguments: list[str], words: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    done = run(name, arguments, tmp_path)
    assert done.returncode == 1
    *warnings, last = done.stderr.splitlines()
    assert words in last
    # OpenCV warns about a missing file.
    assert all(line.startswith("[ WARN") for line in warnings)
    assert not list(tmp_path.iterdir())
