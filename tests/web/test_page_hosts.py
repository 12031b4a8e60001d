"""The page without a network, on other hosts, after an update, and with a model file changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from unmask_sdk.web.site import build_site, collect_site
from web_site import TIMEOUT, installed_runtime, open_page, unmask_web, wait_for_result

pytestmark = pytest.mark.browser

REMOVED = "1 face found, 1 mask removed."
READY = "#offline[data-ready]"


@contextmanager
def plain_host(folder, log=os.devnull):
    """Serves a folder as any host does, without headers of ours; `log` gets its requests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "http.server", "-b", "127.0.0.1", "-d", str(folder), str(port)]
    with open(log, "wb") as file, subprocess.Popen(line, stdout=file, stderr=file) as process:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


@contextmanager
def listener():
    """Another origin that answers every request, and counts connections."""
    count = []
    answer = b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\nhi"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    count.append(connection.recv(1000))
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", count
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host") / "site"
    build_site(collect_site(installed_runtime()), folder)
    return folder


@pytest.fixture
def context(chromium):
    context = chromium.new_context()
    yield context
    context.close()


FETCH = "(url) => fetch(url).then(() => 'sent', (error) => String(error))"


def check_policy(page):
    """Neither the page nor its worker reaches another origin."""
    (worker,) = page.workers
    with listener() as (elsewhere, received):
        for place in (page, worker):
            assert "Failed to fetch" in place.evaluate(FETCH, elsewhere)
        blocked = "(url) => import(url).then(() => 'sent', (error) => String(error))"
        assert "Failed to fetch" in page.evaluate(blocked, elsewhere)
        page.evaluate(
            "(url) => { new Image().src = url; navigator.sendBeacon(url, 'x'); }", elsewhere
        )
        page.wait_for_timeout(300)
        assert received == []
        # The listener does answer, where no policy forbids it.
        with socket.create_connection(("127.0.0.1", int(elsewhere.split(":")[2][:-1]))) as probe:
            probe.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert probe.recv(100).startswith(b"HTTP/1.1 200")


def test_without_a_server_the_page_still_works(context):
    with unmask_web(installed_runtime()) as (address, process):
        page = open_page(context, address)
        page.wait_for_selector(READY, state="attached", timeout=TIMEOUT)
        assert page.inner_text("#offline-text") == "Works without a network"
        check_policy(page)
        process.terminate()
        process.wait(timeout=20)
        page.reload()
        wait_for_result(page, REMOVED)
        # The other model was never loaded.
        page.check("[name=model][value=unmask-256-lite]", force=True)
        page.wait_for_selector("#stage[aria-busy=false]", timeout=TIMEOUT)
        assert page.inner_text("#error-text") == (
            "The lite model cannot be used: the lite model has not been downloaded yet, and there "
            "is no network. The full model stays chosen."
        )
        assert page.is_checked("[name=model][value=unmask-256]")
        with page.expect_download() as download:
            page.click("#save-png")
        assert download.value.suggested_filename == "example-unmasked.png"
        page.set_input_files("#file", Path(__file__).parents[2] / "examples/cloth.jpg")
        wait_for_result(page, REMOVED)


def test_a_plain_host_in_a_subfolder(context, built):
    requests = []
    with plain_host(built.parent) as address:
        context.on("request", lambda request: requests.append(request.url))
        page = open_page(context, f"{address}site/")
        own = (f"{address}site/", f"blob:{address}")
        assert [url for url in requests if not url.startswith(own)] == []
        page.wait_for_selector(READY, state="attached", timeout=TIMEOUT)
        check_policy(page)
    page.reload()
    wait_for_result(page, REMOVED)


def test_an_update_is_offered_and_only_changed_files_are_loaded(context, built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "site")
    log = tmp_path / "log"
    with plain_host(folder, log) as address:
        page = open_page(context, address)
        page.wait_for_selector(READY, state="attached", timeout=TIMEOUT)
        page.reload()
        wait_for_result(page, REMOVED)
        assert page.is_hidden("#update")

        change(folder, "style.css", b"\nbody { outline: 7px solid red; }\n")
        before = log.stat().st_size
        page.reload()
        page.wait_for_selector("#update:not([hidden])", timeout=TIMEOUT)
        wait_for_result(page, REMOVED)
        page.click("#reload")
        page.wait_for_url(address)
        wait_for_result(page, REMOVED)
        outline = page.evaluate("getComputedStyle(document.body).outlineWidth")
        assert outline == "7px"
        asked = set(re.findall(r'"GET /(\S*) ', log.read_text()[before:]))
        assert asked == {"style.css", "files.js", "service_worker.js"}
        names = "async () => (await (await caches.open('unmask-web')).keys()).map((r) => r.url)"
        assert len([url for url in page.evaluate(names) if "style.css" in url]) == 1


def change(folder, path, addition):
    """Adds to a file of a site, and updates the site's list."""
    content = (folder / path).read_bytes() + addition
    (folder / path).write_bytes(content)
    text = (folder / "files.js").read_text(encoding="utf-8")
    head, _, rest = text.partition("{")
    files = json.loads("{" + rest.rstrip("\n;"))
    files[path] = [hashlib.sha256(content).hexdigest(), len(content)]
    (folder / "files.js").write_text(f"{head}{json.dumps(files)};\n", encoding="utf-8")


def test_a_changed_model_file_is_refused_and_the_page_goes_on(context, built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "site")
    model = folder / "models/unmask-256-lite-int8.onnx"
    content = bytearray(model.read_bytes())
    content[5000] ^= 1
    model.write_bytes(content)
    with plain_host(folder) as address:
        page = open_page(context, address)
        page.check("[name=model][value=unmask-256-lite]", force=True)
        page.wait_for_selector("#error:not([hidden])", timeout=TIMEOUT)
        assert "unmask-256-lite-int8.onnx was changed or damaged" in page.inner_text("#error-text")
        assert page.is_checked("[name=model][value=unmask-256]")
        page.set_input_files("#file", Path(__file__).parents[2] / "examples/cloth.jpg")
        wait_for_result(page, REMOVED)


def test_without_a_service_worker_the_page_works(chromium, built):
    context = chromium.new_context(service_workers="block")
    with plain_host(built) as address:
        page = open_page(context, address)
        assert page.inner_text("#offline-text") == "Runs on this device"
    context.close()
