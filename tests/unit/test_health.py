"""The HTTP server answers what it must, and whoever asks badly costs it little.

It opens sockets on this machine's loopback only.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from stream import health, metrics
from stream.errors import ConfigurationError
from stream.health import Check, HealthServer

pytestmark = pytest.mark.kafka


def well() -> dict[str, Check]:
    return {"loop": Check(True, "turns")}


def unwell() -> dict[str, Check]:
    return {"loop": Check(True, "turns"), "detectors": Check(False, "L1 late")}


@pytest.fixture
def server() -> Iterator[HealthServer]:
    made = HealthServer("127.0.0.1", 0, well, unwell)
    yield made
    made.close()


def get(server: HealthServer, path: str, method: str = "GET") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def say(server: HealthServer, message: bytes) -> bytes:
    """Send bytes and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(message)
        heard = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                heard += part
    return heard


def test_each_page_says_what_it_must(server: HealthServer) -> None:
    assert get(server, "/healthz") == (200, b'{"ok": true, "checks": {"loop": {"ok": true, "detail": "turns"}}}\n')
    status, body = get(server, "/readyz")
    assert (status, json.loads(body)["checks"]["detectors"]) == (503, {"ok": False, "detail": "L1 late"})
    status, body = get(server, "/metrics?name[]=up")
    assert status == 200
    assert next(iter(metrics.LAG.describe())).name.encode() in body
    assert get(server, "/none")[0] == 404


def test_head_is_get_without_its_body(server: HealthServer) -> None:
    assert get(server, "/readyz", "HEAD") == (503, b"")
    assert int(say(server, b"HEAD /metrics HTTP/1.1\r\n\r\n").split(b"Content-Length: ")[1].split(b"\r")[0]) > 1000


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"])
def test_other_methods_are_refused(server: HealthServer, method: str) -> None:
    heard = say(server, f"{method} /metrics HTTP/1.1\r\nContent-Length: 100000\r\n\r\n".encode() + b"x" * 100_000)
    assert heard.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD\r\n" in heard


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (b"\n\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1 and more\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n\n", b"400"),
        (b"GET /\xff\xfe%00 HTTP/1.1\r\n\r\n", b"404"),
        (b"GET //healthz HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /" + b"a" * 20_000, b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000, b"431"),
    ],
)
def test_hostile_requests_are_answered_and_change_nothing(server: HealthServer, message: bytes, status: bytes) -> None:
    assert say(server, message).startswith(b"HTTP/1.1 " + status)
    assert get(server, "/healthz")[0] == 200


def test_a_request_in_small_pieces_is_answered(server: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /healthz HTTP/1.0\r\n\r\n":
            connection.sendall(bytes((byte,)))
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_half_sent_requests_cost_no_threads_and_do_not_keep_others_out(server: HealthServer) -> None:
    """1500 connections that never end their request: metrics still come, from the one thread there was."""
    before = threading.active_count()
    with contextlib.ExitStack() as opened:
        for k in range(1500):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: slow")
            if k % 500 == 499:
                assert get(server, "/metrics")[0] == 200
        assert threading.active_count() == before
        assert len(server._open) <= health.MAX_CONNECTIONS


def test_a_slow_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT_S", 0.3)
    server = HealthServer("127.0.0.1", 0, well, well)
    try:
        assert say(server, b"GET /metrics HTTP/1.1\r\n") == b""
    finally:
        server.close()


def test_who_reads_nothing_of_the_answer_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(health, "generate_latest", lambda: b"x" * 50_000_000)
    server = HealthServer("127.0.0.1", 0, well, well)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            end = time.monotonic() + 60
            while not server._open and time.monotonic() < end:
                time.sleep(0.01)
            assert get(server, "/healthz")[0] == 200
            while server._open and time.monotonic() < end:
                time.sleep(0.01)
            assert not server._open
    finally:
        server.close()


def test_a_check_that_fails_to_look_is_an_error_and_not_the_end() -> None:
    def broken() -> dict[str, Check]:
        raise ZeroDivisionError

    server = HealthServer("127.0.0.1", 0, well, broken)
    try:
        assert get(server, "/readyz")[0] == 500
        assert get(server, "/healthz")[0] == 200
    finally:
        server.close()


def test_a_port_that_is_taken_is_named(server: HealthServer) -> None:
    with pytest.raises(ConfigurationError, match=f"http_port={server.port}"):
        HealthServer("127.0.0.1", server.port, well, well)
