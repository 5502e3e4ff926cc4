"""The process that makes sky maps and classes for :mod:`pipelines.live.followup`: its follower once, then its answers.

Records come over stdin and go over stdout (:mod:`pipelines.follow`). It yields to the search (a lower
priority, one thread), ends with its stdin, and by a timer that no computation holds up where one takes longer than its
time: nobody may be left to end it.
"""

from __future__ import annotations

import os
import pickle
import signal
from typing import Any

from pipelines.follow import LENGTH, START_S, Answer, Order, ask, make, packed

_GRACE_S = 1.0


def main() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    order = _read()
    if not isinstance(order, Order):
        return
    os.nice(order.nice)
    signal.setitimer(signal.ITIMER_REAL, START_S)
    follower, answer = make(order)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _write(answers, answer)
    while follower is not None and (snapshot := _read()) is not None:
        signal.setitimer(signal.ITIMER_REAL, order.timeout_s + _GRACE_S)
        answer = ask(follower, snapshot)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answers, answer)


def _read() -> Any:
    """Return the next record; None at the end of stdin."""
    head = _bytes(LENGTH.size)
    return pickle.loads(_bytes(*LENGTH.unpack(head))) if head else None


def _bytes(size: int) -> bytes:
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(answers: Any, answer: Answer) -> None:
    answers.write(packed(answer))
    answers.flush()


if __name__ == "__main__":
    main()
