"""Live time slides of triggers: years of background a day, made beside the loop.

Triggers are gathered in blocks of the GPS grid. When a block is complete, and no candidate can come any more that
reaches back into it, another thread slides it by every whole second in it (:mod:`stream.significance.trigger_slides`),
every set of detectors by itself. What it finds counts from a fixed time of the data on, ready or waited for: any
cutting of the stream, live or replayed, gives the same false-alarm rates. A detector alone cannot be slid: what the
ranking told of it counts in its own time.

A candidate takes no part: whoever finds one says so with :meth:`TriggerSlides.exclude`, and all detectors' triggers
round it are left out, whether it was a signal or a glitch that rang.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from stream.detect.ranking import Events, Ranking
from stream.records import Triggers
from stream.settings import SignificanceSettings
from stream.significance.classes import alone, coincident
from stream.significance.rolling import EVERYTHING, KEPT_IN_PART, RollingCounts
from stream.significance.trigger_slides import SlideConfig, loudest_of_each, slide_triggers, without
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import FloatArray, IntArray

BLOCK_S = 512
COUNTED_S = 128
"""What a block holds counts from so long after its end."""

LEAST = -4.0
"""Quieter coincidences are not looked for: they come every few minutes, and ring nowhere."""

_BEFORE_NS, _AFTER_NS = 8 * NS_PER_S, 4 * NS_PER_S
"""Round a merger of network SNR 30 templates trigger for so long."""

_TOLD_NS = NS_PER_S
"""When triggers up to a time have been ranked, no more events come whose merger is this long before it."""


@dataclass(frozen=True, slots=True)
class _Lone:
    """Events that one detector heard alone: when, how loud, and which of the detectors."""

    time_ns: IntArray
    statistic: FloatArray
    detector: IntArray

    @classmethod
    def of(cls, events: Events) -> _Lone:
        rows = np.flatnonzero(events.loudest.seen.members.sum(axis=1) == 1)
        detector = events.loudest.seen.members[rows].argmax(axis=1) if len(rows) else np.zeros(0, np.int64)
        return cls(events.time_ns[rows], events.statistic[rows], detector)

    @classmethod
    def joined(cls, parts: Sequence[_Lone]) -> _Lone:
        time_ns, statistic, detector = (
            np.concatenate([getattr(p, name) for p in parts]) for name in ("time_ns", "statistic", "detector")
        )
        return cls(time_ns, statistic, detector)

    def take(self, rows: IntArray) -> _Lone:
        return _Lone(self.time_ns[rows], self.statistic[rows], self.detector[rows])


@dataclass(frozen=True, slots=True)
class _Block:
    triggers: tuple[Triggers, ...]
    lone: _Lone
    excluded: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Counted:
    """Background of one class."""

    key: tuple[str, ...]
    statistic: FloatArray
    duration_s: float
    complete_above: float


@dataclass(frozen=True, slots=True)
class _Due:
    at_ns: int
    block_end_ns: int
    counted: Future[list[_Counted]]


class TriggerSlides:
    """Accumulate background from the run's own triggers.

    Parameters
    ----------
    ranking : Ranking
        As the search ranks.
    settings : SignificanceSettings
        With ``slides`` 0 nothing is counted; any other number stands for all there are.
    """

    kept = KEPT_IN_PART
    least = LEAST
    block_s, counted_s = BLOCK_S, COUNTED_S

    def __init__(self, ranking: Ranking, settings: SignificanceSettings) -> None:
        self.counts: dict[tuple[str, ...], RollingCounts] = {}
        self._ranking = ranking
        self._window_s = settings.live_window_s
        self._counts_nothing = settings.slides == 0
        self._next_ns: int | None = None
        self._until_ns = 0
        self._pending: list[tuple[Triggers, ...]] = []
        self._lone: list[_Lone] = []
        self._excluded: list[int] = []
        self._due: deque[_Due] = deque()
        self._executor = ThreadPoolExecutor(1, "slides")

    def add(self, triggers: Sequence[Triggers], events: Events) -> None:
        """Take one span: its triggers, one :class:`Triggers` per detector, and the events that it settled."""
        if self._counts_nothing:
            return
        start_ns, end_ns = triggers[0].gps_ns, triggers[0].gps_ns + triggers[0].duration_ns
        if start_ns != self._next_ns:
            self._begin(start_ns)
        self._next_ns = end_ns
        self._pending.append(tuple(triggers))
        self._lone.append(_Lone.of(events))
        while end_ns >= self._until_ns + _BEFORE_NS + _TOLD_NS:
            self._close_block()
        self._count(end_ns - _TOLD_NS)

    def exclude(self, gps_ns: int) -> None:
        """Remove what a signal with this merger time may have raised; told before its span is added."""
        if not self._counts_nothing:
            self._excluded.append(gps_ns)

    def counts_at(self, gps_ns: int) -> Mapping[tuple[str, ...], RollingCounts]:
        """Return what counts for a peak at a time; peaks are asked for in the order of time."""
        self._count(gps_ns)
        return self.counts

    def take_up(self, counts: Mapping[tuple[str, ...], RollingCounts]) -> None:
        """Go on from counts of an earlier run, under this run's window."""
        for key, known in counts.items():
            self.counts[key] = self._empty(self.least if _is_slid(key) else EVERYTHING, known)

    def close(self) -> None:
        """End the thread; what it is making is waited for and lost."""
        self._executor.shutdown(cancel_futures=True)

    def _begin(self, start_ns: int) -> None:
        """Begin anew where the data jumped: what waits is of another time and is dropped, what is being made counts."""
        self._pending, self._lone = [], []
        block_ns = self.block_s * NS_PER_S
        self._until_ns = (start_ns // block_ns + 1) * block_ns
        if self._due:
            self._count(self._due[-1].at_ns)
        self._forget(start_ns)

    def _close_block(self) -> None:
        """Hand the pending data before the block's end to the thread; keep the rest."""
        whole = [Triggers.joined(spans) for spans in zip(*self._pending, strict=True)]
        hops = -((whole[0].gps_ns - self._until_ns) // HOP_NS)
        end_ns = whole[0].gps_ns + hops * HOP_NS
        lone = _Lone.joined(self._lone)
        excluded = tuple((at_ns - _BEFORE_NS, at_ns + _AFTER_NS) for at_ns in self._excluded)
        block = _Block(tuple(t.cut(0, hops) for t in whole), lone.take(np.flatnonzero(lone.time_ns < end_ns)), excluded)
        counted = self._executor.submit(_counted, block, self._ranking, SlideConfig(self.least, self.block_s - 1))
        self._due.append(_Due(self._until_ns + self.counted_s * NS_PER_S, self._until_ns, counted))
        self._pending = [tuple(t.cut(hops, len(t.valid)) for t in whole)]
        self._lone = [lone.take(np.flatnonzero(lone.time_ns >= end_ns))]
        self._excluded = [at_ns for at_ns in self._excluded if at_ns + _AFTER_NS >= end_ns]
        self._until_ns += self.block_s * NS_PER_S

    def _count(self, gps_ns: int) -> None:
        """Count what is due at a time of the data."""
        while self._due and self._due[0].at_ns <= gps_ns:
            due = self._due.popleft()
            for one in due.counted.result():
                if one.key not in self.counts:
                    self.counts[one.key] = self._empty(one.complete_above)
                self.counts[one.key].add(one.statistic.tolist(), one.duration_s, due.block_end_ns)
            self._forget(due.block_end_ns)

    def _forget(self, gps_ns: int) -> None:
        """Let go of what is older than the window at a time of the data, of sets too that are heard no more."""
        for counts in self.counts.values():
            counts.add((), 0.0, gps_ns)

    def _empty(self, complete_above: float, known: RollingCounts | None = None) -> RollingCounts:
        parts = known.parts if known is not None else ()
        return RollingCounts(self._window_s, parts, self.kept, complete_above=complete_above)


def _is_slid(key: tuple[str, ...]) -> bool:
    return len(key) > 1


def _counted(block: _Block, ranking: Ranking, config: SlideConfig) -> list[_Counted]:
    """Return the background of a block: of each set of detectors, and of each detector alone."""
    heard = [without(t, block.excluded) for t in block.triggers]
    hearing = [t for t in heard if t.valid.any()]
    found = []
    for size in range(2, len(hearing) + 1):
        for together in combinations(hearing, size):
            slid = slide_triggers(together, ranking, config)
            if slid.live_ns:
                key = coincident([t.detector for t in together]).key
                found.append(_Counted(key, slid.statistic, slid.live_ns / NS_PER_S, config.least))
    return found + _alone(heard, block.lone)


def _alone(heard: Sequence[Triggers], lone: _Lone) -> list[_Counted]:
    """Return what each detector heard alone, for each set that could have."""
    pattern = (1 << np.arange(len(heard))) @ np.stack([t.valid for t in heard])
    at = pattern[np.clip((lone.time_ns - heard[0].gps_ns) // HOP_NS, 0, len(pattern) - 1)]
    found = []
    for of in np.unique(pattern[pattern > 0]).tolist():
        names = [t.detector for d, t in enumerate(heard) if of >> d & 1]
        duration_s = int(np.count_nonzero(pattern == of)) * HOP_NS / NS_PER_S
        for d, own in enumerate(heard):
            if of >> d & 1:
                mine = lone.take(np.flatnonzero((at == of) & (lone.detector == d)))
                loudest = mine.statistic[loudest_of_each(np.zeros_like(mine.time_ns), mine.time_ns, mine.statistic)]
                key = (alone(own.detector, names) if len(names) > 1 else coincident(names)).key
                found.append(_Counted(key, loudest, duration_s, EVERYTHING))
    return found
