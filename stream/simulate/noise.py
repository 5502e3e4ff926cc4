"""Stationary coloured Gaussian noise as a function of absolute time.

White noise is drawn in blocks, each from its own seed (seed, detector, block number), and coloured by one linear-phase
filter of 4 s, convolved exactly: sample k is the same whoever asks, in whatever pieces.
"""

from __future__ import annotations

import zlib

import numpy as np

from stream.simulate.psds import Psd
from stream.types import FloatArray

_BLOCK_S = 4


class ColouredNoise:
    """Noise of one detector.

    Parameters
    ----------
    psd : Psd
        Its spectrum.
    sample_rate_hz : int
    seed : int
    detector : str
        Enters the seed, so that detectors are independent.
    """

    def __init__(self, psd: Psd, sample_rate_hz: int, seed: int, detector: str) -> None:
        self._n = _BLOCK_S * sample_rate_hz
        self._key = (seed, zlib.crc32(detector.encode()))
        frequency = np.fft.rfftfreq(self._n, 1.0 / sample_rate_hz)
        amplitude = np.sqrt(psd.at(frequency) * sample_rate_hz / 2.0)
        amplitude[0] = 0.0
        impulse = np.roll(np.fft.irfft(amplitude, self._n), self._n // 2) * np.hanning(self._n)
        self._response = np.fft.rfft(impulse, 2 * self._n)
        self._white: dict[int, FloatArray] = {}
        self._coloured: dict[int, FloatArray] = {}

    def samples(self, start_sample: int, count: int) -> FloatArray:
        """Return strain from ``start_sample`` (counted from the GPS epoch), shape (count,)."""
        first, last = start_sample // self._n, (start_sample + count - 1) // self._n
        joined = np.concatenate([self._block(k) for k in range(first, last + 1)])
        offset = start_sample - first * self._n
        out: FloatArray = joined[offset : offset + count]
        return out

    def _block(self, k: int) -> FloatArray:
        if k not in self._coloured:
            pair = np.concatenate((self._draw(k - 1), self._draw(k)))
            coloured = np.fft.irfft(np.fft.rfft(pair) * self._response, 2 * self._n)[self._n :]
            self._coloured = {j: b for j, b in self._coloured.items() if j >= k - 1} | {k: coloured}
        return self._coloured[k]

    def _draw(self, k: int) -> FloatArray:
        if k not in self._white:
            rng = np.random.default_rng((*self._key, k & 0xFFFFFFFF))
            self._white = {j: b for j, b in self._white.items() if j == k - 1} | {k: rng.standard_normal(self._n)}
        return self._white[k]
