"""Memory does not grow from photo to photo."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from example_photos import EXAMPLES, read_rgb
from web_calls import Flat, ModuleCaller

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc"),
]

MODELS = "../tests/models.js"
MEGABYTE = 1 << 20


def renderer_memory(session) -> int:
    """The memory of the browser's pages and their workers, in bytes."""
    total = 0
    for process in session.send("SystemInfo.getProcessInfo")["processInfo"]:
        if process["type"] == "renderer":
            lines = Path(f"/proc/{process['id']}/status").read_text().splitlines()
            total += 1024 * next(int(n.split()[1]) for n in lines if n.startswith("VmRSS"))
    return total


def test_two_hundred_photos(npm, chromium, web_server):
    small = cv2.resize(read_rgb(EXAMPLES[0]), (320, 320), interpolation=cv2.INTER_AREA)
    photo = Flat(cv2.imencode(".jpg", small[..., ::-1])[1])
    page = chromium.new_page()
    try:
        page.goto(f"{web_server.address}/tests/blank.html")
        call = ModuleCaller(page, web_server)
        call(MODELS, "open", "lite", {})
        session = chromium.new_browser_cdp_session()
        used = []
        for _ in range(10):
            call(MODELS, "unmaskAgain", "lite", photo, 20)
            used.append(renderer_memory(session))
        # What waits for the garbage collector comes and goes.
        assert min(used[5:]) - min(used[:5]) < 20 * MEGABYTE, [u // MEGABYTE for u in used]
    finally:
        page.close()
