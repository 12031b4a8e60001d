"""A broken OpenCV is named, with the command that repairs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unmask_sdk.core.opencv import check_opencv, installed_opencvs, opencv_conflict

CODE = "from unmask_sdk.cli import main; main()"
# What an OpenCV may be like after others were installed and removed.
BROKEN = {
    "library": {"cv2.py": "raise ImportError('libGL.so.1: cannot open shared object file')"},
    "empty": {"cv2/__init__.py": ""},
    "numpy": {"cv2.py": "raise SystemError('built for another NumPy')"},
}


@pytest.fixture(params=BROKEN)
def shadowed(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An environment in which cv2 is broken."""
    for name, content in BROKEN[request.param].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return {**os.environ, "PYTHONPATH": path}


def test_the_working_one_is_told() -> None:
    import cv2

    assert check_opencv() == cv2.__version__


@pytest.mark.slow
def test_doctor_goes_on_without_it(shadowed: dict[str, str], tmp_path: Path) -> None:
    line = [sys.executable, "-c", CODE, "doctor", "--artifacts", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=shadowed)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "OpenCV: OpenCV does not import" in done.stdout
    assert "opencv-python-headless" in done.stdout


@pytest.mark.slow
def test_commands_are_one_line_without_it(shadowed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    line = [sys.executable, "-c", CODE, "image", "a.png", "-o", "b.png"]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=120, env=shadowed, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith("unmask: error: OpenCV does not import")
    assert "install --force-reinstall --no-deps opencv-python-headless" in done.stderr
    assert done.stderr.count("\n") == 1


def test_two_of_them_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = installed_opencvs()
    for name in ("opencv_python", "opencv_contrib_python_headless"):
        info = tmp_path / f"{name}-4.9.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 4.9.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(installed_opencvs()) == {*before, "opencv-python", "opencv-contrib-python-headless"}
    message = opencv_conflict() or ""
    assert "opencv-python" in message
    assert "uninstall opencv-python opencv-contrib-python-headless" in message
