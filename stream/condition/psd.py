"""Rolling median PSD.

Median of Hann-windowed periodograms of 1 s, half overlapping, on the half-second GPS grid, over the last
``psd_max_s`` of clean data (Allen et al., Phys. Rev. D 85, 122006 (2012), section V.B: the median ignores a
signal or glitch that fills less than half of the segments). Gaps contribute nothing and forget nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from stream.types import FloatArray

SEGMENT_S = 1.0
SEGMENTS_PER_S = 2


def median_bias(count: int) -> float:
    """Return the ratio of median to mean of ``count`` exponentially distributed values (Allen et al., eq. B12)."""
    odd = count if count % 2 else count - 1
    k = np.arange(1, odd + 1)
    return float(np.sum((-1.0) ** (k + 1) / k))


@dataclass(frozen=True, slots=True)
class PsdState:
    """What a checkpoint keeps: periodograms, shape (n, n_frequencies), oldest first."""

    periodograms: FloatArray


class RollingMedianPsd:
    """Median of the last periodograms.

    Parameters
    ----------
    sample_rate_hz : int
        Rate of the data.
    min_s, max_s : float
        Clean data needed before there is a PSD, and covered at most.
    """

    def __init__(self, sample_rate_hz: int, min_s: float, max_s: float) -> None:
        self._n_segment = int(SEGMENT_S * sample_rate_hz)
        self._min = int(min_s * SEGMENTS_PER_S) - 1
        self._ring: FloatArray = np.zeros((int(max_s * SEGMENTS_PER_S) - 1, self._n_segment // 2 + 1))
        self._window: FloatArray = signal.get_window("hann", self._n_segment)
        self._scale = 2.0 / (sample_rate_hz * np.sum(self._window**2))
        self._count = 0

    @property
    def count(self) -> int:
        """Number of periodograms that the median covers."""
        return min(self._count, len(self._ring))

    @property
    def ready(self) -> bool:
        """Whether enough clean data was seen."""
        return self._count >= self._min

    def add(self, segment: FloatArray) -> None:
        """Take one clean segment of 1 s."""
        spectrum = np.fft.rfft(segment * self._window)
        self._ring[self._count % len(self._ring)] = self._scale * (spectrum.real**2 + spectrum.imag**2)
        self._count += 1

    def estimate(self) -> FloatArray:
        """Return the one-sided PSD per hertz, shape (n_frequencies,), spaced by 1 Hz.

        Corrected for the median's bias, and for the scatter of the estimate itself: whitening divides by it, and
        the mean of 1/x exceeds 1/mean(x) by about 1/n (n half-overlapping segments; a test measures it).
        """
        used = self._ring[: self.count]
        median: FloatArray = np.median(used, axis=0)
        return median / median_bias(self.count) * (1.0 + 1.0 / self.count)

    def state(self) -> PsdState:
        """Return what :meth:`restore` needs."""
        order = np.arange(self._count - self.count, self._count) % len(self._ring)
        return PsdState(self._ring[order].copy())

    def restore(self, state: PsdState) -> None:
        """Take up a kept state; one of another rate is ignored by raising ``ValueError``."""
        if state.periodograms.shape[1:] != self._ring.shape[1:]:
            raise ValueError(f"PSD state has {state.periodograms.shape[1]} bins, not {self._ring.shape[1]}")
        kept = state.periodograms[-len(self._ring) :]
        self._ring[: len(kept)] = kept
        self._count = len(kept)
