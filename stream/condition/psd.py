"""Rolling median PSD.

Median of Hann-windowed periodograms of 1 s, half overlapping, on the half-second GPS grid, over the last
``psd_max_s`` of clean data (Allen et al., Phys. Rev. D 85, 122006 (2012), section V.B: the median ignores a
signal or glitch that fills less than half of the segments). Gaps contribute nothing.

Spectra drift. Every periodogram therefore has its time, and those older than ``max_age_s`` are as if they had never
been (an hour-old PSD is far better than eight seconds of deafness; one of a week ago shifts arrival times by more than
200 us, arXiv:2603.09132). After a break in which most grew old but not too old, they serve until ``SETTLED_COUNT`` of
the time since are there, and no longer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.timebase import NS_PER_S
from stream.types import BoolArray, FloatArray, IntArray

SEGMENT_S = 1.0
SEGMENTS_PER_S = 2
SETTLED_COUNT = 31
"""Periodograms from which on a PSD is good enough to be designed on seldom, and alone."""


def median_bias(count: int) -> float:
    """Return the ratio of median to mean of ``count`` exponentially distributed values (Allen et al., eq. B12)."""
    odd = count if count % 2 else count - 1
    k = np.arange(1, odd + 1)
    return float(np.sum((-1.0) ** (k + 1) / k))


@dataclass(frozen=True, slots=True)
class PsdState:
    """What a checkpoint keeps: periodograms, shape (n, n_frequencies), oldest first, and the GPS time of each's end."""

    periodograms: FloatArray
    times_ns: IntArray


class RollingMedianPsd:
    """Median of the last periodograms.

    Parameters
    ----------
    sample_rate_hz : int
        Rate of the data.
    min_s, max_s : float
        Clean data needed before there is a PSD, and covered at most.
    max_age_s : float
        Older data are not used.
    """

    def __init__(self, sample_rate_hz: int, min_s: float, max_s: float, max_age_s: float = 3600.0) -> None:
        self._n_segment = int(SEGMENT_S * sample_rate_hz)
        self._min = int(min_s * SEGMENTS_PER_S) - 1
        self._ring: FloatArray = np.zeros((int(max_s * SEGMENTS_PER_S) - 1, self._n_segment // 2 + 1))
        self._times_ns: IntArray = np.zeros(len(self._ring), dtype=np.int64)
        self._max_age_ns = round(max_age_s * NS_PER_S)
        self._fresh_ns = round(2 * max_s * NS_PER_S)
        self._window: FloatArray = np.hanning(self._n_segment + 1)[:-1]
        self._scale = 2.0 / (sample_rate_hz * np.sum(self._window**2))
        self._count = 0

    @property
    def count(self) -> int:
        """Number of periodograms that are kept."""
        return min(self._count, len(self._ring))

    @property
    def ready(self) -> bool:
        """Whether enough clean data was seen."""
        return self.count >= self._min

    def add(self, segment: FloatArray, end_ns: int) -> None:
        """Take one clean segment of 1 s that ends at a GPS time."""
        spectrum = np.fft.rfft(segment * self._window)
        slot = self._count % len(self._ring)
        self._ring[slot] = self._scale * (spectrum.real**2 + spectrum.imag**2)
        self._times_ns[slot] = end_ns
        self._count += 1

    def forget(self) -> None:
        """Start from nothing."""
        self._count = 0

    def expire(self, now_ns: int) -> None:
        """Drop what is further from a GPS time than ``max_age_s``; in its future too, as when old data are replayed."""
        if not (np.abs(self._times_ns[: self.count] - now_ns) > self._max_age_ns).any():
            return
        state = self.state()
        young = np.abs(state.times_ns - now_ns) <= self._max_age_ns
        self._keep(PsdState(state.periodograms[young], state.times_ns[young]))

    def estimate(self) -> FloatArray:
        """Return the one-sided PSD per hertz, shape (n_frequencies,), spaced by 1 Hz.

        Corrected for the median's bias, and for the scatter of the estimate itself: whitening divides by it, and
        the mean of 1/x exceeds 1/mean(x) by about 1/n (n half-overlapping segments; a test measures it).
        """
        used = self._ring[self._used()]
        median: FloatArray = np.median(used, axis=0)
        return median / median_bias(len(used)) * (1.0 + 1.0 / len(used))

    def _used(self) -> BoolArray:
        """Which slots the median is of: those since a long break, once they are enough, or all."""
        kept: BoolArray = np.arange(len(self._ring)) < self.count
        newest_ns = self._times_ns[kept].max()
        fresh: BoolArray = kept & (self._times_ns >= newest_ns - self._fresh_ns)
        return fresh if np.count_nonzero(fresh) >= min(SETTLED_COUNT, len(self._ring)) else kept

    def state(self) -> PsdState:
        """Return what :meth:`restore` needs."""
        order = np.arange(self._count - self.count, self._count) % len(self._ring)
        return PsdState(self._ring[order].copy(), self._times_ns[order].copy())

    def restore(self, state: PsdState) -> None:
        """Take up a kept state; one that does not fit is refused by raising ``ValueError``."""
        shape, times = state.periodograms.shape, state.times_ns.shape
        if len(shape) != 2 or shape[1] != self._ring.shape[1] or times != shape[:1]:
            raise ValueError(f"PSD state of shape {shape} with {times} times, not of {self._ring.shape[1]} bins")
        if not (np.isfinite(state.periodograms).all() and (state.periodograms >= 0).all()):
            raise ValueError("PSD state holds values that are no power")
        self._keep(state)

    def _keep(self, state: PsdState) -> None:
        kept, times = state.periodograms[-len(self._ring) :], state.times_ns[-len(self._ring) :]
        self._ring[: len(kept)], self._times_ns[: len(kept)] = kept, times
        self._count = len(kept)
