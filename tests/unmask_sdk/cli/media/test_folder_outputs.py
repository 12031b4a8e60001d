"""What `unmask folder` prints with --json and --quiet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

EYES = np.array([[250.0, 95.0], [310.0, 95.0]])


@pytest.fixture
def unmask(painted_artifacts: Path, tmp_path: Path):
    """Runs `unmask folder in out`, where one photo cannot be read."""

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        fixed = ["folder", "in", "out", "--artifacts", str(painted_artifacts), "--runtime", "onnx"]
        done = subprocess.run(
            [sys.executable, "-m", "unmask_sdk", *fixed, *options],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
        )
        assert done.returncode == 1
        assert "unmask: error: in/text.jpg" in done.stderr
        return done

    return run


def test_a_tree_as_json_and_in_silence(unmask, painter, backdrop, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(painter(backdrop, EYES)).save(tmp_path / "in" / "a.png")
    Image.fromarray(backdrop).save(tmp_path / "in" / "nobody.jpg")
    (tmp_path / "in" / "text.jpg").write_text("hello")

    def found(*options: str) -> dict[str, dict[str, Any]]:
        done = unmask("--json", *options)
        assert ("failed: 1" in done.stderr) == ("-q" not in options)
        return {record["source"]: record for record in map(json.loads, done.stdout.splitlines())}

    first = found()
    statuses = {source: record["status"] for source, record in first.items()}
    assert statuses == {"in/a.png": "unmasked", "in/nobody.jpg": "no_face", "in/text.jpg": "failed"}
    assert first["in/a.png"]["output"] == "out/a.png"
    assert len(first["in/a.png"]["faces"]) == 1
    assert first["in/nobody.jpg"]["copied"]
    assert first["in/text.jpg"]["error"]["type"] == "ImageReadError"
    again = found("-q")
    assert {record["status"] for record in again.values()} == {"finished_before", "failed"}
    assert again["in/a.png"]["output"] == "out/a.png"
    done = unmask("--again", "--quiet")
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
