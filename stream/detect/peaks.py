"""Peaks of the ranking statistic, reported as early as they are certain.

A peak is a frame that nothing within the confirmation time before it reaches, and nothing within it after surpasses:
a local maximum, told as soon as it stands. Every one is told, loud or not, so that no small bump hides the event behind
it; which peaks are one event, and which of them counts, is not decided here (:mod:`stream.superevent`).
"""

from __future__ import annotations

import numpy as np

from stream.detect.head import Ranked
from stream.records import QUIET, Peak
from stream.settings import DetectSettings
from stream.timebase import samples_to_ns
from stream.types import BoolArray, FloatArray


class PeakFinder:
    """Find peaks in a stream of :class:`Ranked`.

    Its state is one pending peak and the statistic of the last confirmation time. Two peaks are at least that far
    apart, and none is below ``detect.min_statistic``: there are ten a second at most.

    Parameters
    ----------
    settings : DetectSettings
    frame_rate_hz : int
    delay_frames : int
        Frames from the one that holds the merger to the one that peaks (model card).
    """

    def __init__(self, settings: DetectSettings, frame_rate_hz: int, delay_frames: int) -> None:
        self._minimum = settings.min_statistic
        self._confirm = max(1, round(settings.confirm_s * frame_rate_hz))
        self._rate = frame_rate_hz
        self._delay = delay_frames
        self._pending: tuple[int, Peak] | None = None
        self._next = 0
        self._before: FloatArray = np.full(self._confirm, QUIET)

    def step(self, ranked: Ranked) -> list[Peak]:
        """Return the peaks that these frames confirm."""
        first = (ranked.gps_ns * self._rate + 500_000_000) // 1_000_000_000
        found: list[Peak] = []
        interesting = np.flatnonzero((ranked.statistic > self._minimum) & self._is_higher(ranked.statistic, first))
        for k in [*interesting, len(ranked.statistic)]:
            # Before looking at frame k: everything up to it was no higher than what is pending.
            last_seen = first + int(k) - 1
            if self._pending is not None and last_seen - self._pending[0] >= self._confirm:
                found.append(self._pending[1])
                self._pending = None
            if k < len(ranked.statistic):
                self._pending = (first + int(k), self._peak(ranked, int(k), first + int(k)))
        return found

    def _is_higher(self, statistic: FloatArray, first: int) -> BoolArray:
        """Return which frames are higher than all of the confirmation time before them; remember the last ones."""
        before = self._before if first == self._next else np.full(self._confirm, QUIET)
        frames = np.concatenate([before, statistic])
        self._next, self._before = first + len(statistic), frames[-self._confirm :]
        highest = np.lib.stride_tricks.sliding_window_view(frames[:-1], self._confirm).max(axis=1)
        higher: BoolArray = statistic > highest
        return higher

    def _peak(self, ranked: Ranked, k: int, frame: int) -> Peak:
        heard = [d for d, name in enumerate(ranked.detectors) if ranked.heard[d, k]]
        return Peak(
            gps_ns=samples_to_ns(2 * (frame - self._delay) + 1, 2 * self._rate),
            statistic=float(ranked.statistic[k]),
            detectors=tuple(ranked.detectors[d] for d in heard),
            per_detector=tuple((ranked.detectors[d], float(ranked.singles[d, k])) for d in heard),
            confirmed_ns=samples_to_ns(frame + self._confirm + 1, self._rate),
        )
