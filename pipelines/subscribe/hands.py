"""What an action is given at once, beside its queue in the state file.

An action that is done before the next alerts are written needs no message in the file: that it is tried stands there
before it is, the place of its alert only behind it::

    written, n-th time        who is told, the job as tried ──▶ hands ──▶ action
    written, (n+1)-th time    the job is forgotten, or its message kept; alert known, place moves on

Whoever is killed between reads the alert again, and does it again under the same key.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from pipelines.subscribe.queue import Job

_MOST_BYTES = 1 << 25
"""Messages that one action is given ahead of what it has done; what comes beyond waits in the file."""
_EACH_BYTES = 1 << 15
"""What one counts at least, be it as short as it may: it was read, too."""


def weight(raw: bytes) -> int:
    """Return what a message counts of those that an action is given ahead."""
    return _EACH_BYTES + len(raw)


class Hands:
    """The jobs that one action was given, in their order; asked by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: deque[Job] = deque()
        self._running: Job | None = None
        self._finished: list[Job] = []
        self._bytes = 0
        self.queued = True
        """Whether something waits in the file too, that is yet to be looked at."""

    def ids(self) -> set[int]:
        """Return the jobs that were given, and are not forgotten or put off."""
        with self._lock:
            running = () if self._running is None else (self._running,)
            return {job.id for job in (*running, *self._finished, *self._given)}

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._given)

    def has_room(self, more_bytes: int) -> bool:
        """Whether so much more may be given."""
        return self._bytes + more_bytes <= _MOST_BYTES

    @property
    def finished(self) -> list[Job]:
        """What was done and is yet to be forgotten by the file."""
        with self._lock:
            return list(self._finished)

    def give(self, job: Job) -> None:
        """Let the action do it, after what it was given before."""
        with self._lock:
            self._given.append(job)
            self._bytes += weight(job.raw)

    def take(self) -> Job | None:
        """Return the next one."""
        with self._lock:
            if not self._given:
                return None
            self._running = self._given.popleft()
            self._bytes -= weight(self._running.raw)
            return self._running

    def begin(self, job: Job) -> None:
        """Note a job that was taken from the file."""
        with self._lock:
            self._running = job

    def over(self, done: bool) -> None:
        """Take back what runs: it is done, or failed and waits in the file."""
        with self._lock:
            if done and self._running is not None:
                self._finished.append(self._running)
            self._running = None

    def back(self, superevent_id: str) -> list[Job]:
        """Take back what runs, for it failed, and what was not begun of its event: that waits in the file."""
        with self._lock:
            self._running, self.queued = None, True
            return self._taken_back(lambda job: job.superevent_id == superevent_id)

    def forget(self, jobs: Iterable[Job]) -> None:
        """Forget what is finished, for the file has."""
        forgotten = {job.id for job in jobs}
        with self._lock:
            self._finished = [job for job in self._finished if job.id not in forgotten]

    def withdraw(self, superevent_id: str) -> list[Job]:
        """Take back what was not begun for an event."""
        with self._lock:
            return self._taken_back(lambda job: job.is_withdrawn_with(superevent_id))

    def _taken_back(self, which: Callable[[Job], bool]) -> list[Job]:
        back = [job for job in self._given if which(job)]
        self._given = deque(job for job in self._given if not which(job))
        self._bytes -= sum(weight(job.raw) for job in back)
        return back
