"""`unmask web` as a process, and its page in a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import npm_packages
from unmask_sdk.web.site import RUNTIME_FILES

COMMAND = [sys.executable, "-m", "unmask_sdk", "web"]
# Milliseconds for what takes a second or two on an idle machine.
TIMEOUT = 120_000


def empty_runtime(folder: Path) -> Path:
    """Fills a folder as the npm package onnxruntime-web, with files that hold their name alone."""
    (folder / "dist").mkdir(parents=True)
    for name in RUNTIME_FILES:
        (folder / "dist" / name).write_text(f"// {name}\n", encoding="utf-8")
    return folder


@contextmanager
def unmask_web(runtime: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Runs `unmask web` on a free port; yields the address that it prints, and the process."""
    line = [*COMMAND, "--port", "0", "--onnxruntime-web", str(runtime), *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            printed = process.stdout.readline()
            found = re.match(r"http://127\.0\.0\.1:\d+/", printed)
            if found is None:
                process.kill()
                raise AssertionError(f"{printed}\n{process.communicate()[1]}")
            yield found[0], process
        finally:
            process.terminate()


def installed_runtime() -> Path:
    """Returns the installed npm package onnxruntime-web."""
    npm_packages.install()
    return npm_packages.WEB / "node_modules/onnxruntime-web"


def open_page(context: Any, address: str) -> Any:
    """Opens the page in a context of Playwright, and waits until its example is unmasked."""
    page = context.new_page()
    page.goto(address)
    wait_for_result(page, "1 face found, 1 mask removed.")
    return page


def wait_for_result(page: Any, status: str) -> None:
    """Waits until the page has nothing to do, and its status is this text."""
    page.wait_for_selector("#stage[aria-busy=false]", timeout=TIMEOUT)
    found = page.inner_text("#status"), page.inner_text("#error-text")
    assert found == (status, ""), found
