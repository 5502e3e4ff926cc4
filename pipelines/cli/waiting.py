"""A command that waits: it says for what, and leaves in order when it is told to or nobody reads it any more."""

from __future__ import annotations

import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from stream.errors import TocsinError, TransportError
from stream.kafka.topics import list_topics
from stream.settings import Settings
from stream.text import clean

_LONGEST_LOOK_S = 5.0
_LOOK_MS = 500
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextmanager
def leaving(stop: threading.Event, timeout_s: float | None = None) -> Iterator[None]:
    """Set ``stop`` on SIGTERM, SIGHUP and Ctrl-C, when standard output's reader has gone, and after a time.

    Without this a process that waits for the next alert is ended in the middle of its group, whose other members then
    wait for it; and one whose pipe was closed would not know before that alert comes. An exception out of a signal's
    handler is lost in Kafka's client, so Ctrl-C asks as the others do; a second one ends whatever still runs.

    Raises
    ------
    KeyboardInterrupt
        At the end, if it was Ctrl-C.
    """
    interrupted = False

    def told(number: int, _: FrameType | None) -> None:
        nonlocal interrupted
        if number == signal.SIGINT:
            interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    before = {number: signal.signal(number, told) for number in _SIGNALS}
    done = threading.Event()
    reader = threading.Thread(target=_watch_reader, args=(stop, done), name="reader", daemon=True)
    timer = threading.Timer(timeout_s or 0.0, stop.set)
    timer.daemon = True
    reader.start()
    if timeout_s is not None:
        timer.start()
    try:
        yield
    except TocsinError:
        if not interrupted:  # else it is of the end that was asked for, as of what could not be sent any more
            raise
    finally:
        done.set()
        timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted:
        raise KeyboardInterrupt


def _watch_reader(stop: threading.Event, done: threading.Event) -> None:
    """Wait until the other end of standard output is closed; a file and a terminal have none."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)  # what is reported without being asked for: an error, a hang-up
    except (OSError, ValueError, AttributeError):  # closed from the start, or no file at all
        return
    while not done.is_set():
        if poll.poll(_LOOK_MS):
            stop.set()
            return


def is_there(settings: Settings, topic: str) -> bool | None:
    """Return whether a topic exists, None if no broker answers; what is waited for is said on standard error."""
    look_s = min(settings.kafka.operation_timeout_s, _LONGEST_LOOK_S)
    kafka = settings.kafka.model_copy(update={"operation_timeout_s": look_s})
    try:
        there = topic in list_topics(settings.model_copy(update={"kafka": kafka}))
    except TransportError as error:
        _say(f"waiting: {error}")
        return None
    if not there:
        _say(f"waiting for topic {topic}: it is not there yet at {settings.kafka.bootstrap_servers}")
    return there


def _say(text: str) -> None:
    print(f"tocsin: {clean(text)}", file=sys.stderr, flush=True)
