"""The web server of a run: HTTP from the standard library, reading only.

Requests are GET or HEAD. A path is looked up among a handful of fixed ones and never becomes the
name of a file. What is wrong with a refused request is not said.
"""

from __future__ import annotations

import errno
import socket
import socketserver
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edgenas.errors import ConfigError, EdgenasError
from edgenas.live.access import Access, is_wildcard
from edgenas.live.site import Site, etag_of

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_JSON = "application/json; charset=utf-8"


class LiveServer(ThreadingHTTPServer):
    """Serves the pages of one run until `shutdown`.

    Args:
        folder: Of the run.
        host: Name or address to listen on.
        port: 0 takes a free one.
        token: See `edgenas.live.access.Access`.

    Raises:
        StoreError: There is no run.
        ConfigError: The port is in use, the address is not of this machine, or a token is missing.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, folder: Path, host: str, port: int, token: str | None) -> None:
        self.access = Access(host, token)
        if not 0 <= port <= 65535:
            raise ConfigError(f"--port {port} was given; expected 0 to 65535")
        self.site = Site(folder)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            self.site.close()
            raise ConfigError(_why_not(error, host, port)) from None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @property
    def cookie_name(self) -> str:
        """Cookies are shared by all ports of a host, so each server has its own."""
        return f"edgenas_{self.port}"

    def url(self, *, with_token: bool = True) -> str:
        """Where a browser on this machine finds the page."""
        host = self.access.host
        if is_wildcard(host):
            host = socket.gethostname()
        name = f"[{host}]" if ":" in host else host
        token = f"?token={self.access.token}" if with_token and self.access.token else ""
        return f"http://{name}:{self.port}/{token}"

    def server_bind(self) -> None:
        """Bind without looking up the machine's own name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    def server_close(self) -> None:
        """Stop listening and close the run."""
        super().server_close()
        self.site.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no news."""


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use; choose another one with --port, or --port 0 for a free one"
    if error.errno == errno.EACCES:
        return f"port {port} of {host} may not be used by this user; choose one above 1023 with --port"
    return (
        f"--host {host} was given, on which this machine cannot listen ({error.strerror or error}); expected "
        "one of its own addresses or names, or 127.0.0.1"
    )


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: LiveServer
    protocol_version = "HTTP/1.1"
    timeout = 20
    """Seconds that a silent connection is kept."""

    def version_string(self) -> str:
        """No versions for strangers."""
        return "edgenas"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: an address may hold the token."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """An error without detail."""
        self.close_connection = True
        self._answer(code, "text/plain; charset=utf-8", b"%d\n" % code)

    def do_GET(self) -> None:
        """Answer, if the request names this server and may read."""
        if not self.server.access.knows_host(self.headers.get("Host")):
            return self.send_error(421)
        try:
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query, max_num_fields=10).items()}
        except ValueError:
            return self.send_error(400)
        if "token" in query and self.server.access.is_token(query["token"]):
            return self._let_in()
        cookie = self.headers.get("Cookie")
        if not self.server.access.admits(self.headers.get("Authorization"), cookie, self.server.cookie_name):
            return self.send_error(401)
        try:
            self._content(parts.path, query)
        except EdgenasError:
            self.send_error(503)

    do_HEAD = do_GET

    def _refuse_method(self) -> None:
        self.send_error(405)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse_method

    def _let_in(self) -> None:
        """Swap the token in the address for a cookie that scripts cannot read."""
        cookie = f"{self.server.cookie_name}={self.server.access.session}; Path=/; HttpOnly; SameSite=Lax"
        self._answer(303, "text/plain; charset=utf-8", b"", {"Location": "/", "Set-Cookie": cookie})

    def _content(self, path: str, query: dict[str, str]) -> None:
        site = self.server.site
        if path in site.files:
            kind, body = site.files[path]
            self._answer(200, kind, body)
        elif path == "/api/run.json":
            self._answer_named(site.run_document(_number(query.get("since"))))
        elif path == "/api/trials.json":
            count = _number(query.get("count")) or 100
            self._answer_named(site.trials_document(_number(query.get("before")), count))
        elif path == "/report":
            policy = {"Content-Security-Policy": REPORT_POLICY}
            self._answer(200, "text/html; charset=utf-8", site.report(), policy)
        else:
            self.send_error(404)

    def _answer_named(self, body: bytes) -> None:
        """JSON, or only the word that it has not changed."""
        etag = etag_of(body)
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, None, b"", {"ETag": etag})
        else:
            self._answer(200, _JSON, body, {"ETag": etag})

    def _answer(self, code: int, kind: str | None, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        headers = {**_HEADERS, "Content-Security-Policy": PAGE_POLICY, **(more or {})}
        if kind is not None:
            headers["Content-Type"] = kind
        if code != 304:
            headers["Content-Length"] = str(len(body))
        if code == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if code == 405:
            headers["Allow"] = "GET, HEAD"
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _number(text: str | None) -> int | None:
    """A whole number from a request, or None for anything else."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    return int(text)
