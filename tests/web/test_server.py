"""`unmask web`: what it sends, to whom, and how it starts and ends."""

from __future__ import annotations

import hashlib
import http.client
import signal
import socket
import subprocess
import sys

import pytest

from unmask_sdk.web.site import collect_site
from web_site import COMMAND, empty_runtime, unmask_web


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return empty_runtime(tmp_path_factory.mktemp("npm") / "onnxruntime-web")


@pytest.fixture(scope="module")
def served(runtime):
    with unmask_web(runtime) as (address, _):
        yield int(address.rpartition(":")[2].strip("/"))


def ask(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def test_every_file_is_sent_with_its_type(served, runtime):
    site = collect_site(runtime)
    kinds = {}
    for path, file in site.items():
        response, content = ask(served, f"/{path}")
        assert (response.status, hashlib.sha256(content).hexdigest()) == (200, file.sha256)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        kinds[path.rpartition(".")[2]] = response.headers["Content-Type"].partition(";")[0]
    assert kinds == {
        "css": "text/css",
        "html": "text/html",
        "jpg": "image/jpeg",
        "js": "text/javascript",
        "json": "application/json",
        "md": "text/plain",
        "mjs": "text/javascript",
        "onnx": "application/octet-stream",
        "safetensors": "application/octet-stream",
        "svg": "image/svg+xml",
        "txt": "text/plain",
        "wasm": "application/wasm",
    }


def test_the_root_is_the_page_and_a_query_is_ignored(served):
    page = ask(served, "/index.html")[1]
    assert page.startswith(b"<!doctype html>")
    assert ask(served, "/")[1] == ask(served, "/?a=/b")[1] == page


def test_the_page_is_isolated_and_its_policy_strict(served):
    headers = ask(served, "/")[0].headers
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = dict(part.strip().split(" ", 1) for part in headers[CSP].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["connect-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe-inline" not in headers[CSP]
    assert "://" not in headers[CSP]


CSP = "Content-Security-Policy"


@pytest.mark.parametrize(
    "path",
    [
        "/src",
        "/src/",
        "/models/",
        "/absent.js",
        "/server.py",
        "/../server.py",
        "/src/../../server.py",
        "/%2e%2e/server.py",
        "/..%2fserver.py",
        "/src/..%5c..%5cserver.py",
        "//etc/passwd",
        "/etc/passwd",
        "/%00",
        "/node_modules/.package-lock.json",
        "http://example.com/etc/passwd",
    ],
)
def test_nothing_else_is_sent(served, path):
    response, content = ask(served, path)
    assert response.status in (404, 421)
    assert b"import" not in content
    assert CSP in response.headers


@pytest.mark.parametrize(
    "host", ["example.com", "127.0.0.1", "127.0.0.1:1", "evil.test:{port}", ""]
)
def test_other_names_are_refused(served, host):
    response, content = ask(served, "/", Host=host.format(port=served))
    assert response.status == 421
    assert b"<!doctype html>" not in content


def test_localhost_is_this_machine(served):
    assert ask(served, "/", Host=f"localhost:{served}")[0].status == 200


def test_head_has_the_headers_of_get(served):
    head, content = ask(served, "/style.css", "HEAD")
    get, sent = ask(served, "/style.css")
    assert content == b""
    assert sent
    names = ("Content-Type", "Content-Length", "ETag", CSP)
    assert [head.headers[name] for name in names] == [get.headers[name] for name in names]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE"])
def test_other_methods_are_refused(served, method):
    assert ask(served, "/", method)[0].status == 501


def test_what_a_browser_has_is_not_sent_again(served):
    first, _ = ask(served, "/app.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again, content = ask(served, "/app.js", If_None_Match=first.headers["ETag"])
    assert (again.status, content) == (304, b"")
    assert ask(served, "/style.css", If_None_Match=first.headers["ETag"])[0].status == 200


def test_it_listens_on_this_machine_alone(served):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("needs a network interface other than loopback")
        own = probe.getsockname()[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((own, served), timeout=5)


def test_a_port_in_use_is_named(served, runtime):
    done = subprocess.run(
        [*COMMAND, "--port", str(served), "--onnxruntime-web", str(runtime)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"unmask: error: cannot serve on port {served}: another program uses it; choose another "
        "with --port, or any that is free with --port 0\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(runtime, number):
    with unmask_web(runtime) as (address, process):
        port = int(address.rpartition(":")[2].strip("/"))
        assert ask(port, "/")[0].status == 200
        # A connection that stays open does not hold it up.
        with socket.create_connection(("127.0.0.1", port)):
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
        assert process.communicate() == ("", "")
