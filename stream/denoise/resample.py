"""Causal change of rate by an integer factor, with carried state: any chunking gives the same samples.

One filter serves both directions: Chebyshev type II, order 8, 60 dB down from ``0.61 * low_rate`` on, where the
images of what lies below ``BAND_EDGE * low_rate`` begin. Its delay at 60 Hz between 512 Hz and 4096 Hz is 3 ms.
"""

from __future__ import annotations

import numpy as np

from stream import filters
from stream.types import ComplexArray, FloatArray

BAND_EDGE = 0.39
"""Upper edge of the band that passes, as a fraction of the lower rate."""


def _design(low_rate_hz: int, high_rate_hz: int) -> FloatArray:
    stop_hz = (1.0 - BAND_EDGE) * low_rate_hz
    return filters.chebyshev2_lowpass(8, 60.0, stop_hz, high_rate_hz)


class Resampler:
    """Raise or lower the rate of several channels at once.

    Parameters
    ----------
    low_rate_hz, high_rate_hz : int
        The higher is a whole multiple of the lower.
    n_channels : int
        Rows of what is filtered.
    """

    def __init__(self, low_rate_hz: int, high_rate_hz: int, n_channels: int = 1) -> None:
        self._factor = high_rate_hz // low_rate_hz
        self._high_rate_hz = high_rate_hz
        self._sos = _design(low_rate_hz, high_rate_hz) if self._factor > 1 else None
        self._n_channels = n_channels
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        sections = 0 if self._sos is None else len(self._sos)
        self._zi: FloatArray = np.zeros((sections, self._n_channels, 2))

    def up(self, samples: FloatArray) -> FloatArray:
        """Raise the rate; (n_channels, n) to (n_channels, n * factor)."""
        if self._sos is None:
            return samples
        stuffed = np.zeros((samples.shape[0], samples.shape[1] * self._factor))
        stuffed[:, :: self._factor] = samples * self._factor
        raised, self._zi = filters.run(self._sos, stuffed, self._zi)
        return raised

    def down(self, samples: FloatArray) -> FloatArray:
        """Lower the rate; (n_channels, n) to (n_channels, n / factor)."""
        if self._sos is None:
            return samples
        filtered, self._zi = filters.run(self._sos, samples, self._zi)
        lowered: FloatArray = filtered[:, :: self._factor]
        return lowered

    def response(self, frequencies_hz: FloatArray) -> ComplexArray:
        """Return the filter's response, shape (n_frequencies,)."""
        if self._sos is None:
            return np.ones(len(frequencies_hz), dtype=np.complex128)
        return filters.response(self._sos, frequencies_hz, self._high_rate_hz)
