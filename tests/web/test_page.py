"""The page of `unmask web`, used in a real Chromium as a visitor would."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask_sdk.imaging import xmp
from web_site import TIMEOUT, installed_runtime, open_page, unmask_web, wait_for_result

pytestmark = pytest.mark.browser

EXAMPLES = Path(__file__).parents[2] / "examples"
REMOVED = "1 face found, 1 mask removed."


@pytest.fixture(scope="module")
def address():
    with unmask_web(installed_runtime()) as (address, _):
        yield address


@pytest.fixture(scope="module")
def opened(chromium, address):
    """The page, and the addresses that it asks for."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    requests = []
    context.on("request", lambda request: requests.append(request.url))
    problems = []
    context.on("console", lambda message: problems.append(message.text))
    page = open_page(context, address)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page, requests
    context.close()
    assert problems == []


@pytest.fixture
def page(opened):
    return opened[0]


def split(page):
    return page.evaluate("document.querySelector('#compare').style.getPropertyValue('--split')")


def pixels(page, canvas):
    """The pixels that a canvas shows."""
    data = page.evaluate(f"document.querySelector('{canvas}').toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB"))


def as_transfer(page, *files):
    """A `DataTransfer` of the page that holds files."""
    contents = [[f.name, base64.b64encode(f.read_bytes()).decode()] for f in files]
    return page.evaluate_handle(
        """(contents) => {
            const transfer = new DataTransfer();
            for (const [name, content] of contents) {
                const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
            }
            return transfer;
        }""",
        contents,
    )


def test_it_begins_with_an_example(page):
    with Image.open(EXAMPLES / "surgical.jpg") as example:
        expected = np.asarray(example)
    before, after = pixels(page, "#before"), pixels(page, "#after")
    np.testing.assert_array_equal(before, expected)
    changed = (before != after).any(axis=2)
    assert 0.02 < changed.mean() < 0.5
    assert page.locator("#faces li").count() == 1
    assert "Mask removed" in page.inner_text("#faces")


def test_it_asks_for_its_own_files_alone(opened, address):
    _, requests = opened
    assert any(url.endswith(".onnx") for url in requests)
    assert [url for url in requests if not url.startswith((address, f"blob:{address}"))] == []


@pytest.mark.parametrize("name", ["cloth", "n95"])
def test_a_photo_is_chosen_and_saved(page, name):
    page.set_input_files("#file", EXAMPLES / f"{name}.jpg")
    wait_for_result(page, REMOVED)
    with Image.open(EXAMPLES / f"{name}.jpg") as photo:
        original = np.asarray(photo)
    for kind, suffix in (("png", "png"), ("jpeg", "jpg")):
        with page.expect_download() as download:
            page.click(f"#save-{kind}")
        assert download.value.suggested_filename == f"{name}-unmasked.{suffix}"
        with Image.open(download.value.path()) as saved:
            assert xmp.read_packet(saved) == xmp.build_packet(None, generated=True)
            found = np.asarray(saved)
        assert found.shape == original.shape
        if kind == "png":
            np.testing.assert_array_equal(found, pixels(page, "#after"))


def test_the_first_of_several_is_taken(page):
    transfer = as_transfer(page, EXAMPLES / "dark.jpg", EXAMPLES / "cloth.jpg")
    page.dispatch_event("#stage", "drop", {"dataTransfer": transfer})
    page.wait_for_selector("text=Only the first of 2 photos was taken.", timeout=TIMEOUT)
    with Image.open(EXAMPLES / "dark.jpg") as photo:
        np.testing.assert_array_equal(pixels(page, "#before"), np.asarray(photo))


def test_a_photo_is_dropped(page):
    transfer = as_transfer(page, EXAMPLES / "n95.jpg")
    page.dispatch_event("#stage", "dragenter", {"dataTransfer": transfer})
    assert page.is_visible("#drop")
    page.dispatch_event("#stage", "drop", {"dataTransfer": transfer})
    assert page.is_hidden("#drop")
    wait_for_result(page, REMOVED)
    with Image.open(EXAMPLES / "n95.jpg") as photo:
        np.testing.assert_array_equal(pixels(page, "#before"), np.asarray(photo))


