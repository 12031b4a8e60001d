"""Threads where the page may have them; and after loading, nothing is asked of any server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from web_calls import Flat, ModuleCaller
from web_server import WebServer

pytestmark = pytest.mark.browser

MODELS = "../tests/models.js"
ROOT = Path(__file__).parents[2]
PHOTO = Flat(np.frombuffer((ROOT / "examples/surgical.jpg").read_bytes(), np.uint8))
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


def test_threads_in_an_isolated_page(npm, chromium):
    folders = {"/": ROOT / "web", "/tests/": ROOT / "tests/web"}
    with WebServer(folders, ISOLATED) as server, chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{server.address}/tests/blank.html")
        call = ModuleCaller(page, server)
        results = []
        for threads in (2, 1):
            info = call(MODELS, "open", str(threads), {"threads": threads})["info"]
            assert info["threads"] == threads
            results.append(call(MODELS, "unmaskFile", str(threads), PHOTO, {}))
            assert results[-1]["timings"]["threads"] == threads
        assert results[0]["faces"][0]["masked"]
        # Threads add in another order, and int8 rounds what differs.
        difference = np.subtract(results[0]["image"], results[1]["image"], dtype=float)
        assert 10 * np.log10(255**2 / np.mean(difference**2)) > 40


def test_it_works_without_a_network_once_it_is_loaded(npm, chromium, web_server):
    with chromium.new_context() as context:
        asked = []
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(f"{web_server.address}/tests/blank.html")
        call = ModuleCaller(page, web_server)
        call(MODELS, "open", "lite", {})
        page.evaluate(
            "async () => { window.models = await import('/tests/models.js');"
            " window.photo = await (await fetch('/scratch/photo.jpg')).arrayBuffer() }"
        )
        context.set_offline(True)
        before = len(asked)
        found = page.evaluate(
            "async () => { const { faces, image } = await models.unmaskFile('lite', photo, {});"
            " return [faces.map((face) => face.masked), image.width] }"
        )
        assert found == [[True], 512]
        # Blobs are addresses within the page.
        assert not [url for url in asked[before:] if not url.startswith("blob:")]
        assert all(url.startswith((web_server.address, "blob:", "data:")) for url in asked)
        # The worker's requests are among them.
        assert any(url.endswith("unmask-256-lite-int8.onnx") for url in asked)


@pytest.fixture(autouse=True)
def photo(scratch):
    (scratch / "photo.jpg").write_bytes(PHOTO.values.tobytes())
