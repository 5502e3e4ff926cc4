"""Time slides of an encoded stretch, dense or sparse.

Dense, the head ranks every frame. Sparse, it ranks only frames that can matter: the statistic is the sum of what each
detector says alone and of the pairs' terms, so that a frame can pass a threshold only if the singles' sum is within
the largest pair term of it. That largest term is measured on the dense slides; a sparse run says how much room it left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from stream.detect import Head
from stream.records import QUIET
from stream.significance.events import loudest_apart
from stream.significance.slides import rank_slides
from stream.superevent import SAME_EVENT_NS
from stream.timebase import NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray, IntArray

LAG_S = 2
"""Slides differ by this much: more than the second in which two peaks are one event."""


_LOUD_FRAMES = 1000


@dataclass(frozen=True, slots=True)
class Slid:
    """Events of one slide of a set, or of several.

    Attributes
    ----------
    duration_s : float
    events : array of float64, shape (n,)
    loud : array of float64, shape (2, n)
        Dense: statistic of the loudest frames, and what of it the pairs' terms are.
    room : float
        Sparse: how far above the least sum of singles that was looked at the lowest frame stood that passed the
        threshold. Nothing was lost while it is positive.
    """

    duration_s: float
    events: FloatArray
    loud: FloatArray = field(default_factory=lambda: np.zeros((2, 0)))
    room: float = np.inf

    @classmethod
    def joined(cls, slides: Sequence[Slid]) -> Slid:
        """Put slides together."""
        return cls(
            sum(s.duration_s for s in slides),
            np.concatenate([s.events for s in slides]),
            np.concatenate([s.loud for s in slides], axis=1),
            min(s.room for s in slides),
        )


class Stretch:
    """One encoded stretch, for slides in a ring.

    Parameters
    ----------
    head : Head
    frames : array of float32, shape (n_detectors, n_frames, dim + 1)
    valid : array of bool, shape (n_detectors, n_frames)
    rate_hz : int
        Frames a second.
    """

    def __init__(self, head: Head, frames: Float32Array, valid: BoolArray, rate_hz: int) -> None:
        self._head = head
        self._rate = rate_hz
        whole = frames.shape[1] // rate_hz * rate_hz
        self._frames, self._valid = frames[:, :whole], valid[:, :whole]
        heard: BoolArray = np.stack([np.roll(self._valid, k, axis=1) for k in range(head.context + 1)]).min(axis=0)
        heard[:, : head.context] = False
        self._singles = np.where(heard, self._frames[:, :, -1], np.float32(QUIET))
        self._heard = heard
        self._above: dict[tuple[int, float], IntArray] = {}
        self._apart = SAME_EVENT_NS * rate_hz // NS_PER_S

    def lags(self, members: Sequence[int]) -> list[int]:
        """Return the slides of a set, as the step in seconds from one detector to the next."""
        seconds = self._frames.shape[1] // self._rate
        steps = range(LAG_S, seconds, LAG_S)
        apart = range(1, len(members))
        return [s for s in steps if all(min(k * s % seconds, -k * s % seconds) >= LAG_S for k in apart)]

    def single(self, detector: int) -> Slid:
        """Return one detector's own events: it cannot be slid."""
        heard = self._heard[detector]
        events = self._events(np.flatnonzero(heard), self._singles[detector, heard].astype(np.float64))
        return Slid(float(heard.sum()) / self._rate, events)

    def dense(self, members: Sequence[int], lag_s: int) -> Slid:
        """Rank every frame of one slide."""
        context = self._head.context
        shifts = [k * lag_s * self._rate for k in range(len(members))]
        frames = np.stack([np.roll(self._frames[d], s, axis=0) for d, s in zip(members, shifts, strict=True)])
        heard = np.stack([np.roll(self._heard[d], s) for d, s in zip(members, shifts, strict=True)])
        ranked, _ = rank_slides(self._head, frames[None], np.ones((1, *heard.shape), np.bool_))
        at = np.flatnonzero(heard[:, context:].all(axis=0))
        statistic, terms = ranked[0, at], (ranked[0] - frames[:, context:, -1].sum(axis=0))[at]
        loudest = np.argsort(statistic)[-_LOUD_FRAMES:]
        loud = np.stack((statistic[loudest], terms[loudest]))
        return Slid(len(at) / self._rate, self._events(at + context, statistic), loud)

    def sparse(self, members: Sequence[int], lag_s: int, threshold: float, least: float) -> Slid:
        """Rank the frames of one slide whose singles' sum is at least ``least``; keep what passes the threshold."""
        n = self._frames.shape[1]
        shifts = [k * lag_s * self._rate % n for k in range(len(members))]
        heard = np.ones(n, np.bool_)
        for d, shift in zip(members, shifts, strict=True):
            heard[shift:] &= self._heard[d, : n - shift]
            heard[:shift] &= self._heard[d, n - shift :]
        # Where the sum is large enough, one detector at least is above its share of it: few frames are.
        share = least / len(members)
        high = [self._frames_above(d, share) + s for d, s in zip(members, shifts, strict=True)]
        at = np.unique(np.concatenate(high) % n)
        total = np.sum([self._singles[d, (at - s) % n] for d, s in zip(members, shifts, strict=True)], axis=0)
        at, total = at[total >= least], total[total >= least]  # one that was not heard is far below
        statistic = total.astype(np.float64)
        window = np.arange(-self._head.context, 1)
        parts = [
            self._frames[d, (at[:, None] - shift + window) % n, :-1] for d, shift in zip(members, shifts, strict=True)
        ]
        if len(at):
            for a, b in combinations(parts, 2):
                statistic += self._head.coincidence(a, b)[:, 0]
        loud = statistic >= threshold
        room = float(total[loud].min()) - least if loud.any() else np.inf
        return Slid(float(heard.sum()) / self._rate, self._events(at[loud], statistic[loud]), room=room)

    def _frames_above(self, detector: int, share: float) -> IntArray:
        """Return the frames in which one detector's statistic is so high; every slide asks the same."""
        if (detector, share) not in self._above:
            self._above[detector, share] = np.flatnonzero(self._singles[detector] >= share)
        return self._above[detector, share]

    def _events(self, at: IntArray, statistic: FloatArray) -> FloatArray:
        return loudest_apart(at, statistic, self._rate, self._apart)
