"""A thread for each action: takes what is due from its queue, does it, tries again later, and gives up in the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from pipelines.subscribe.actions.action import Action, Call
from pipelines.subscribe.hands import Hands
from pipelines.subscribe.queue import FARTHEST_NS, Job, Queue
from stream.errors import ActionFailed, DataError, StateError
from stream.text import clean

log = structlog.get_logger()
_FIRST_S, _LONGEST_S = 1.0, 300.0
_IDLE_S = 1.0
_MOST_FILES = 400
_STUCK_S = 5.0


@dataclass(frozen=True, slots=True)
class Doing:
    """An action, and the age at which what it could not do is given up."""

    action: Action
    give_up_s: float = 3600.0


def backoff_s(attempt: int) -> float:
    """Return how long after its ``attempt``-th failure a job is tried again: 1, 2, 4 … at most 300 s."""
    return float(min(_FIRST_S * 2.0 ** min(attempt - 1, 30), _LONGEST_S))


class Worker:
    """Do the jobs of one action; :meth:`step` does one, the thread calls it.

    Parameters
    ----------
    name : str
    doing : Doing
    queue : Queue
    unix_ns : callable
    hands : Hands, optional
        What it is given at once.
    """

    def __init__(
        self, name: str, doing: Doing, queue: Queue, unix_ns: Callable[[], int] = time.time_ns,
        hands: Hands | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.hands = Hands() if hands is None else hands
        self._due_ns: int | None = None
        self._is_given = hands is not None
        self._doing, self._queue, self._unix_ns = doing, queue, unix_ns
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.done = self.failed = self.dead = 0
        self.fails = False
        self._begun_s: float | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._work, name=f"action-{self.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Do what was given, or queued."""
        self._wake.set()

    def look(self) -> None:
        """Look at the queue in the file now."""
        self.hands.queued = True
        self._wake.set()

    def end(self) -> None:
        """Take nothing more up."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for what runs now; whether it has ended."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    @property
    def kind(self) -> str:
        """That of its action."""
        return self._doing.action.kind

    @property
    def hangs(self) -> bool:
        """Whether what runs now takes long, as a file on a disk that answers no more."""
        begun_s = self._begun_s
        return begun_s is not None and time.monotonic() - begun_s > _STUCK_S

    def cancel(self) -> None:
        """End what runs now."""
        self._doing.action.cancel()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                if not self.step():
                    self._rest()
            except StateError as error:
                log.error("action_queue_failed", action=self.name, error=str(error), remedy="see --state")
                self._stop.wait(_IDLE_S)
        self._settle()

    def _settle(self) -> None:
        """Write down what was done last."""
        with suppress(StateError):  # then it is done once more, under the same key
            self.hands.forget([job for job in self.hands.finished if self._queue.done(job)])

    def _rest(self) -> None:
        """Wait until something is queued, or what was put off is due."""
        due_ns = self._due_ns
        wait_s = _IDLE_S if due_ns is None else min(_IDLE_S, max(0.01, (due_ns - self._unix_ns()) / 1e9))
        if not self._wake.wait(wait_s):
            self.hands.queued = True  # somebody else may have written
        self._wake.clear()

    def step(self) -> bool:
        """Do one job; whether there was one."""
        if self.hands.queued and self.hands.finished:
            self._settle()  # the file has it: whoever is killed meanwhile does it again
        job = self.hands.take() or self._queued()
        if job is None:
            return False
        done = False
        try:
            done = self._does(job)
        finally:
            self.hands.over(done)
        return True

    def _queued(self) -> Job | None:
        """Return the next job of the queue, if it has one as far as is known."""
        now_ns = self._unix_ns()
        is_due = self._due_ns is not None and not now_ns < self._due_ns <= now_ns + FARTHEST_NS
        if self._is_given and not (is_due or self.hands.queued):
            return None  # whoever is given nothing looks each time
        self.hands.queued = False
        job = self._queue.take(self.name, now_ns, self.hands)
        if job is None:
            self._due_ns = self._queue.next_due_ns(self.name)
            return None
        self.hands.begin(job)
        self.hands.queued = True
        return job

    def _does(self, job: Job) -> bool:
        """Do a job; whether it is done."""
        self._begun_s = time.monotonic()
        try:
            self._doing.action.run(Call.of(job))
        except ActionFailed as error:
            self._failed(job, clean(str(error)))
        except StateError:
            raise
        except DataError as error:  # the state file holds what cannot be read any more
            self._give_up(job, clean(repr(error)))
        except Exception as error:  # a supervisor: whatever one alert brings up, the action goes on
            self._failed(job, clean(repr(error)))
        else:
            self.done += 1
            self.fails = False
            return True
        finally:
            self._begun_s = None
        return False

    def _failed(self, job: Job, error: str) -> None:
        self.fails = True
        now_ns = self._unix_ns()
        next_ns = now_ns + round(backoff_s(job.attempt) * 1e9)
        if self._stop.is_set():  # it was ended by us: no failure of its own
            self._queue.again(job, error, now_ns, self.hands)
            return
        if next_ns - job.first_ns > self._doing.give_up_s * 1e9:
            self._give_up(job, error)
            return
        self.failed += 1
        log.warning(
            "action_failed", action=self.name, superevent_id=clean(job.superevent_id, 64), attempt=job.attempt,
            error=error, again_s=backoff_s(job.attempt),
        )  # fmt: skip
        self._queue.again(job, error, next_ns, self.hands)
        self._due_ns = next_ns if self._due_ns is None else min(self._due_ns, next_ns)

    def _give_up(self, job: Job, error: str) -> None:
        self.dead += 1
        log.error(
            "action_given_up", action=self.name, superevent_id=clean(job.superevent_id, 64), attempts=job.attempt,
            error=error, remedy="look at `tocsin alerts dead`",
        )  # fmt: skip
        self._queue.give_up(job, error, self._unix_ns())


class Workers:
    """The threads of a subscription's actions; a context manager.

    Parameters
    ----------
    doings : mapping of str to Doing
    queue : Queue
    finish_s : float
        How long what runs at the end may take, and what is due.
    hands : mapping of str to Hands, optional
        What they are given at once.
    """

    def __init__(
        self, doings: Mapping[str, Doing], queue: Queue, finish_s: float = 10.0,
        hands: Mapping[str, Hands] | None = None,
    ) -> None:  # fmt: skip
        self._queue = queue
        self._finish_s = finish_s
        given = hands or {}
        self._workers = {name: Worker(name, doing, queue, hands=given.get(name)) for name, doing in doings.items()}

    @property
    def dead(self) -> int:
        """How many jobs were given up."""
        return sum(worker.dead for worker in self._workers.values())

    def ready(self) -> bool:
        """Whether more may be read: files are written as fast as alerts are read, unless their disk fails or hangs.

        Whoever reads a topic from its beginning would else queue all of it. No other action is ever waited for.
        """
        files = [one for one in self._workers.values() if one.kind == "file" and not (one.fails or one.hangs)]
        if not files:
            return True
        waiting = self._queue.waiting()
        return all(waiting.get(worker.name, 0) < _MOST_FILES for worker in files)

    def wake(self, actions: Iterable[str]) -> None:
        """Tell the actions that they have something to do."""
        for name in actions:
            if name in self._workers:
                self._workers[name].wake()

    def __enter__(self) -> Workers:
        """Begin, with what an earlier process left too."""
        for worker in self._workers.values():
            worker.start()
        lost = {name: count for name, count in self._queue.waiting().items() if name not in self._workers}
        if lost:
            log.warning("jobs_without_action", waiting=lost, hint="the action has another name now, or is gone")
        return self

    def __exit__(self, *_: object) -> None:
        """Do what is due within the time, end what takes longer, and leave the rest in the file."""
        deadline_s = time.monotonic() + self._finish_s
        self._finish(deadline_s)
        for worker in self._workers.values():
            worker.end()
        for worker in self._workers.values():
            if not worker.join(max(0.0, deadline_s - time.monotonic())):
                worker.cancel()
                worker.join(self._finish_s)

    def _finish(self, deadline_s: float) -> None:
        """Wait while something is due that can still be done."""
        while time.monotonic() < deadline_s:
            for worker in self._workers.values():
                worker.look()
            due = [self._queue.next_due_ns(name) for name in self._workers]
            given = any(worker.hands for worker in self._workers.values())
            if not given and all(ns is None or ns > time.time_ns() for ns in due):
                return
            time.sleep(0.01)
