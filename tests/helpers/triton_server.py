"""The Triton server that `nvidia-pytriton` brings, as a process of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START = 120.0


def server_folder() -> Path | None:
    """The folder of the server's files; None if it is not installed."""
    found = importlib.util.find_spec("pytriton")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "tritonserver"


@contextmanager
def triton_server(repository: Path, folder: Path) -> Iterator[str]:
    """Starts a server, and stops it afterwards.

    Args:
        repository: Model repository.
        folder: Empty folder for the server's backend and log.

    Yields:
        `HOST:PORT` of its HTTP endpoint.
    """
    installed = server_folder()
    assert installed is not None
    backends = folder / "backends"
    shutil.copytree(installed / "backends", backends)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = installed / "python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy(stub, backends / "python")
    port = _free_port()
    # The backend runs the Python that it finds first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    libraries = installed.parents[1] / "nvidia_pytriton.libs"
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(installed / "bin" / "tritonserver"),
                f"--model-repository={repository}",
                f"--backend-directory={backends}",
                "--http-address=127.0.0.1",
                f"--http-port={port}",
                "--allow-grpc=false",
                "--allow-metrics=false",
            ],
            env={**os.environ, "PATH": path, "LD_LIBRARY_PATH": str(libraries)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}/v2/health/ready", log)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"the server is not ready:\n{log.read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
