"""What lets candidates go on that have waited for their map long enough: a thread, for no block need come by then."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from pipelines.events import Events

log = structlog.get_logger()
_LOOK_S = 0.05
"""At the end, how often it is looked whether all have gone on."""


class Holding:
    """Call :meth:`Events.turn` whenever something is due.

    Parameters
    ----------
    events : Events
    finished : callable
        Whether nothing has to go on any more; asked after :meth:`close`.
    failed : callable
        Told of what ended the thread.
    """

    def __init__(
        self, events: Events, finished: Callable[[], bool], failed: Callable[[BaseException], None]
    ) -> None:  # fmt: skip
        self._events = events
        self._finished = finished
        self._failed = failed
        self._changed = threading.Event()
        self._closed = False
        threading.Thread(target=self._work, name="holding", daemon=True).start()

    def wake(self) -> None:
        """Look again: something waits, or may go on."""
        self._changed.set()

    def close(self) -> None:
        """End once nothing waits."""
        self._closed = True
        self._changed.set()

    def _work(self) -> None:
        try:
            while not (self._closed and self._finished()):
                self._changed.clear()
                due_s = self._events.turn()
                self._changed.wait(_LOOK_S if self._closed else due_s)
        except BaseException as error:
            self._failed(error)
            log.error("publisher_died", error=str(error), exc_info=True)
