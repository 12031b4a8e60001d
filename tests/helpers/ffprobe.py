"""What ffprobe, a program that is not ours, says about a file."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def ffprobe(path: Path, *show: str) -> dict[str, Any]:
    """Returns what `ffprobe -show_format -show_streams`, and further options, print as JSON."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is missing: apt install ffmpeg")
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", *show]
    done = subprocess.run([*command, str(path)], check=True, capture_output=True)
    return json.loads(done.stdout)
