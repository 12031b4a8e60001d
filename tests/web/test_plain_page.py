"""A page without a bundler unmasks a photo in Chromium, Firefox and WebKitGTK."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

import browsers
from npm_packages import WEB
from unmask_page import ISOLATION, LEAST_PSNR, use_page
from web_server import WebServer

pytestmark = pytest.mark.browser

# What docs/web.md says to copy.
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
# By the threads that an isolated page has.
BROWSERS = {"chromium": 2, "firefox": 2, "webkit": 1}


@pytest.fixture(scope="module")
def site(packed, tmp_path_factory):
    """The page, the package's files and ONNX Runtime Web's, in one folder."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).parent / "plain/index.html", folder)
    shutil.unpack_archive(packed, folder)
    (folder / "package").rename(folder / "unmask-sdk-web")
    (folder / "onnxruntime-web").mkdir()
    for name in RUNTIME_FILES:
        shutil.copy(WEB / "node_modules/onnxruntime-web/dist" / name, folder / "onnxruntime-web")
    return folder


@pytest.mark.parametrize(("name", "threads"), BROWSERS.items())
def test_photo(request, name, threads, site, expected, photo_folder):
    with ExitStack() as stack:
        if name == "chromium":
            page = stack.enter_context(request.getfixturevalue("chromium").new_page())
        else:
            page = stack.enter_context(getattr(browsers, name)())
        for headers, shown in (({}, 1), (ISOLATION, threads)):
            with WebServer({"/": site, "/photo/": photo_folder}, headers) as server:
                page.goto(f"{server.address}/")
                text, image = use_page(page, server)
            assert text == f"1 faces, {shown} threads"
            assert expected.psnr(image) >= LEAST_PSNR
