"""A page on this machine's loopback that shows a map while it grows."""

from __future__ import annotations

import json
import re
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from mapping.surface.growing import GrowingSurface
from streammtl.errors import ConfigError

LOOPBACK = "127.0.0.1"
PAGE = Path(__file__).with_name("view_page.html")
_PIECE = re.compile(r"/piece/(\d{1,6})/(-?\d{1,7})/(-?\d{1,7})/(-?\d{1,7})")


class ViewServer(ThreadingHTTPServer):
    """Answers a browser on this machine: `/` the page, `/changes?after=VERSION` what it lacks, `/piece/...` a mesh.

    Nothing else is served, and only to requests that name this machine: another site's page cannot read a map through a
    name that it points here.
    Raises: ConfigError for a port that is taken.
    """

    daemon_threads = True

    def __init__(self, surface: GrowingSurface, port: int) -> None:
        self.surface = surface
        self.session = secrets.token_hex(8)  # so that a page that outlives its server starts anew
        self.page = PAGE.read_bytes()
        try:
            super().__init__((LOOPBACK, port), _Answer)
        except OSError as error:
            raise ConfigError(f"port {port} of {LOOPBACK} cannot be had: {error.strerror}. Choose another.") from None
        self.url = f"http://{LOOPBACK}:{self.server_port}/"

    def start(self) -> None:
        """Answers from now on, in threads of its own."""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answer(BaseHTTPRequestHandler):
    server: ViewServer
    timeout = 30  # seconds that a silent connection may hold a thread

    def do_GET(self) -> None:
        url, surface = urlsplit(self.path), self.server.surface
        if self.headers.get("Host") not in {f"{name}:{self.server.server_port}" for name in (LOOPBACK, "localhost")}:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif url.path == "/":
            self._send(self.server.page, "text/html; charset=utf-8")
        elif url.path == "/changes":
            asked = parse_qs(url.query)
            after = asked.get("after", ["0"])[0]
            known = asked.get("session") == [self.server.session] and after.isdecimal()
            changes = {"session": self.server.session, **surface.changes(int(after) if known else 0)}
            self._send(json.dumps(changes).encode(), "application/json")
        elif (found := _PIECE.fullmatch(url.path)) and (
            piece := surface.piece(int(found[1]), (int(found[2]), int(found[3]), int(found[4])))
        ):
            self._send(piece, "application/octet-stream", "gzip")
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, body: bytes, kind: str, encoding: str | None = None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
        if encoding is not None:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A request a second is nothing to report."""
