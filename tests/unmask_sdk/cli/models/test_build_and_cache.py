"""`unmask build trt` and `unmask cache`, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def unmask(tmp_path: Path):  # type: ignore[no-untyped-def]
    environment = {**os.environ, "UNMASK_CACHE": str(tmp_path / "cache")}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from unmask_sdk.cli import main; main()", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
        )

    run.environment = environment  # type: ignore[attr-defined]
    return run


def test_build_show_and_clear(unmask, tiny_trt: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("tensorrt_rtx")
    arguments = ("build", "trt", "--artifacts", tiny_trt, "--capability", "8.6")
    done = unmask(*arguments, "--precision", "int8")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(" for ")[0] for line in lines] == [
        "unmasker int8",
        "detector fp16",
        "aligner fp16",
    ]
    assert done.stderr.count("this is done once") == 3
    notes = [json.loads(file.read_text()) for file in (tmp_path / "cache").rglob("*.json")]
    assert {note["key"]["capability"] for note in notes} == {"8.6"}

    again = unmask(*arguments, "--precision", "int8")
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")

    shown = unmask("cache", "ls")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[-1].startswith("3 engines, ")
    assert "unmasker int8 for compute capability 8.6" in shown.stdout
    assert "removed from" in unmask("cache", "clear").stdout
    assert "\n0 engines, 0.0 MB in " in unmask("cache", "ls").stdout


def test_measured_times_are_shown_and_cleared(unmask, tiny_artifacts: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("onnxruntime")
    assert unmask("cache", "ls").stdout.startswith("0 measured times in ")
    code = (
        "import sys, unmask_sdk;"
        "unmask_sdk.load('onnx', max_ms=1e6, threads=1, artifacts=sys.argv[1])"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tiny_artifacts)], env=unmask.environment, check=True
    )
    shown = unmask("cache", "ls").stdout.splitlines()
    assert shown[0].startswith("unmasker fp32 on ONNX Runtime ")
    assert ", threads: 1: " in shown[0]
    assert shown[1].startswith("1 measured times in ")
    assert unmask("cache", "-q").stdout.splitlines() == shown[1:]
    found = json.loads(unmask("cache", "--json").stdout)
    assert list(found) == ["engines_folder", "engines", "timings_folder", "timings"]
    (timing,) = found["timings"]
    assert list(timing) == ["artifact", "precision", "provider", "threads", "ms", "measured"]
    assert (timing["artifact"], timing["threads"]) == ("unmasker", 1)
    assert unmask("cache", "clear").stdout.startswith("1 measured times removed from ")
    assert unmask("cache", "ls").stdout.startswith("0 measured times in ")
    cleared = json.loads(unmask("cache", "clear", "--json").stdout)
    assert cleared == {"timings_removed": 0, "bytes_removed": 0}
    assert unmask("cache", "clear", "-q").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("build", "onnx"), "only trt needs engines, not onnx"),
        (("cache", "list"), "takes ls or clear, not 'list'"),
    ],
)
def test_mistakes_are_one_line(unmask, arguments: tuple[str, ...], reason: str) -> None:  # type: ignore[no-untyped-def]
    done = unmask(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("unmask: error: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_built_is_said(unmask, tiny_artifacts: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("tensorrt_rtx")
    # Exported to ONNX alone.
    done = unmask("build", "trt", "--artifacts", tiny_artifacts, "--capability", "8.6")
    assert done.returncode == 1
    assert "; unmask export trt --precision fp16" in done.stderr
