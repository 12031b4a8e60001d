"""The page with a camera: Chromium's fake one, which shows one of the examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from web_site import TIMEOUT, installed_runtime, open_page, unmask_web, wait_for_result

pytestmark = pytest.mark.browser

EXAMPLE = Path(__file__).parents[2] / "examples/surgical.jpg"
LIVE = "#status:has-text('Live: 1 face, 1 mask removed, ')"


@pytest.fixture(scope="module")
def address():
    with unmask_web(installed_runtime()) as (address, _):
        yield address


@pytest.fixture
def page(chromium, chromium_path, address, tmp_path):
    film = tmp_path / "camera.mjpeg"
    film.write_bytes(EXAMPLE.read_bytes() * 5)
    browser = chromium.browser_type.launch(
        executable_path=chromium_path,
        args=[
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        ],
    )
    page = open_page(browser.new_context(), address)
    yield page
    browser.close()


def start(page):
    page.click("#camera")
    page.wait_for_selector(LIVE, timeout=TIMEOUT)
    assert page.is_visible("#live-view")
    assert page.is_hidden("#compare")
    assert page.evaluate("document.activeElement.id") == "snap"


def tracks(page):
    """Whether the camera is on, by track."""
    stream = "document.querySelector('#video').srcObject"
    return page.evaluate(f"() => {stream}?.getTracks().map((track) => track.readyState) ?? []")


def test_live_pictures_and_a_photo(page):
    start(page)
    assert page.evaluate("document.querySelector('#live-view').width") == 512
    assert tracks(page) == ["live"]
    page.evaluate("window.stream = document.querySelector('#video').srcObject")
    page.click("#snap")
    wait_for_result(page, "1 face found, 1 mask removed.")
    assert page.is_visible("#compare")
    assert page.is_hidden("#live-view")
    assert page.evaluate("document.activeElement.id") == "choose"
    # The camera's light goes out.
    assert page.evaluate("window.stream.getTracks()[0].readyState") == "ended"
    with page.expect_download() as download:
        page.click("#save-png")
    assert download.value.suggested_filename == "camera-unmasked.png"


def test_the_camera_is_stopped(page):
    start(page)
    page.click("#stop")
    assert tracks(page) == []
    assert page.inner_text("#status") == "The camera is off."
    assert page.evaluate("document.activeElement.id") == "camera"
    start(page)


def test_a_camera_that_is_taken_away(page):
    start(page)
    page.evaluate(
        "document.querySelector('#video').srcObject.getTracks()[0]"
        ".dispatchEvent(new Event('ended'))"
    )
    page.wait_for_selector("#error:not([hidden])", timeout=TIMEOUT)
    assert page.inner_text("#error-text").startswith("The camera stopped: ")
    assert page.is_visible("#choose")
    assert tracks(page) == []
    page.set_input_files("#file", EXAMPLE)
    wait_for_result(page, "1 face found, 1 mask removed.")


def test_a_bad_file_does_not_stop_the_camera(page, tmp_path):
    start(page)
    assert page.is_hidden("#hint")
    bad = tmp_path / "notes.png"
    bad.write_text("This is no image.", encoding="utf-8")
    page.set_input_files("#file", bad)
    page.wait_for_selector("#error:not([hidden])", timeout=TIMEOUT)
    assert "notes.png" in page.inner_text("#error-text")
    page.wait_for_selector(LIVE, timeout=TIMEOUT)
    assert tracks(page) == ["live"]
    assert page.is_visible("#live-view")
    for part in ("#compare", "#result"):
        assert page.is_hidden(part)
    page.set_input_files("#file", EXAMPLE)
    page.wait_for_selector("#compare", timeout=TIMEOUT)
    wait_for_result(page, "1 face found, 1 mask removed.")
    assert tracks(page) == []
    for part in ("#result", "#hint"):
        assert page.is_visible(part)


def test_the_model_is_changed_while_the_camera_is_on(page):
    start(page)
    page.evaluate("window.stream = document.querySelector('#video').srcObject")
    page.check("[name=model][value=unmask-256-lite]", force=True)
    # The camera stays on until the model is there, and starts anew.
    page.evaluate(
        """async () => {
            while ([null, window.stream].includes(document.querySelector("#video").srcObject)) {
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
        }"""
    )
    page.wait_for_selector("#stage[aria-busy=false]", timeout=TIMEOUT)
    page.wait_for_selector(LIVE, timeout=TIMEOUT)
    assert tracks(page) == ["live"]
    assert page.is_hidden("#error")
    assert page.is_checked("[value=unmask-256-lite]")


def test_a_camera_that_is_not_allowed(chromium, address):
    context = chromium.new_context()
    page = open_page(context, address)
    page.evaluate(
        "void (navigator.mediaDevices.getUserMedia = () =>"
        " Promise.reject(new DOMException('Permission denied', 'NotAllowedError')))"
    )
    page.click("#camera")
    page.wait_for_selector("#error:not([hidden])", timeout=TIMEOUT)
    assert "allow the camera for this page in its settings" in page.inner_text("#error-text")
    context.close()
