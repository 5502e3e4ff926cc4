"""The follow-up beside the search: snapshots in, sky map and class out, made by a process of its own.

1. The search hands a snapshot over and goes on (:meth:`FollowUps.submit`).
2. A thread gives the process the loudest that waits, the lowest false-alarm rate first, and hands its answer on.
3. What overflows the queue, raises, takes too long or kills its process twice is answered too: nothing found, and why.
   The process is then started again; so is one that ends with nothing to do.

The process makes its follower once, at its start, and again for another network, once that has been promoted.
"""

from __future__ import annotations

import heapq
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Self

import structlog

from pipelines.follow import LENGTH, START_S, Answer, Order, packed
from stream import child, metrics
from stream.records import Localized, Snapshot
from stream.superevent import not_found
from stream.timebase import ns_to_gps_s

log = structlog.get_logger()
_CLOSE_S = 2.0
_KILL_S = 3.0
"""Longest time from the killing of the process to the end of its thread."""
_LOOK_S = 1.0
"""How often an idle thread looks whether another network is live, and its process too."""
_BACK_OFF_S = (0.0, 1.0, 5.0, 20.0)


@dataclass(frozen=True, slots=True, order=True)
class _Work:
    """A snapshot that waits, in the order in which they are taken: lowest FAR, then highest statistic, then oldest."""

    far_hz: float
    less_loud: float
    number: int
    snapshot: Snapshot = field(compare=False)
    order: Order = field(compare=False)
    is_again: bool = field(default=False, compare=False)


