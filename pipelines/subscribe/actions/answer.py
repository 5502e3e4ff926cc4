"""What a server answers to a post, read by hand; ``http.client`` reads headers as e-mail, longer than a post takes.

Only what is asked of it is looked at: the status, and whether the connection may be used again. Source: RFC 9112.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

_MOST = 1 << 16
"""Longest answer that is read to its end; behind a longer one the connection is closed."""
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r?\n")
_CHUNKED = re.compile(rb"\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r?\n")
_CLOSES = re.compile(rb"\nconnection:[^\r\n]*close")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_END = b"\r\n\r\n"
_HEAD_END = re.compile(rb"\n\r?\n")
"""Some small servers end lines by a line feed alone, which section 2.2 allows to read."""


class NoAnswerError(ConnectionError):
    """The connection was closed without an answer, as of one that was kept for too long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, and whether the connection may be used again."""

    status: int
    keeps: bool


def send(connection: socket.socket, data: bytes, deadline_s: float) -> None:
    """Send all of it.

    Raises
    ------
    OSError
        If it was not taken until then.
    """
    left = memoryview(data)
    while left:
        connection.settimeout(_left_s(deadline_s))
        left = left[connection.send(left) :]


def is_quiet(connection: socket.socket) -> bool:
    """Whether nothing has come since the last answer: what did belongs to no post, or is the other side's end."""
    asked = select.poll()
    asked.register(connection, select.POLLIN)
    return not asked.poll(0)


def read_answer(connection: socket.socket, deadline_s: float) -> Answer:
    """Return the answer to a request that was sent; informational ones before it are passed over.

    A status is an answer, whatever becomes of the body behind it: what was taken need not be sent again.

    Parameters
    ----------
    connection : socket
    deadline_s : float
        Monotonic time until which it must have come.

    Raises
    ------
    OSError
        If it did not come; :class:`NoAnswerError` if nothing of it did.
    ValueError
        If it is none.
    """
    coming = _coming(connection, deadline_s)
    head, data = _head(coming, b"")
    while head.startswith(b"HTTP/1.1 1"):
        head, data = _head(coming, data)
    found = _STATUS.match(head)
    if found is None:
        raise ValueError(f"{head[:32]!r} is no answer of HTTP/1.1")
    status, told = int(found[2]), head[found.end() - 1 :].lower()
    keeps = found[1] == b"1" and _CLOSES.search(told) is None
    try:
        return Answer(status, keeps and _to_its_end(told, status, data, coming))
    except (OSError, ValueError):
        return Answer(status, False)


def _coming(connection: socket.socket, deadline_s: float) -> Iterator[bytes]:
    """Yield what comes, until the other side closes."""
    while True:
        connection.settimeout(_left_s(deadline_s))
        more = connection.recv(_MOST)
        if not more:
            return
        yield more


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0.0:
        raise TimeoutError("its time is over")
    return left_s


def _head(coming: Iterator[bytes], data: bytes) -> tuple[bytes, bytes]:
    """Return status line and headers, and what came behind them."""
    while (end := _HEAD_END.search(data)) is None:
        more = next(coming, b"")
        if not more and not data:
            raise NoAnswerError("the connection was closed")
        if not more or len(data) > _MOST:
            raise ValueError("the answer has no end to its headers")
        data += more
    return data[: end.end()], data[end.end() :]


def _to_its_end(told: bytes, status: int, data: bytes, coming: Iterator[bytes]) -> bool:
    """Read the body; whether nothing but it came."""
    length = _LENGTH.search(told)
    chunked = _CHUNKED.search(told) is not None
    if status in (204, 304):
        return not data
    if length is None and not chunked:
        return False  # it ends where the connection does
    while (end := _chunks_end(data) if chunked or length is None else int(length[1])) > len(data):
        more = next(coming, b"")
        if not more or len(data) > _MOST or (not chunked and end > _MOST):
            return False
        data += more
    return end == len(data)


def _chunks_end(data: bytes) -> int:
    """Return where a chunked body ends; beyond what is there as long as more must come."""
    at = 0
    while (size := _SIZE.match(data, at)) is not None:
        if int(size[1], 16) == 0:
            end = data.find(_END, size.end() - 2)
            return end + len(_END) if end >= 0 else len(data) + 1
        at = size.end() + int(size[1], 16) + 2
    if at < len(data) and b"\r\n" in data[at:]:
        raise ValueError("the answer's chunks have no sizes")
    return max(at, len(data)) + 1
