"""Real browsers other than Chromium, each with one page, by the standard protocols of W3C."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

FIREFOX = ("firefox-esr", "firefox")
FIREFOX_OPTIONS = ("--headless", "--no-remote", "--remote-debugging-port=0")
SECONDS = 120


class Page(Protocol):
    """One page of a browser."""

    def goto(self, address: str) -> Any:
        """Loads a page."""

    def evaluate(self, function: str, argument: str) -> Any:
        """Returns what a JavaScript function returns, awaited; an exception is raised."""


@contextmanager
def firefox() -> Iterator[Page]:
    """Yields a page of a headless Firefox, which speaks WebDriver BiDi itself."""
    program = next(filter(None, map(shutil.which, FIREFOX)), None)
    if program is None:
        pytest.skip("needs Firefox (Debian's firefox-esr)")
    websocket = pytest.importorskip("websocket")
    with tempfile.TemporaryDirectory() as profile:
        process = subprocess.Popen(
            [
                program,
                "--headless",
                "--no-remote",
                "--profile",
                profile,
                "--remote-debugging-port=0",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr
            pattern = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
            address = next(filter(None, map(pattern.search, process.stderr)))[1]
            connection = websocket.create_connection(
                f"{address}/session", suppress_origin=True, timeout=SECONDS
            )
            page = _BidiPage(connection)
            yield page
            page.send("browser.close")
            process.wait(SECONDS)
        finally:
            process.kill()
            process.communicate()


class _BidiPage:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._last_id = 0
        self.send("session.new", capabilities={})

    def goto(self, address: str) -> None:
        context = self._context()
        self.send("browsingContext.navigate", context=context, url=address, wait="complete")

    def evaluate(self, function: str, argument: str) -> Any:
        found = self.send(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": argument}],
            target={"context": self._context()},
            awaitPromise=True,
        )
        if found["type"] == "exception":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return found["result"].get("value")

    def _context(self) -> Any:
        # Another one after a page that is cross-origin isolated.
        return self.send("browsingContext.getTree")["contexts"][0]["context"]

    def send(self, method: str, **parameters: Any) -> Any:
        self._last_id += 1
        command = {"id": self._last_id, "method": method, "params": parameters}
        self._connection.send(json.dumps(command))
        while True:
            answer = json.loads(self._connection.recv())
            if answer.get("id") == self._last_id:
                break
        if answer["type"] == "error":
            raise RuntimeError(answer["message"])
        return answer["result"]


@contextmanager
def webkit() -> Iterator[Page]:
    """Yields a page of WebKitGTK on a virtual screen."""
    for program, package in (("WebKitWebDriver", "webkit2gtk-driver"), ("Xvfb", "xvfb")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} (Debian's {package})")
    selenium = pytest.importorskip("selenium.webdriver")
    with _screen() as display:
        service = selenium.WebKitGTKService(
            shutil.which("WebKitWebDriver"), env=os.environ | {"DISPLAY": display}
        )
        driver = selenium.WebKitGTK(selenium.WebKitGTKOptions(), service)
        try:
            driver.set_script_timeout(SECONDS)
            yield _WebDriverPage(driver)
        finally:
            driver.quit()


class _WebDriverPage:
    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def goto(self, address: str) -> None:
        self._driver.get(address)

    def evaluate(self, function: str, argument: str) -> Any:
        result, error = self._driver.execute_async_script(
            f"const [argument, done] = arguments; ({function})(argument)"
            ".then((result) => done([result, null]), (error) => done([null, String(error)]))",
            argument,
        )
        if error:
            raise RuntimeError(error)
        return result


@contextmanager
def _screen() -> Iterator[str]:
    """Yields the name of a virtual screen."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-nolisten", "tcp"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with open(reader, encoding="ascii") as file:
            yield f":{file.readline().strip()}"
    finally:
        server.kill()
        server.wait()