class FollowUps:
    """Follow candidates up, one after another, in a process beside this one.

    Parameters
    ----------
    order : callable
        What the process is made of, now; asked again and again.
    found : callable
        Told of each snapshot's answer, in a thread of its own or in that of :meth:`submit`. It gets the snapshot and
        the answer, whose candidate is the very one that was handed over.
    queue : int
        Most snapshots that wait.
    what : str
        Its name in metrics and logs.
    """

    def __init__(
        self, order: Callable[[], Order], found: Callable[[Snapshot, Localized], None], queue: int, what: str = "map"
    ) -> None:  # fmt: skip
        self._order = order
        self._found = found
        self._queue = queue
        self._what = what
        self._waiting: list[_Work] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._ending = False
        self._process: child.Child | None = None
        self._made_of: Order | None = None
        self._in_hand: _Work | None = None
        self._unable: str | None = None
        self._failures = 0
        self.state = "starting"
        self._thread = threading.Thread(target=self._run, name=f"follow-up-{what}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def submit(self, snapshot: Snapshot) -> None:
        """Hand a snapshot over; returns at once.

        If too many wait, the least loud of them all is answered here and now.
        """
        candidate = snapshot.candidate
        work = _Work(candidate.far_hz, -candidate.peak.statistic, next(self._numbers), snapshot, self._order())
        with self._changed:
            heapq.heappush(self._waiting, work)
            left = max(self._waiting) if len(self._waiting) > self._queue else None
            if left is not None:
                self._waiting.remove(left)
                heapq.heapify(self._waiting)
            self._changed.notify_all()
        if left is not None:
            metrics.FOLLOWUP_DROPPED.labels(self._what).inc()
            self._answer(left, f"not made: {self._queue} louder candidates waited for theirs")

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Finish what waits if that takes no longer, then end thread and process; the rest is answered with that.

        A thread that does not end then, for whoever takes its answers does not return, is left behind with a warning.
        """
        with self._changed:
            self._ending = True
            has_work = bool(self._waiting) or self._in_hand is not None
            self._changed.notify_all()
        self._thread.join(timeout_s if has_work else _LOOK_S / 10)
        until_s = time.monotonic() + _KILL_S
        while self._thread.is_alive() and time.monotonic() < until_s:
            process = self._process
            if process is not None:
                process.kill()  # its answer is waited for no longer
            self._thread.join(_LOOK_S / 10)
        if self._thread.is_alive():
            log.warning("follow_up_left", what=self._what, effect="who takes its answers does not return")

    # -- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Keep a process ready, and give it the loudest that waits, until told to end."""
        while not self._ending or (self._waiting and self._process is not None):
            try:
                self._keep_ready()
                if (work := self._next()) is not None:
                    self._follow(work)
            except Exception as error:  # a supervisor: unpickling raises anything, as when the program was replaced
                self._lost(error)
            self._in_hand = None
        self._end()
        self._answer_all("not made: the daemon ended")

    def _keep_ready(self) -> None:
        """Start a process where there is none of the present order.

        Raises
        ------
        OSError, EOFError, TimeoutError
            If it is not ready in its time.
        """
        order = self._order()
        if self._process is not None and self._process.poll() is not None:
            self._say("died", f"it ended with {self._process.returncode}", None, "it is started again")
            self._end()
        if order == self._made_of and (self._process is not None or self._unable is not None):
            return
        self._end()
        if order == self._made_of:
            metrics.FOLLOWUP_RESTARTS.labels(self._what).inc()
        self._made_of, self._unable = order, None
        self.state = "starting"
        self._process = child.start("pipelines.live.followup_child")
        answer = self._ask(order, START_S)
        if answer.kind == "unable":
            self._unable = self.state = answer.why
            log.warning("follow_up_unable", what=self._what, why=answer.why, effect="alerts leave without it")
            self._end()
        else:
            self.state = "ready"
            log.info("follow_up_ready", what=self._what)

    def _next(self) -> _Work | None:
        """Return the loudest that waits, waiting for one a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending, _LOOK_S)
            self._in_hand = heapq.heappop(self._waiting) if self._waiting else None
            return self._in_hand

    def _follow(self, work: _Work) -> None:
        """Have one candidate followed up, and hand on what was found."""
        if self._unable is not None or self._made_of is None:
            self._answer(work, f"not made: {self._unable}")
            return
        began_s = time.monotonic()
        snapshot = work.snapshot if work.order == self._made_of else _without_template(work.snapshot)
        answer = self._ask(snapshot, self._made_of.timeout_s)
        metrics.FOLLOWUP_SECONDS.labels(self._what).observe(time.monotonic() - began_s)
        self._failures = 0
        if answer.found is not None:
            self._hand_on(work, answer.found)
        else:
            self._say("raised", answer.why, work)
            self._answer(work, f"not made: {answer.why}")

    def _ask(self, record: object, timeout_s: float) -> Answer:
        assert self._process is not None
        deadline_s = time.monotonic() + timeout_s
        child.send(self._process, packed(record), deadline_s)
        (size,) = LENGTH.unpack(child.receive(self._process, LENGTH.size, deadline_s))
        answer = pickle.loads(child.receive(self._process, size, deadline_s))
        assert isinstance(answer, Answer)
        return answer

    def _lost(self, error: Exception) -> None:
        """Make an end of a process that is gone or hangs, and answer what it had; the next one is not started at once.

        One that is gone need not have died of what it had: that waits again, once. One that was not even ready had all
        that waits.
        """
        hung, made_of = isinstance(error, TimeoutError), self._made_of
        why = f"not made within {made_of.timeout_s:g} s" if hung and made_of else "not made: its process ended"
        work, self._in_hand = self._in_hand, None
        self._end()
        self._failures += 1
        self.state = "restarting"
        is_gone = isinstance(error, OSError | EOFError) and not hung
        if work is not None and is_gone and not work.is_again and not self._ending:
            self._say("died", repr(error), work, "another process is asked")
            with self._changed:
                heapq.heappush(self._waiting, replace(work, is_again=True))
        else:
            self._say("hung" if hung else "died", repr(error), work)
            if work is not None:
                self._answer(work, why)
            else:
                self._answer_all("not made: its process does not start")
        with self._changed:
            self._changed.wait_for(lambda: self._ending, _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S)) - 1])

    def _say(self, fault: str, why: str, work: _Work | None, effect: str = "its alert says so") -> None:
        metrics.FOLLOWUP_FAILURES.labels(self._what, fault).inc()
        gps = None if work is None else ns_to_gps_s(work.snapshot.candidate.gps_ns)
        log.error("follow_up_failed", what=self._what, fault=fault, gps=gps, error=why, effect=effect)

    def _answer_all(self, why: str) -> None:
        while self._waiting:
            with self._changed:
                work = heapq.heappop(self._waiting)
            self._answer(work, why)

    def _answer(self, work: _Work, why: str) -> None:
        self._hand_on(work, not_found(work.snapshot.candidate, why))

    def _hand_on(self, work: _Work, found: Localized) -> None:
        try:
            self._found(work.snapshot, replace(found, candidate=work.snapshot.candidate))
        except Exception as error:  # a supervisor: whoever takes it has died, and says so elsewhere
            log.error("follow_up_not_taken", what=self._what, error=repr(error))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            child.end(process)


def _without_template(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot of another network's candidate: a template's number means nothing in this one's bank."""
    candidate = snapshot.candidate
    return replace(snapshot, candidate=replace(candidate, peak=replace(candidate.peak, template=None)))
