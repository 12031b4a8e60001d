"""`examples/ray_serve.py` answers photos over HTTP."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unmask_sdk
from example_photos import EXAMPLES

pytestmark = pytest.mark.serving

pytest.importorskip("ray.serve", reason="needs ray[serve]: nox -s serving")

PROGRAM = EXAMPLES[0].parent / "ray_serve.py"
START = 300.0
# It reports nothing, and waits longer than half a minute for its processes on a busy machine.
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_agent_register_timeout_ms": "300000"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("ray") / "log.txt"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **SETTINGS},
        )
    try:
        wait(process, f"http://127.0.0.1:{port}/-/healthz", log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.5)
    raise AssertionError(f"it does not answer:\n{log.read_text(errors='replace')}")


def test_photo_is_unmasked(address: str) -> None:
    content = EXAMPLES[0].read_bytes()
    with urllib.request.urlopen(address, content, timeout=120) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["faces"] == "1"
        served = answer.read()
    with unmask_sdk.load(threads=1) as model:
        expected = model(content).image
    with Image.open(io.BytesIO(served)) as image:
        assert np.array_equal(np.asarray(image), expected)


def test_other_content_is_a_bad_request(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(address, b"hello", timeout=120)
    assert caught.value.code == 400
    assert "not an image" in caught.value.read().decode()
