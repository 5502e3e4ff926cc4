"""What a server answers: the status, and whether its connection is used again, however its bytes come."""

from __future__ import annotations

import http.client
import time
from typing import Any

import pytest

from pipelines.subscribe.actions import answer
from pipelines.subscribe.actions.answer import Answer, read_answer

_KEPT = Answer(200, True)


class Coming:
    """A connection on which bytes come in pieces, and which is closed behind them."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._data, self._piece = data, piece

    def settimeout(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def recv_into(self, buffer: memoryview) -> int:
        piece = self._data[: min(self._piece, len(buffer))]
        self._data = self._data[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


def read(data: bytes, piece: int) -> Answer:
    connection: Any = Coming(data, piece)
    return read_answer(connection, time.monotonic() + 5.0)


@pytest.mark.parametrize("piece", [1, 3, 1 << 16])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Answer(200, True)),
        (b"HTTP/1.1 200 \r\ncontent-length:3\r\n\r\nabc", Answer(200, True)),
        (b"HTTP/1.1 404\r\nContent-Length: 3\r\n\r\nabc", Answer(404, True)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, True)),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", Answer(201, True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n", _KEPT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nMore: x\r\n\r\n", Answer(200, True)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", Answer(200, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X, Close\r\n\r\n", Answer(200, False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", Answer(200, False)),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil its end", Answer(200, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Answer(200, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Answer(200, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc", Answer(200, False)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", Answer(200, False)),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Answer(200, True)),
        (b"HTTP/1.1 200 OK\nConnection: close\n\nok", Answer(200, False)),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", Answer(302, True)),
    ],
)  # fmt: skip
def test_an_answer_is_read_to_its_end(data: bytes, expected: Answer, piece: int) -> None:
    assert read(data, piece) == expected


def test_what_comes_behind_an_answer_is_no_answer_to_the_next_post() -> None:
    connection: Any = Coming(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 x\r\n\r\n", 1 << 16)
    assert read_answer(connection, time.monotonic() + 5.0).status == 200
    with pytest.raises(ConnectionError):
        read_answer(connection, time.monotonic() + 5.0)


def test_an_answer_without_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "_MOST", 64)
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1000
    assert read(chunks, 16) == Answer(200, False)
    with pytest.raises(http.client.HTTPException, match="headers"):
        read(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, 16)


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 200OK\r\n\r\n"]
)  # fmt: skip
def test_what_is_no_answer_is_told(data: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        read(data, 1 << 16)


def test_a_connection_that_was_closed_meanwhile_is_known() -> None:
    with pytest.raises(ConnectionError):
        read(b"", 1)


class Dripping:
    """A server that sends one byte whenever it is asked, and whose time goes on meanwhile."""

    def __init__(self, data: bytes, clock: list[float], error: type[OSError] | None = None) -> None:
        self._data, self._clock, self._error = data, clock, error

    def settimeout(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def recv_into(self, buffer: memoryview) -> int:
        self._clock[0] += 1.0
        if not self._data and self._error is not None:
            raise self._error("gone")
        byte, self._data = self._data[:1], self._data[1:]
        buffer[: len(byte)] = byte
        return len(byte)


@pytest.mark.parametrize("data", [b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000])
def test_a_server_that_drips_is_not_waited_for_beyond_the_deadline(data: bytes, monkeypatch: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    connection: Any = Dripping(data, clock)
    with pytest.raises(TimeoutError):
        read_answer(connection, 60.0)
    assert clock[0] == 60.0


@pytest.mark.parametrize("error", [TimeoutError, ConnectionResetError])
def test_what_was_taken_counts_as_taken_though_its_answer_breaks_off(error: type[OSError]) -> None:
    """Else it would be posted twice."""
    connection: Any = Dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", [0.0], error)
    assert read_answer(connection, time.monotonic() + 60.0) == Answer(200, False)


class Draining:
    """A server that takes one byte at a time."""

    def __init__(self, clock: list[float]) -> None:
        self._clock = clock

    def settimeout(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def send(self, data: memoryview) -> int:
        self._clock[0] += 1.0
        return 1


def test_a_server_that_reads_slowly_is_not_waited_for_beyond_the_deadline(monkeypatch: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    connection: Any = Draining(clock)
    answer.send(connection, b"x" * 60, 60.0)
    with pytest.raises(TimeoutError):
        answer.send(connection, b"x" * 61, 121.0 - 1.0)
