"""What holds for every command: one line for a failure, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from unmask_process import run_unmask

CODE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from unmask_sdk.cli import main; main()"
)
LONG = "a" * 300
ROOT = Path(__file__).parents[3]

# One runtime, so that what it says of a device or of threads is known.
ONNX = ("--runtime", "onnx")


def unmask(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 120}
    return subprocess.run([sys.executable, "-c", CODE, *arguments], **settings | options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str) -> None:
    done = unmask(option)
    assert done.returncode == 0
    assert done.stdout == f"unmask-sdk {version('unmask-sdk')}\n"


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unmask_sdk", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"unmask-sdk {version('unmask-sdk')}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupt_says_so(tmp_path: Path) -> None:
    program = tmp_path / "nvpmodel"
    program.write_text('#!/bin/sh\nkill -INT "$PPID"\nsleep 20\n')
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = unmask("doctor", env={**os.environ, "PATH": path})
    assert done.returncode == 130
    assert done.stderr == "unmask: interrupted\n"


# Interrupts itself as it imports a package for the first time.
IMPORTING = """
import os, signal, sys
from importlib.abc import MetaPathFinder
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupting(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from unmask_sdk.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    "name", ["unmask_sdk.cli.app", "typer", "rich.console", "typer.rich_utils"]
)
def test_an_interrupt_while_it_starts_says_so(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING.format(name=name), "--help"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "unmask: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupt_that_the_shell_ignores_stays_ignored() -> None:
    code = IMPORTING.format(name="typer").replace("default_int_handler", "SIG_IGN")
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_little_is_imported_before_interrupts_are_handled() -> None:
    code = (
        "import sys; before = set(sys.modules); import unmask_sdk.cli;"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        # Isolated from the environment's start-up files, which import much.
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()).isdisjoint({"typing", "numpy", "typer", "rich"})


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("doctor", "--json"), ("doctor",)])
def test_an_output_that_is_full_is_one_line(arguments: tuple[str, ...], unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = unmask(*arguments, stdout=full, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 1
    # LiteRT tells of itself when doctor opens it, past Python.
    said = [line for line in done.stderr.splitlines() if not line.startswith("INFO: Created Tens")]
    assert len(said) == 1
    assert said[0].startswith("unmask: error: standard output")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("image", "in.jpg", "-o", "out.jpg"),
        ("folder", ".", "out"),
        ("video", "in.mp4", "-o", "out.mp4"),
        ("camera", "-", "--size", "8x8"),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--device", "npu"), "runs on cpu, not on 'npu'; ask for device='cpu'"),
        (("--threads", "2000"), "threads must be a whole number from 1 to 1024; got 2000"),
    ],
    ids=["device", "threads"],
)
def test_device_and_threads_reach_the_runtime(
    tmp_path: Path, command: tuple[str, ...], options: tuple[str, ...], words: str
) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "in.jpg").write_text("hello")
    if command[0] == "video":  # It reads the video first.
        av = pytest.importorskip("av")
        with av.open(str(tmp_path / "in.mp4"), "w") as file:
            stream = file.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for frame in (av.VideoFrame(64, 64, "yuv420p"), None):
                file.mux(stream.encode(frame))
    before = sorted(tmp_path.iterdir())
    done = run_unmask(*command, *ONNX, *options, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("unmask: error: ")
    assert words in done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("image", f"{LONG}.jpg", "-o", "out.jpg"), "File name too long"),
        (("image", "plain", "-o", "out.jpg"), "not an image"),
        (("image", "plain/in.jpg", "-o", "out.jpg"), "Not a directory"),
        (("image", "in.jpg", "-o", "plain"), "plain has no extension"),
        (("image", "", "-o", "out"), "an argument is empty, after image"),
        (("folder", ".", ""), "an argument is empty, after folder ."),
        (("verify", "--artifacts="), "an argument is empty, after verify"),
        (("synth", LONG, "-o", "out"), "File name too long"),
        (("synth", ".", "-o", LONG), "--out"),
        (("synth", ".", "-o", "plain"), "--out plain: plain is a file"),
        (("train", "c.yaml", "--faces", ".", "--run", "plain"), "--run plain: plain is a file"),
        (("train-locator", "c.yaml"), "faces is not set; add it to the file, or pass --faces"),
        (("train-locator", "c.yaml", "--faces", "."), "pass --out"),
        (("train-locator", "c.yaml", "--faces", ".", "-o", "plain"), "--out plain: plain is a"),
        (("evaluate", ".", "--report", "plain/r"), "--report plain/r: plain is a file"),
        (("evaluate", LONG), "File name too long"),
        (("export", "onnx", "-o", "plain"), "--out plain: plain is a file"),
        (("export", "onnx", "--weights", LONG), "there is no weight file"),
        (("export", "onnx", "-o", "broken"), "remove it, or choose another folder"),
        (("verify", LONG), "has no model"),
        (("verify", "--artifacts", LONG), "File name too long"),
        (("doctor", "--artifacts", "plain"), ""),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_paths_that_lead_nowhere(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "plain").write_text("hello")
    (tmp_path / "in.jpg").write_text("hello")
    (tmp_path / "c.yaml").write_text("limit: 3")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    before = sorted(tmp_path.rglob("*"))
    done = run_unmask(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    if words:
        assert done.stderr.startswith("unmask: error: ")
        assert done.stderr.count("\n") == 1
        assert words in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