def test_a_photo_is_pasted(page):
    transfer = as_transfer(page, EXAMPLES / "dark.jpg")
    page.evaluate(
        "(clipboardData) => document.body.dispatchEvent("
        "new ClipboardEvent('paste', { clipboardData, bubbles: true }))",
        transfer,
    )
    wait_for_result(page, REMOVED)
    with Image.open(EXAMPLES / "dark.jpg") as photo:
        np.testing.assert_array_equal(pixels(page, "#before"), np.asarray(photo))


def test_text_is_pasted_without_effect(page):
    page.evaluate("document.dispatchEvent(new ClipboardEvent('paste', { bubbles: true }))")
    assert page.is_hidden("#error")


def test_the_divider_follows_keys_and_mouse(page):
    page.focus("#split")
    page.keyboard.press("Home")
    assert split(page) == "0%"
    page.keyboard.press("ArrowRight")
    assert split(page) == "1%"
    assert page.get_attribute("#split", "aria-valuetext") == "1 percent"
    page.keyboard.press("End")
    assert split(page) == "100%"
    box = page.locator("#compare").bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    assert split(page) == "25%"
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    assert split(page) == "75%"
    page.mouse.up()
    page.mouse.move(box["x"], box["y"])
    assert split(page) == "75%"


def test_the_other_model_is_chosen_by_keyboard(opened):
    page, requests = opened
    before = pixels(page, "#after")
    page.focus("[name=model]:checked")
    page.keyboard.press("ArrowRight")
    wait_for_result(page, REMOVED)
    assert any(url.endswith("unmask-256-lite-int8.onnx") for url in requests)
    assert (pixels(page, "#after") != before).any()


def test_times_are_shown(page):
    page.click("summary")
    text = page.inner_text("#times")
    for stage in ("Read the photo", "Find faces", "Find eyes", "Paint under", "Threads"):
        assert stage in text
    assert page.inner_text("#total").endswith((" ms", " s"))
    page.click("summary")


