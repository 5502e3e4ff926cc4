"""Posts and answers within a deadline: ``http.client`` has one for each receipt, which a server that drips outlives.

Only what is asked of an answer is looked at: the status, and whether the connection may be used again.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import time
from dataclasses import dataclass
from typing import Any

_MOST = 1 << 16
"""Longest body that is read to its end; behind a longer one the connection is closed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, and whether the connection may be used again."""

    status: int
    keeps: bool


class _Until(io.RawIOBase):
    """What a connection receives until a deadline, for ``HTTPResponse`` to read in place of a socket."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self._connection, self._deadline_s = connection, deadline_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_left_s(self._deadline_s))
        return self._connection.recv_into(buffer)

    def makefile(self, mode: str) -> Any:
        return io.BufferedReader(self)


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
    """Return the answer to a post that was sent.

    A status is an answer, whatever becomes of the body behind it: what was taken need not be sent again.

    Parameters
    ----------
    connection : socket
    deadline_s : float
        Monotonic time until which it must have come.

    Raises
    ------
    OSError
        If it did not come; :class:`http.client.RemoteDisconnected`, a ConnectionError, if nothing of it did.
    HTTPException
        If it is none.
    """
    coming: Any = _Until(connection, deadline_s)
    response = http.client.HTTPResponse(coming, method="POST")
    response.begin()
    try:
        response.read(_MOST)
        keeps = response.isclosed() and not response.will_close  # closed is what was read to its end
    except (OSError, http.client.HTTPException):
        keeps = False
    return Answer(response.status, keeps)


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0.0:
        raise TimeoutError("its time is over")
    return left_s
