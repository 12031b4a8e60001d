"""Serves the site on this machine alone."""

from __future__ import annotations

import errno
import mimetypes
import os
import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from unmask_sdk.errors import ConfigError

from .site import INDEX, Site, SiteFile

# By name: not every system's table knows the newer types.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".onnx": "application/octet-stream",
    ".safetensors": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
# The page's own policy, to which is added what a <meta> element cannot say.
_POLICY = re.compile(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"')
_NO_FRAMES = "; frame-ancestors 'none'"
# Seconds after which a silent connection is closed.
_TIMEOUT = 60


class SiteServer(ThreadingHTTPServer):
    """Serves a site on 127.0.0.1, each request in a thread of its own.

    Requests by any other name than this address or `localhost` are refused: a page elsewhere whose
    name was made to point here could otherwise read the answers (DNS rebinding).

    Args:
        site: Of `collect_site`.
        port: 0 for any that is free.

    Raises:
        ConfigError: If the port cannot be used.
    """

    # On Windows it would let two programs listen on one port.
    allow_reuse_address = os.name == "posix"

    def __init__(self, site: Site, port: int) -> None:
        self.site = site
        policy = _POLICY.search(site[INDEX].read().decode())
        assert policy is not None
        self.policy = " ".join(policy[1].split()) + _NO_FRAMES
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            reason = error.strerror
            if error.errno == errno.EADDRINUSE:
                reason = "another program uses it"
            raise ConfigError(
                f"cannot serve on port {port}: {reason}; choose another with --port, or any that "
                "is free with --port 0"
            ) from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints nothing for visitors who leave, or whose connection this server's end closes."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Such as `http://127.0.0.1:8642/`."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "unmask-sdk"
    sys_version = ""
    timeout = _TIMEOUT
    server: SiteServer

    def do_GET(self) -> None:
        """Sends a file."""
        file = self._start()
        if file is not None:
            self.wfile.write(file.read())

    def do_HEAD(self) -> None:
        """Sends the headers of a file."""
        self._start()

    def _start(self) -> SiteFile | None:
        """Sends the headers; returns the file whose content is to follow them."""
        names = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        if self.headers.get("Host") not in names:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, f"This server is {self.server.address}")
            return None
        # Only paths of the list lead anywhere.
        path = unquote(urlsplit(self.path).path).removeprefix("/") or INDEX
        file = self.server.site.get(path)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        tag = f'"{file.sha256}"'
        fresh = self.headers.get("If-None-Match") == tag
        self.send_response(HTTPStatus.NOT_MODIFIED if fresh else HTTPStatus.OK)
        self.send_header("ETag", tag)
        if not fresh:
            suffix = os.path.splitext(path)[1]
            kind = TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(file.size))
        self.end_headers()
        return None if fresh else file

    def end_headers(self) -> None:
        """Adds the headers that every answer has."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", self.server.policy)
        # The page is isolated from others, which threads need.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing: pages ask for many files."""
