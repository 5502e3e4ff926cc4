"""Peaks of the ranking statistic, reported as early as they are certain.

A peak stands when nothing higher has followed for the confirmation time. Within the dead time after a reported
peak only a higher one is reported, so that a small bump never hides the event behind it; whoever sends alerts
takes both for one event.
"""

from __future__ import annotations

import numpy as np

from stream.detect.head import Ranked
from stream.records import Peak
from stream.settings import DetectSettings
from stream.timebase import samples_to_ns


class PeakFinder:
    """Find peaks in a stream of :class:`Ranked`; its state is one pending and one reported peak.

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
        self._dead = round(settings.dead_time_s * frame_rate_hz)
        self._rate = frame_rate_hz
        self._delay = delay_frames
        self._pending: tuple[int, Peak] | None = None
        self._reported: tuple[int, float] | None = None

    def step(self, ranked: Ranked) -> list[Peak]:
        """Return the peaks that these frames confirm."""
        first = (ranked.gps_ns * self._rate + 500_000_000) // 1_000_000_000
        found: list[Peak] = []
        interesting = np.flatnonzero(ranked.statistic > self._minimum)
        for k in [*interesting, len(ranked.statistic)]:
            # Before looking at frame k: everything up to it was lower than what is pending.
            last_seen = first + int(k) - 1
            if self._pending is not None and last_seen - self._pending[0] >= self._confirm:
                found.append(self._confirmed())
            if k < len(ranked.statistic):
                self._look(ranked, int(k), first)
        return found

    def _look(self, ranked: Ranked, k: int, first: int) -> None:
        """Let frame ``k`` become the pending peak if it is higher than what there is."""
        frame, value = first + k, float(ranked.statistic[k])
        if self._reported is not None and frame - self._reported[0] <= self._dead and value <= self._reported[1]:
            return
        if self._pending is None or value > self._pending[1].statistic:
            self._pending = (frame, self._peak(ranked, k, frame))

    def _peak(self, ranked: Ranked, k: int, frame: int) -> Peak:
        heard = [d for d, name in enumerate(ranked.detectors) if ranked.heard[d, k]]
        return Peak(
            gps_ns=samples_to_ns(2 * (frame - self._delay) + 1, 2 * self._rate),
            statistic=float(ranked.statistic[k]),
            detectors=tuple(ranked.detectors[d] for d in heard),
            per_detector=tuple((ranked.detectors[d], float(ranked.singles[d, k])) for d in heard),
            confirmed_ns=samples_to_ns(frame + self._confirm + 1, self._rate),
        )

    def _confirmed(self) -> Peak:
        assert self._pending is not None
        frame, peak = self._pending
        self._reported, self._pending = (frame, peak.statistic), None
        return peak
