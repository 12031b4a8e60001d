"""`unmask` in processes of its own that start at once: forked from one that has imported it.

Importing the command line, OpenCV, ONNX Runtime and PyTorch takes one to three seconds, which
hundreds of tests would spend. What happens while a command starts is tested in
`tests/unmask_sdk/cli/test_main.py` and `test_surroundings.py`, with processes from scratch.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What commands import before they work. Nothing of it starts a thread by being imported.
PRELOADED = ("cv2", "onnxruntime", "PIL.Image", "torch", "unmask_sdk.cli.app", "rich.progress")
SECONDS = 120
_CODE = "from unmask_sdk.cli import main; main()"


def run_unmask(
    *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command without standard input, and returns what it printed and its exit code.

    Args:
        arguments: Of the command line.
        cwd: Folder to run it in; that of the test if `None`.
        env: Its environment; that of the test if `None`.
    """
    words = [str(argument) for argument in arguments]
    place = Path.cwd() if cwd is None else cwd
    environment = dict(os.environ if env is None else env)
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return subprocess.run(
            [sys.executable, "-c", _CODE, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=place,
            env=environment,
        )
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("out", "err")]
        process = _context().Process(target=_run, args=(words, place, environment, streams))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, SECONDS)
        out, err = (stream.read_text(encoding="utf-8") for stream in streams)
    return subprocess.CompletedProcess(words, process.exitcode, out, err)


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    found = [name for name in PRELOADED if importlib.util.find_spec(name.partition(".")[0])]
    # Of the first call; later ones change nothing.
    context.set_forkserver_preload(["__main__", *found])
    return context


def _run(words: list[str], place: Path, environment: dict[str, str], streams: list[Path]) -> None:
    """Runs a command in the forked process."""
    for number, stream in enumerate(streams, start=1):
        opened = os.open(stream, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    sys.argv = ["unmask", *words]
    from unmask_sdk.cli import main

    main()
