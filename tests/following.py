"""Snapshots handed to the follow-up's process, and what comes back, kept in its order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from findings import heard

from pipelines.follow import Order
from pipelines.live.followup import FollowUps
from stream.records import Localized, Snapshot, WhitenedSegment
from stream.timebase import NS_PER_S

SCRIPTED = "followers:Scripted"


def snapshot(statistic: float = 12.0, far_hz: float = 1e-8, after_s: int = 0) -> Snapshot:
    candidate = heard(after_s * NS_PER_S, statistic, far_hz)
    strain = WhitenedSegment("H1", candidate.gps_ns - NS_PER_S, 2048, np.zeros(2048, np.float32), np.ones(16, np.bool_))
    return Snapshot(candidate, (strain,))


@dataclass(slots=True)
class Answers:
    """What was found, in its order."""

    found: list[Localized] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, _: Snapshot, localized: Localized) -> None:
        with self._changed:
            self.found.append(localized)
            self._changed.notify_all()

    def first(self, count: int) -> list[Localized]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.found) >= count, 60), self.found
            return self.found[:count]

    @property
    def why(self) -> list[str | None]:
        return [localized.reasons.get("skymap") for localized in self.found]


@contextmanager
def running(
    answers: Answers, *arguments: object, maker: str = SCRIPTED, queue: int = 16, timeout_s: float = 20.0
) -> Iterator[FollowUps]:
    with FollowUps(lambda: Order(maker, arguments, timeout_s), answers.take, queue) as follow:
        yield follow


def stop(follow: FollowUps) -> int:
    """Let its process stand still, once it is ready, and return its id: what it is handed stays in its hand."""
    assert until(lambda: follow.state == "ready")
    assert follow._process is not None
    os.kill(follow._process.pid, signal.SIGSTOP)
    return follow._process.pid


def until(so: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + 60
    while not so() and time.monotonic() < end_s:
        time.sleep(0.01)
    return so()
