"""Processes that are killed at a chosen step: run by the tests as ``python child.py MODE STEP SETTINGS``.

``publisher`` publishes the two peaks of one event; ``daemon`` runs the daemon. ``STEP`` says where SIGKILL strikes;
``none`` nowhere.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.live import daemon
from pipelines.live.publisher import Publisher
from stream.configuration import load_settings
from stream.kafka.producer import TransactionalProducer
from stream.log import configure_logging
from stream.publish import Outbox
from stream.records import Background, Candidate, Peak
from stream.timebase import NS_PER_S, SystemClock

GPS_NS = 1_400_000_000_123_000_000
WAITING = threading.Event()


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, name: str) -> None:
    """Die instead of a call."""
    setattr(owner, name, die)


def after(owner: type, name: str) -> None:
    """Die once a call is done."""
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*arguments: Any, **keywords: Any) -> None:
        original(*arguments, **keywords)
        die()

    setattr(owner, name, wrapped)


def after_first_send() -> None:
    """Die between the Avro and the JSON message of one transaction."""
    after(TransactionalProducer, "send")


def while_sending() -> None:
    """Let a send wait for its broker, and say so; who publishes dies meanwhile."""

    def waits(*_: Any, **__: Any) -> None:
        WAITING.set()
        time.sleep(60)

    TransactionalProducer.send = waits  # type: ignore[method-assign]


def in_commit() -> None:
    """Die when the messages are on the broker and the commit is about to be asked for."""
    original = TransactionalProducer._try

    def patched(self: TransactionalProducer, call: str, *arguments: float) -> None:
        if call == "commit_transaction":
            self._producer.flush(10)
            die()
        original(self, call, *arguments)

    TransactionalProducer._try = patched  # type: ignore[method-assign]


STEPS: dict[str, Callable[[], None]] = {
    "while_waiting": lambda: None,
    "before_outbox": lambda: before(Outbox, "put"),
    "after_outbox": lambda: after(Outbox, "put"),
    "while_sending": while_sending,
    "in_transaction": after_first_send,
    "before_commit": in_commit,
    "after_commit": lambda: before(Outbox, "acknowledge"),
    "none": lambda: None,
}


def candidate(after_s: float = 0.0, statistic: float = 9.0) -> Candidate:
    gps_ns = GPS_NS + round(after_s * NS_PER_S)
    peak = Peak(gps_ns, statistic, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), gps_ns + 180_000_000)
    return Candidate(peak, 1e-9, True, Background("shipped", 1e9, ("H1", "L1")), "test-1")


def peaks() -> tuple[Candidate, Candidate]:
    """Two peaks of one event, the louder one second."""
    return candidate(), candidate(0.2, 12.0)


def main(mode: str, step: str, config: str) -> None:
    settings = load_settings(Path(config))
    configure_logging("info", "json")
    STEPS[step]()
    if mode == "publisher":
        publisher = Publisher(settings, SystemClock())
        first, second = peaks()
        publisher.publish(first, 600.0 if step == "while_waiting" else None)
        if step == "while_waiting":
            die()
        if step == "while_sending":
            assert WAITING.wait(30)
        publisher.publish(second)
        if step == "while_sending":
            die()
        publisher.close()
        publisher.check()
    else:
        daemon.run(settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
