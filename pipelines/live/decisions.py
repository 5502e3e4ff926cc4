"""The owner's thread: it keeps the daemon's right to publish, and takes what people decide."""

from __future__ import annotations

import threading

import structlog

from stream.errors import TransportError
from stream.kafka.ownership import Ownership

log = structlog.get_logger()
_POLL_S = 0.1


class Decisions:
    """Poll the ownership in a thread of its own, until closed or until it is lost.

    Parameters
    ----------
    ownership : Ownership
        Asked by others whether it still holds; closed with this.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="decisions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and leave the group."""
        self._closed.set()
        self._thread.join()
        self._ownership.close()

    def _work(self) -> None:
        try:
            while not self._closed.is_set():
                self._ownership.poll(_POLL_S, paused=True)
        except TransportError as error:
            log.error("ownership_ended", error=str(error))
