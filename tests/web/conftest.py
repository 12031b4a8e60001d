"""A page in a real Chromium, in which tests call the modules of `web/src` with NumPy arrays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import npm_packages
import packed_package
import unmask_page
from web_calls import ModuleCaller
from web_server import WebServer

ROOT = Path(__file__).parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the server serves as `/scratch/`."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="session")
def web_server(scratch: Path) -> Iterator[WebServer]:
    """Serves `web/` as `/`, `scratch` as `/scratch/` and this folder as `/tests/`.

    The shipped model files are at `/artifacts/`.
    """
    folders = {
        "/": ROOT / "web",
        "/artifacts/": ROOT / "unmask_sdk/artifacts",
        "/scratch/": scratch,
        "/tests/": Path(__file__).parent,
    }
    with WebServer(folders) as server:
        yield server


@pytest.fixture(scope="session")
def npm() -> None:
    """Fills `web/node_modules` and `web/models`."""
    npm_packages.install()


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's `.tgz` file, as it is published."""
    return packed_package.pack(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photo of `expected`."""
    return tmp_path_factory.mktemp("photo")


@pytest.fixture(scope="session")
def expected(photo_folder: Path) -> unmask_page.Expected:
    """What the Python package makes of a photo with one masked face."""
    return unmask_page.expect(ROOT / "examples/cloth.jpg", photo_folder)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of Chromium's program."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("needs Chromium")
    return path


@pytest.fixture(scope="session")
def chromium(chromium_path: str) -> Iterator[Any]:
    """A headless Chromium, a `playwright.sync_api.Browser`."""
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page(chromium: Any, web_server: WebServer) -> Any:
    """One page for tests that only call functions; a `playwright.sync_api.Page`."""
    page = chromium.new_page()
    page.goto(f"{web_server.address}/tests/blank.html")
    return page


@pytest.fixture(scope="session")
def call(page: Any, web_server: WebServer) -> ModuleCaller:
    """Calls a function of a module in the page: `call("imaging/resize.js", "resize", image, …)`."""
    return ModuleCaller(page, web_server)
