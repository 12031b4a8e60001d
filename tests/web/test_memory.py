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


def renderers(session) -> set[int]:
    """The processes of the browser's pages and their workers."""
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return {process["id"] for process in processes if process["type"] == "renderer"}


def memory_of(process: int) -> int:
    """The memory of a process, in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024 * next(int(n.split()[1]) for n in lines if n.startswith("VmRSS"))


def test_two_hundred_photos(npm, chromium, web_server):
    small = cv2.resize(read_rgb(EXAMPLES[0]), (320, 320), interpolation=cv2.INTER_AREA)
    photo = Flat(cv2.imencode(".jpg", small[..., ::-1])[1])
    session = chromium.new_browser_cdp_session()
    # Pages of other tests may be open in the same browser.
    others = renderers(session)
    page = chromium.new_page()
    try:
        page.goto(f"{web_server.address}/tests/blank.html")
        call = ModuleCaller(page, web_server)
        call(MODELS, "open", "lite", {})
        own = renderers(session) - others
        assert own
        used = []
        for _ in range(40):
            call(MODELS, "unmaskAgain", "lite", photo, 5)
            used.append(sum(map(memory_of, own)))
        # What waits for the garbage collector comes and goes: only the least memory counts.
        growth = min(used[20:]) - min(used[:20])
        assert growth < 20 * MEGABYTE, [u // MEGABYTE for u in used]
    finally:
        page.close()
