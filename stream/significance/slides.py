"""Live time slides: what the network says of noise that cannot be coincident.

The embeddings of the last minutes are kept. Each new second of every detector but the first is paired again
with itself, and those of the others are shifted by whole seconds, a different multiple for each: no signal
crosses the Earth in a second, so whatever peaks is chance. Only the head runs.

A candidate takes no part: whoever finds one says so with :meth:`LiveSlides.exclude`, and what a signal does to the
network's output is removed round it. A second is therefore slid only when no candidate can come any more that reaches
back into it. What is removed is gone from the background whether it was a signal or a glitch that rang.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np

from stream.detect.head import Head
from stream.infer.model import ModelCard
from stream.records import QUIET, Embeddings
from stream.settings import DetectSettings, Settings
from stream.significance.rolling import KEPT_IN_PART, RollingCounts
from stream.superevent import SAME_EVENT_NS
from stream.timebase import NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray, IntArray

_HEARD_BEFORE_NS = 2 * NS_PER_S
"""How long before its merger a signal raises the network's output: 0.1 s for 15 to 60 solar masses, 1.9 s for 5 to 10
(network SNR 30, single statistic up by 0.5 and above -3). At SNR 100 the lightest are heard 7 s before: what rings is
a candidate of its own."""


@dataclass(frozen=True, slots=True)
class SignalReach:
    """What a signal does to the network's output, and how late it is known.

    Attributes
    ----------
    before_ns, after_ns : int
        The output is raised from ``before_ns`` before the merger until ``after_ns`` after it.
    known_ns : int
        When data up to a time have been searched, no more candidates come whose merger is this long before it.
    """

    before_ns: int
    after_ns: int
    known_ns: int

    @classmethod
    def of(cls, card: ModelCard, detect: DetectSettings) -> SignalReach:
        """Return the reach for a network: it forgets after its context; a peak waits for its confirmation."""
        encoder = card.encoder
        frame_ns = NS_PER_S // encoder.frame_rate_hz
        confirm_frames = max(1, round(detect.confirm_s * encoder.frame_rate_hz))
        return cls(
            before_ns=_HEARD_BEFORE_NS,
            after_ns=encoder.context_samples * NS_PER_S // encoder.input_rate_hz,
            known_ns=(encoder.delay_frames + confirm_frames + 1) * frame_ns,
        )


def rank_slides(head: Head, frames: Float32Array, valid: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Rank slid stretches.

    Parameters
    ----------
    frames : array of float32, shape (n_slides, n_detectors, n_frames + context, dim + 1)
    valid : array of bool, shape (n_slides, n_detectors, n_frames + context)

    Returns
    -------
    statistic : array of float64, shape (n_slides, n_frames)
    heard : array of bool, shape (n_slides, n_frames)
        Where every detector of the set was heard; the statistic is ``QUIET`` elsewhere.
    """
    context = head.context
    heard = np.lib.stride_tricks.sliding_window_view(valid, context + 1, axis=2).min(axis=(1, 3))
    statistic = frames[:, :, context:, -1].sum(axis=1).astype(np.float64)
    for i, j in combinations(range(frames.shape[1]), 2):
        statistic += head.coincidence(frames[:, i, :, :-1], frames[:, j, :, :-1])
    return np.where(heard, statistic, QUIET), heard


