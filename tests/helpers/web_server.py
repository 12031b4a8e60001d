"""A server on 127.0.0.1 for tests in browsers: folders, and bytes in both directions."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class WebServer:
    """Serves folders at paths, and exchanges bytes with a page at `/exchange`.

    Args:
        folders: By the path at which each is served, which begins and ends with a slash; the
            longest path that fits is used.
        headers: Sent with every file.
    """

    def __init__(
        self, folders: Mapping[str, Path], headers: Mapping[str, str] | None = None
    ) -> None:
        self.outgoing = b""
        self.incoming = b""
        handler = _handler(self, dict(folders), dict(headers or {}))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Such as `http://127.0.0.1:40123`, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(
    owner: WebServer, folders: dict[str, Path], headers: dict[str, str]
) -> type[SimpleHTTPRequestHandler]:
    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        extensions_map = SimpleHTTPRequestHandler.extensions_map | {
            ".js": "text/javascript",
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",
        }

        def translate_path(self, path: str) -> str:
            path = unquote(urlsplit(path).path)
            start = max((p for p in folders if path.startswith(p)), key=len)
            parts = [part for part in path[len(start) :].split("/") if part not in ("", "..")]
            return str(folders[start].joinpath(*parts))

        def do_GET(self) -> None:
            if self.path != "/exchange":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(owner.outgoing)))
            self.end_headers()
            self.wfile.write(owner.outgoing)

        def do_POST(self) -> None:
            owner.incoming = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "no-store")
            for name, value in headers.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Prints nothing."""

    return Handler
