"""Posts to a server that a person named: https, or this machine itself; no redirect, no proxy, with a deadline."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipelines.subscribe.actions.answer import is_quiet, read_answer, send
from stream.errors import ActionFailed, ConfigurationError

_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post; the whole URL may be a secret, and only its host is shown.

    Attributes
    ----------
    host : str
    port : int
    path : str
    secure : bool
    """

    host: str
    port: int
    path: str
    secure: bool

    @property
    def shown(self) -> str:
        """Host and port."""
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}/…"

    @property
    def named(self) -> str:
        """Host, and port where it is not the usual one, as the header ``Host`` tells them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """Return where a URL points to.

    Raises
    ------
    ConfigurationError
        If it is none, not https and not of this machine, or holds a user or password; the URL is not repeated.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if not host or parts.scheme not in ("https", "http") or any(not "!" <= c <= "~" for c in url):
        raise ConfigurationError("the URL of a webhook is none: write https://host/path, or env:NAME or file:PATH")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"the URL of {host} holds credentials: a webhook's secret comes from the environment")
    if parts.scheme == "http" and host not in _LOCAL:
        raise ConfigurationError(f"http://{host} is not encrypted: use https (http is for localhost alone)")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port or (443 if secure else 80), path, secure)


class Poster:
    """Posts to one server, over one connection as long as that keeps it; of one thread.

    Parameters
    ----------
    target : Target
    timeout_s : float
        For one post, all of it.
    """

    def __init__(self, target: Target, timeout_s: float) -> None:
        self._target, self._timeout_s = target, timeout_s
        self._kept: http.client.HTTPConnection | None = None
        self._told = {"Host": target.named, "User-Agent": "tocsin", "Accept-Encoding": "identity"}

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body, and return when the server took it.

        A kept connection that the server has closed meanwhile is opened anew, once: what is sent has a key.

        Raises
        ------
        ActionFailed
            If it cannot be reached in time, or answers with anything but 2xx: a redirect is not followed.
        """
        deadline_s = time.monotonic() + self._timeout_s
        kept, self._kept = self._kept, None
        if kept is not None and is_quiet(kept.sock):
            try:
                self._ask(kept, body, headers, deadline_s)
                return
            except ConnectionError:
                pass
        if kept is not None:
            kept.close()
        self._ask(_connection(self._target, max(0.01, deadline_s - time.monotonic())), body, headers, deadline_s)

    def _ask(
        self, connection: http.client.HTTPConnection, body: bytes, headers: Mapping[str, str], deadline_s: float
    ) -> None:
        fresh = connection.sock is None
        try:
            if fresh:
                connection.connect()
            send(connection.sock, self._head(len(body), headers) + body, deadline_s)
            answer = read_answer(connection.sock, deadline_s)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if not fresh and isinstance(error, ConnectionError):
                raise
            why = f" {error}" if isinstance(error, OSError) else ""  # what no HTTP is may repeat what we asked for
            raise ActionFailed(f"{self._target.shown} did not answer: {type(error).__name__}{why}") from error
        if answer.keeps:
            self._kept = connection
        else:
            connection.close()
        if not 200 <= answer.status < 300:
            kind = " (redirects are not followed)" if 300 <= answer.status < 400 else ""
            raise ActionFailed(f"{self._target.shown} answered {answer.status}{kind}")

    def _head(self, length: int, headers: Mapping[str, str]) -> bytes:
        """Return the head of a request, which is sent in one with its body."""
        told = {**self._told, "Content-Length": str(length), **headers}
        lines = [f"POST {self._target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def reach(target: Target, timeout_s: float) -> None:
    """Connect and leave again, without asking for anything.

    Raises
    ------
    ConfigurationError
        If there is no connection.
    """
    connection = _connection(target, timeout_s)
    try:
        connection.connect()
    except OSError as error:
        raise ConfigurationError(f"{target.shown} cannot be reached: {error}") from error
    finally:
        connection.close()


def _connection(target: Target, timeout_s: float) -> http.client.HTTPConnection:
    if target.secure:
        return http.client.HTTPSConnection(
            target.host, target.port, timeout=timeout_s, context=ssl.create_default_context()
        )
    return http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
