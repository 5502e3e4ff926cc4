"""A file behind a stranger's URL, fetched only from hosts that a person named.

A notice names its sky map by URL, and whoever may write to a topic writes that URL. So: https alone (what a notice
calls http, as Fermi's do, is asked for by https); a host that is listed, letter for letter; no name or password in it;
the address that the name resolves to is looked at before it is connected to, and that very address is connected to, so
that no second look-up can give another; a private address is refused; a redirection stays on its host; all within one
time and one size.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

from stream.errors import DataError, DeadlineExceeded, TransportError

_HTTPS = 443
_CHUNK = 1 << 16
_MOST_REDIRECTIONS = 3
_REDIRECTIONS = (301, 302, 303, 307, 308)
_OK = 200
_LONGEST_URL = 2000
_HEADERS = {
    "User-Agent": "tocsin",
    "Accept": "application/fits, application/octet-stream",
    "Accept-Encoding": "identity",
}

Resolve = Callable[[str, int], list[str]]


class UrlRefused(DataError):  # noqa: N818 - it is no fault
    """A URL that is not to be opened."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be fetched.

    Attributes
    ----------
    hosts : frozenset of str
        ``host`` for port 443, else ``host:port``.
    most_bytes : int
    timeout_s : float
        For everything from look-up to last byte.
    ca_location : Path or None
    """

    hosts: frozenset[str]
    most_bytes: int
    timeout_s: float
    ca_location: Path | None = None


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def fetch(url: str, rules: Rules, look_up: Resolve = resolve, monotonic: Callable[[], float] = time.monotonic) -> bytes:
    """Return what lies behind a URL.

    Raises
    ------
    UrlRefused
        If the rules do not allow it, or what it redirects to.
    TransportError
        If the host does not give it.
    """
    until_s = monotonic() + rules.timeout_s
    for _ in range(_MOST_REDIRECTIONS + 1):
        parts, port = check_url(url, rules.hosts)
        try:
            body, moved = _get(parts, port, rules, _address(parts.hostname or "", port, look_up), until_s, monotonic)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TransportError(f"{parts.hostname} gave no map: {type(error).__name__}: {error}") from error
        if moved is None:
            return body
        before = parts.netloc.lower()
        url = urljoin(url, moved)
        if urlsplit(url).netloc.lower() != before:  # one to http of the same host stays on https
            raise UrlRefused(f"{before} redirects to another host: {url[:200]}")
    raise UrlRefused(f"{parts.hostname} redirects more than {_MOST_REDIRECTIONS} times")


def check_url(url: str, hosts: frozenset[str]) -> tuple[SplitResult, int]:
    """Return a URL's parts and port if it may be opened.

    Raises
    ------
    UrlRefused
        Otherwise, saying which rule it breaks.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.port is None:
            parts = parts._replace(scheme="https")
        host, port = (parts.hostname or "").lower(), parts.port or _HTTPS
    except ValueError:
        raise UrlRefused(f"{url[:200]} is no URL") from None
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise UrlRefused(f"{url[:200]} is no plain URL of at most {_LONGEST_URL} letters")
    if parts.scheme != "https":
        raise UrlRefused(f"{url[:200]} is not https")
    if parts.username is not None or parts.password is not None:
        raise UrlRefused(f"a URL of {host} with a user name in it")
    if (host if port == _HTTPS else f"{host}:{port}") not in hosts:
        raise UrlRefused(f"{host}:{port} is not among listen.map_hosts")
    return parts, port


def _address(host: str, port: int, look_up: Resolve) -> str:
    """Return the address to connect to; a name must not lead into a private network, or to this machine."""
    if host == "localhost" or _is_address(host):
        return host  # listed as such, by a person
    addresses = look_up(host, port)
    for address in addresses:
        if not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise UrlRefused(f"{host} is at {address}, which is no public address")
    if not addresses:
        raise OSError(f"{host} has no address")
    return addresses[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Connection(http.client.HTTPSConnection):
    """A connection to an address that was looked at; the certificate must be the host's."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._address, self._tls, self._within_s = address, context, timeout_s

    def connect(self) -> None:
        """Connect to that address, and to no other."""
        plain = socket.create_connection((self._address, self.port), self._within_s)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _get(
    parts: SplitResult, port: int, rules: Rules, address: str, until_s: float, monotonic: Callable[[], float]
) -> tuple[bytes, str | None]:
    """Return a body, or where it moved to."""
    context = ssl.create_default_context(cafile=None if rules.ca_location is None else str(rules.ca_location))
    connection = _Connection(parts.hostname or "", port, address, context, _left(until_s, monotonic))
    try:
        connection.request("GET", parts._replace(scheme="", netloc="", fragment="").geturl() or "/", headers=_HEADERS)
        response = connection.getresponse()
        if response.status in _REDIRECTIONS:
            return b"", response.headers.get("Location", "")
        if response.status != _OK:
            raise OSError(f"status {response.status}")
        return _body(response, connection, rules.most_bytes, until_s, monotonic), None
    finally:
        connection.close()


def _body(
    response: http.client.HTTPResponse, connection: _Connection, most: int, until_s: float,
    monotonic: Callable[[], float],
) -> bytes:  # fmt: skip
    body = bytearray()
    while True:
        left_s = _left(until_s, monotonic)
        if connection.sock is not None:
            connection.sock.settimeout(left_s)
        chunk = response.read1(_CHUNK)
        if not chunk:
            if response.length:
                raise OSError(f"ended {response.length} bytes too early")
            return bytes(body)
        body += chunk
        if len(body) > most:
            raise UrlRefused(f"more than {most} bytes")


def _left(until_s: float, monotonic: Callable[[], float]) -> float:
    left_s = until_s - monotonic()
    if left_s <= 0:
        raise DeadlineExceeded("a sky map was not fetched within listen.map_timeout_s")
    return left_s
