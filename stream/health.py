"""``/metrics``, ``/healthz`` and ``/readyz`` over HTTP.

Healthy means that the search's loop turns; ready means that an event now would ring: broker there, strain coming,
PSDs usable, publisher alive. Each answer names every check with its finding, and is 503 when one fails.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from stream.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: whether it is well, and a sentence."""

    ok: bool
    detail: str


Checks = Callable[[], Mapping[str, Check]]


class HealthServer:
    """Serve from a thread of its own until closed.

    Parameters
    ----------
    host, port : str, int
        Port 0 takes a free one; ``.port`` says which.
    healthy, ready : callable
        Return the checks of each kind; called in the server's thread, so they only read.

    Raises
    ------
    ConfigurationError
        If the address cannot be had.
    """

    def __init__(self, host: str, port: int, healthy: Checks, ready: Checks) -> None:
        handler = type("Handler", (_Handler,), {"checks": {"/healthz": healthy, "/readyz": ready}})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise ConfigurationError(
                f"daemon.http_host={host} daemon.http_port={port} cannot be had ({error.strerror}): "
                "another daemon may use it; choose another port, or 0"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    checks: Mapping[str, Checks]

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
        elif self.path in self.checks:
            found = self.checks[self.path]()
            well = all(check.ok for check in found.values())
            body = {"ok": well, "checks": {k: {"ok": c.ok, "detail": c.detail} for k, c in found.items()}}
            self._answer(200 if well else 503, "application/json", json.dumps(body).encode() + b"\n")
        else:
            self._answer(404, "text/plain", b"here are /metrics, /healthz and /readyz\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # who asked has gone

    def log_message(self, format: str, *args: Any) -> None:
        """Keep silent: a scrape every few seconds is no news."""