class LiveSlides:
    """Accumulate background from the run's own embeddings.

    Parameters
    ----------
    head : Head
    slides : int
        Slides per second of live data; 0 counts nothing.
    frame_rate_hz : int
    reach : SignalReach
    window_s : float
        How much past data the counts cover.
    apart_ns : int
        Peaks of one slide that are no further apart are one event: the loudest counts.
    """

    kept = KEPT_IN_PART

    def __init__(
        self,
        head: Head,
        slides: int,
        frame_rate_hz: int,
        *,
        reach: SignalReach,
        window_s: float,
        apart_ns: int,
    ) -> None:
        self._head = head
        self._slides = slides
        self._rate = frame_rate_hz
        self._reach = reach
        self._window_s = window_s
        self._apart_ns = apart_ns
        self._context_ns = head.context * NS_PER_S // frame_rate_hz
        self._next_ns = 0
        self._pending: list[tuple[Embeddings, ...]] = []
        self._excluded: list[int] = []
        self._seconds: deque[tuple[int, Float32Array, BoolArray]] = deque(maxlen=3 * slides + 2)
        self._detectors: tuple[str, ...] = ()
        self._events: dict[tuple[int, ...], tuple[IntArray, FloatArray]] = {}
        self.counts: dict[tuple[str, ...], RollingCounts] = {}

    @classmethod
    def of(cls, head: Head, card: ModelCard, settings: Settings) -> Self:
        """Make the slides of a search with these settings."""
        return cls(
            head,
            settings.significance.slides,
            card.encoder.frame_rate_hz,
            reach=SignalReach.of(card, settings.detect),
            window_s=settings.significance.live_window_s,
            apart_ns=SAME_EVENT_NS,
        )

    def add(self, embeddings: Sequence[Embeddings]) -> None:
        """Take one span; whole seconds of the GPS grid are slid when no candidate can reach into them any more."""
        if self._slides == 0:
            return
        start_ns = embeddings[0].gps_ns
        if not self._pending or self._end_ns(self._pending[-1][0]) != start_ns:
            self._pending.clear()  # the data jumped
            self._next_ns = -(-(start_ns + self._context_ns) // NS_PER_S) * NS_PER_S
        self._pending.append(tuple(embeddings))
        safe_ns = self._end_ns(embeddings[0]) - self._reach.known_ns - self._reach.before_ns
        if safe_ns >= self._next_ns + NS_PER_S:
            self._complete(safe_ns // NS_PER_S * NS_PER_S)

    def exclude(self, gps_ns: int) -> None:
        """Remove what a signal with this merger time may have raised; told before its span is added."""
        if self._slides == 0:
            return
        self._excluded.append(gps_ns)
        for start_ns, _, valid in self._seconds:
            self._remove(start_ns, valid, gps_ns)

    def counts_at(self, gps_ns: int) -> Mapping[tuple[str, ...], RollingCounts]:
        """Return what counts for a peak at a time: all that was counted."""
        return self.counts

    def take_up(self, counts: dict[tuple[str, ...], RollingCounts]) -> None:
        """Go on from counts of an earlier run, under this run's window."""
        self.counts.update(
            {names: RollingCounts(self._window_s, known.parts, self.kept) for names, known in counts.items()}
        )

    def _end_ns(self, embeddings: Embeddings) -> int:
        return embeddings.gps_ns + len(embeddings.frames) * NS_PER_S // self._rate

    def _remove(self, start_ns: int, valid: BoolArray, gps_ns: int) -> None:
        after_ns = start_ns + np.arange(valid.shape[1]) * NS_PER_S // self._rate - gps_ns
        valid[:, (after_ns >= -self._reach.before_ns) & (after_ns <= self._reach.after_ns)] = False

    def _complete(self, until_ns: int) -> None:
        """Slide the pending seconds before ``until_ns``, each with the head's context before it; keep the rest."""
        self._detectors = tuple(e.detector for e in self._pending[0])
        start_ns = self._pending[0][0].gps_ns
        which = range(len(self._detectors))
        frames = np.stack([np.concatenate([span[d].frames for span in self._pending]) for d in which])
        valid = np.stack([np.concatenate([span[d].valid for span in self._pending]) for d in which])
        for gps_ns in self._excluded:
            self._remove(start_ns, valid, gps_ns)
        while self._next_ns < until_ns:
            first_ns = self._next_ns - self._context_ns
            first = (first_ns - start_ns) * self._rate // NS_PER_S
            piece = slice(first, first + self._head.context + self._rate)
            self._seconds.append((first_ns, frames[:, piece].copy(), valid[:, piece].copy()))
            self._slide(self._next_ns)
            self._next_ns += NS_PER_S
        rest_ns = until_ns - self._context_ns
        rest = (rest_ns - start_ns) * self._rate // NS_PER_S
        left = [Embeddings(self._detectors[d], rest_ns, self._rate, frames[d, rest:], valid[d, rest:]) for d in which]
        self._pending = [tuple(left)]
        self._excluded = [gps_ns for gps_ns in self._excluded if gps_ns + self._reach.after_ns >= rest_ns]

    def _slide(self, second_ns: int) -> None:
        """Rank the newest second, a detector at its own time and the others in the past, for every set."""
        n = len(self._detectors)
        for size in range(1, n + 1):
            for members in combinations(range(n), size):
                self._set(members, second_ns)

    def _set(self, members: tuple[int, ...], second_ns: int) -> None:
        """Rank a set's slides; one detector cannot be slid, its own time counts."""
        newest = len(self._seconds) - 1
        wanted = range(1) if len(members) == 1 else range(1, self._slides + 1)
        lags = [lag for lag in wanted if lag * (len(members) - 1) <= newest]
        if not lags:
            return
        frames = np.stack([[self._seconds[newest - k * lag][1][d] for k, d in enumerate(members)] for lag in lags])
        valid = np.stack([[self._seconds[newest - k * lag][2][d] for k, d in enumerate(members)] for lag in lags])
        statistic, heard = rank_slides(self._head, frames, valid)
        peaks = self._events_of(members, statistic, second_ns)
        names = tuple(sorted(self._detectors[d] for d in members))
        counts = self.counts.setdefault(names, RollingCounts(self._window_s, kept=self.kept))
        counts.add(peaks.tolist(), float(heard.sum()) / self._rate, second_ns)

    def _events_of(self, members: tuple[int, ...], statistic: FloatArray, second_ns: int) -> FloatArray:
        """Return the peaks of past seconds that no louder one follows closely; the newest of each slide wait."""
        n = len(statistic)
        at = statistic.argmax(axis=1)
        peaks = statistic[np.arange(n), at]
        times = second_ns + at * NS_PER_S // self._rate
        before_ns, before = self._events.get(members, (np.zeros(0, np.int64), np.zeros(0)))
        known = len(before)  # slides are added while the minutes fill, and none is taken away
        close = times[:known] - before_ns <= self._apart_ns
        done: FloatArray = before[~close & (before > QUIET)]
        follows = ~close | (peaks[:known] > before)
        self._events[members] = (
            np.concatenate((np.where(follows, times[:known], before_ns), times[known:])),
            np.concatenate((np.where(follows, peaks[:known], before), peaks[known:])),
        )
        return done
