"""``/metrics``, ``/healthz``, ``/readyz`` and the event pages over HTTP.

Healthy means that the search's loop turns; ready means that an event now would ring: broker there, strain coming and
used, PSDs usable, publisher alive. Each answer names every check with its finding, and is 503 when one fails.

Whoever can reach the port may be hostile or broken: one thread serves all, with at most ``MAX_CONNECTIONS`` open (the
oldest goes when another comes), ``MAX_REQUEST_BYTES`` of request and ``TIMEOUT_S`` from its first byte to the last of
the answer, ``PAGE_TIMEOUT_S`` where that is a page: a phone on a mountain is slow. A connection carries one request,
GET or HEAD. No answer may run a script, be framed or load anything from elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from stream.errors import ConfigurationError

log = structlog.get_logger()

MAX_CONNECTIONS = 64
MAX_REQUEST_BYTES = 8192
TIMEOUT_S = 5.0
PAGE_TIMEOUT_S = 60.0

_REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
_TURN_S = 0.2
_PAGE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: whether it is well, and a sentence."""

    ok: bool
    detail: str


Checks = Callable[[], Mapping[str, Check]]

Pages = Callable[[str], bytes | None]
"""Returns the HTML of a request's target, or None where there is no such page."""

_GUARDS = (
    "Content-Security-Policy: default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\nX-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\nCache-Control: no-cache\r\n"
)


@dataclass(slots=True)
class _Connection:
    """One request on its way: what came, what is still to be sent, and when it must be over."""

    socket: socket.socket
    until_s: float
    received: bytearray = field(default_factory=bytearray)
    to_send: memoryview | None = None


class HealthServer:
    """Serve from a thread of its own until closed.

    Parameters
    ----------
    host, port : str, int
        Port 0 takes a free one; ``.port`` says which.
    healthy, ready : callable
        Return the checks of each kind; called in the server's thread, so they only read.
    pages : callable, optional
        Returns the page of a target; likewise.

    Raises
    ------
    ConfigurationError
        If the address cannot be had.
    """

    def __init__(self, host: str, port: int, healthy: Checks, ready: Checks, pages: Pages | None = None) -> None:
        self._checks = {"/healthz": healthy, "/readyz": ready}
        self._pages = pages
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            self._listening = socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            raise ConfigurationError(
                f"daemon.http_host={host} daemon.http_port={port} cannot be had ({error.strerror}): "
                "another daemon may use it; choose another port, or 0"
            ) from error
        self._listening.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._open: dict[int, _Connection] = {}  # by descriptor, the oldest first
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        """Stop serving."""
        self._ending.set()
        self._thread.join()
        for descriptor in list(self._open):
            self._drop(descriptor)
        self._selector.close()
        self._listening.close()

    # -- the thread ---------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._ending.is_set():
            for key, events in self._selector.select(_TURN_S):
                if key.fileobj is self._listening:
                    self._accept()
                elif key.fd in self._open:  # it may have been dropped in this very turn
                    self._turn(self._open[key.fd], events)
            now_s = time.monotonic()
            for descriptor in [d for d, c in self._open.items() if c.until_s < now_s]:
                self._drop(descriptor)

    def _accept(self) -> None:
        try:
            connected, _ = self._listening.accept()
        except BlockingIOError:
            return
        except OSError:  # no descriptors left, or who asked has gone
            if self._open:
                self._drop(next(iter(self._open)))
            self._ending.wait(0.05)
            return
        if len(self._open) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._open)))
        connected.setblocking(False)
        self._open[connected.fileno()] = _Connection(connected, time.monotonic() + TIMEOUT_S)
        self._selector.register(connected, selectors.EVENT_READ)

    def _turn(self, connection: _Connection, events: int) -> None:
        """Take what came, or send what can be sent."""
        descriptor = connection.socket.fileno()
        try:
            alive = self._write(connection) if events & selectors.EVENT_WRITE else self._read(connection)
        except BlockingIOError:
            return
        except OSError:
            alive = False
        if not alive:
            self._drop(descriptor)

    def _read(self, connection: _Connection) -> bool:
        came = connection.socket.recv(MAX_REQUEST_BYTES)
        if not came:
            return False
        if connection.to_send is not None:
            return True  # answered: what else comes is read so that the answer is not lost with it
        connection.received += came
        request = bytes(connection.received).replace(b"\r\n", b"\n")
        if b"\n\n" in request:
            connection.to_send = memoryview(self._answer(request))
            if bytes(connection.to_send[: len(_PAGE_HEAD)]) == _PAGE_HEAD:
                connection.until_s += PAGE_TIMEOUT_S - TIMEOUT_S
        elif len(connection.received) >= MAX_REQUEST_BYTES:
            connection.to_send = memoryview(_response(431, "text/plain", b"the request is too long\n"))
        else:
            return True
        self._selector.modify(connection.socket, selectors.EVENT_WRITE)
        return self._write(connection)

    def _write(self, connection: _Connection) -> bool:
        assert connection.to_send is not None
        connection.to_send = connection.to_send[connection.socket.send(connection.to_send) :]
        if not connection.to_send:
            connection.socket.shutdown(socket.SHUT_WR)
            self._selector.modify(connection.socket, selectors.EVENT_READ)  # until the other side closes
        return True

    def _drop(self, descriptor: int) -> None:
        connection = self._open.pop(descriptor)
        with contextlib.suppress(KeyError, ValueError, OSError):
            self._selector.unregister(connection.socket)
        connection.socket.close()

    # -- what is answered ---------------------------------------------------------------------------------------

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\n", 1)[0].decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/"):
            return _response(400, "text/plain", b"this is no HTTP request\n")
        method, target = words[0], words[1].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response(405, "text/plain", b"only GET and HEAD\n", extra="Allow: GET, HEAD\r\n")
        try:
            status, kind, body = self._page(target)
        except Exception as error:  # a supervisor: a fault in a check must not end the server
            log.error("check_failed", path=target, error=str(error), exc_info=True)
            status, kind, body = 500, "text/plain", b"a check failed: see the log\n"
        return _response(status, kind, body, with_body=method == "GET")

    def _page(self, target: str) -> tuple[int, str, bytes]:
        if target == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest()
        if target not in self._checks:
            page = None if self._pages is None else self._pages(target)
            if page is not None:
                return 200, "text/html; charset=utf-8", page
            events = " (and event pages with daemon.pages_dir)" if self._pages is None else " and the events: /"
            return 404, "text/plain", f"here are /metrics, /healthz and /readyz{events}\n".encode()
        found = self._checks[target]()
        well = all(check.ok for check in found.values())
        document = {"ok": well, "checks": {k: {"ok": c.ok, "detail": c.detail} for k, c in found.items()}}
        return 200 if well else 503, "application/json", json.dumps(document).encode() + b"\n"


def _response(status: int, kind: str, body: bytes, *, extra: str = "", with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{extra}{_GUARDS}Connection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