def png_header(width, height):
    """A PNG of which only the header is true."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    end = b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + chunk + end


def animation():
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.png", b"This is no image.", "notes.png"),
        ("nothing.jpg", b"", "nothing.jpg is empty (0 bytes)"),
        ("wide.png", png_header(30_000, 30_000), "wide.png is 30000x30000: that is more than"),
        ("moving.gif", animation(), "moving.gif has 3 images (an animation)"),
    ],
    ids=["no image", "empty", "too large", "animated"],
)
def test_what_is_wrong_is_shown_and_the_page_goes_on(page, name, content, message):
    shown = pixels(page, "#after")
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
    page.wait_for_selector("#stage[aria-busy=false]", timeout=TIMEOUT)
    text = page.inner_text("#error-text")
    assert text.startswith("This photo cannot be used: ")
    assert message in text
    assert page.get_attribute("#error", "role") == "alert"
    np.testing.assert_array_equal(pixels(page, "#after"), shown)
    assert page.inner_text("#status") == "The previous result is still shown."
    # On one line.
    assert page.locator("#dismiss").bounding_box()["height"] < 44
    page.click("#dismiss")
    assert page.is_hidden("#error")
    page.set_input_files("#file", EXAMPLES / "surgical.jpg")
    page.wait_for_selector("#stage[aria-busy=false]", timeout=TIMEOUT)
    assert page.inner_text("#status") == REMOVED


def test_a_photo_without_a_face(page):
    file = io.BytesIO()
    Image.new("RGB", (300, 200), "gray").save(file, "PNG")
    page.set_input_files(
        "#file", {"name": "gray.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    wait_for_result(page, "No face was found: the photo is unchanged.")
    assert page.is_hidden("#save-png")
    assert "must roughly look at the camera" in page.inner_text("#notes")
    # It is said once, and there is nothing to compare.
    assert page.inner_text(".panel").lower().count("no face") == 1
    assert page.is_hidden("#found-title")
    for part in ("#split", ".divider", ".tag-before", ".tag-after", "#after"):
        assert page.is_hidden(part)
    page.set_input_files("#file", EXAMPLES / "surgical.jpg")
    wait_for_result(page, REMOVED)


def test_a_photo_like_a_line_has_room_for_the_tags(page):
    file = io.BytesIO()
    Image.new("RGB", (30_000, 100), "gray").save(file, "PNG")
    page.set_input_files(
        "#file", {"name": "line.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    wait_for_result(page, "No face was found: the photo is unchanged.")
    assert page.locator("#compare").bounding_box()["height"] >= 120
    page.set_input_files("#file", EXAMPLES / "surgical.jpg")
    wait_for_result(page, REMOVED)


def test_long_times_are_in_seconds(page):
    page.evaluate(
        """async () => {
            const { showReport } = await import("./report.js");
            const timings = { decode: 999.4, run: 11_700.6, threads: 1 };
            showReport({ faces: [], timings, notes: [] });
        }"""
    )
    assert page.inner_text("#total") == "12.7 s"
    page.click("summary")
    text = page.inner_text("#times")
    assert "999.4 ms" in text
    assert "11.7 s" in text
    page.click("summary")
    page.set_input_files("#file", EXAMPLES / "surgical.jpg")
    wait_for_result(page, REMOVED)


@pytest.mark.parametrize("delay", [0, 400, 1500])
def test_a_model_is_chosen_while_the_page_loads(chromium, address, delay):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("#stage", state="attached")
    page.wait_for_timeout(delay)
    page.check("[name=model][value=unmask-256-lite]", force=True)
    page.wait_for_selector(f"#status:text-is('{REMOVED}')", timeout=TIMEOUT)
    wait_for_result(page, REMOVED)
    assert page.is_checked("[value=unmask-256-lite]")
    assert page.is_visible("#after")
    lite = pixels(page, "#after")
    page.check("[name=model][value=unmask-256]", force=True)
    wait_for_result(page, REMOVED)
    assert (pixels(page, "#after") != lite).any()
    context.close()


def test_every_control_has_a_name_and_is_reached_by_tab(page):
    unnamed = page.evaluate(
        """[...document.querySelectorAll("button, input, a, summary, progress, canvas[role]")]
            .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length))
            .map((e) => e.outerHTML).filter((html) => !html.includes('type="file"'))"""
    )
    assert unnamed == []
    page.evaluate("document.activeElement.blur()")
    page.evaluate("window.scrollTo(0, 0)")
    reached = []
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.localName")
        )
    # The radio buttons of the models are one stop.
    order = ["split", "choose", "camera", "save-png", "save-jpeg", "summary", "input", "a"]
    start = reached.index("split")
    assert reached[start : start + len(order)] == order


@pytest.mark.parametrize("width", [320, 360, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_width_scrolls_sideways(page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # The badge is on one line, with its dot whole.
    assert page.locator("#offline").bounding_box()["height"] < 40
    dot = page.locator(".dot").bounding_box()
    assert (dot["width"], dot["height"]) == (8, 8)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, ground.strip("rgb()").split(","))) > 3 * 128
    assert light == (scheme == "light")
    for control in ("#choose", "#camera", "#save-png", "#split"):
        box = page.locator(control).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] >= 40
    page.set_viewport_size({"width": 1280, "height": 900})


def test_there_is_no_camera(page):
    page.click("#camera")
    page.wait_for_selector("#error:not([hidden])", timeout=TIMEOUT)
    assert page.inner_text("#error-text").startswith("The camera cannot be used: ")
    assert page.is_visible("#choose")
    page.click("#dismiss")
