"""A Q-scan: energy over time and frequency, in tiles as short as the frequency allows at a quality factor Q.

Source: S. K. Chatterji, The search for gravitational wave bursts in data from the second LIGO science run, PhD thesis,
MIT (2005), chapter 5 (bisquare windows).
"""

from __future__ import annotations

import math

import numpy as np

from stream.types import Float32Array, FloatArray

QS = (4.0, 8.0, 16.0, 32.0)
_LEAST_NOISE = 0.3
"""Of white noise: what is quieter, as above the decimation's corner, is not made loud."""


def qscan(samples: Float32Array | FloatArray, rate_hz: int, time_s: FloatArray, frequency_hz: FloatArray) -> FloatArray:
    """Return the energy of whitened strain, 1 on average in noise, of the Q whose loudest tile is the loudest.

    Parameters
    ----------
    samples : array, shape (n,)
        Of unit variance; longer than what is shown, by the longest tile on either side.
    rate_hz : int
    time_s : array, shape (nt,)
        From the first sample.
    frequency_hz : array, shape (nf,)

    Returns
    -------
    array, shape (nf, nt)
    """
    spectrum = np.fft.rfft(samples)
    scans = [_scan(spectrum, len(samples), rate_hz, time_s, frequency_hz, q) for q in QS]
    return max(scans, key=lambda energy: float(energy.max()))


def _scan(
    spectrum: np.ndarray[tuple[int], np.dtype[np.complex128]], n: int, rate_hz: int, time_s: FloatArray,
    frequency_hz: FloatArray, q: float,
) -> FloatArray:  # fmt: skip
    """Return the energy at one Q: the spectrum around each frequency, shaped and brought back to time."""
    energy = np.empty((len(frequency_hz), len(time_s)))
    step_hz = rate_hz / n
    for k, frequency in enumerate(frequency_hz):
        half_hz = frequency * math.sqrt(11.0) / q
        low = max(1, math.ceil((frequency - half_hz) / step_hz))
        high = min(len(spectrum) - 1, math.floor((frequency + half_hz) / step_hz))
        around = (np.arange(low, high + 1) * step_hz - frequency) / half_hz
        window = (1 - around**2) ** 2
        points = 1 << max(6, 2 * (high - low)).bit_length()
        series = np.fft.ifft(window * spectrum[low : high + 1], points) * points
        power = np.square(np.abs(series)) / (n * float(np.sum(np.square(window))) + 1e-300)
        power /= max(float(np.median(power)) / math.log(2), _LEAST_NOISE)
        energy[k] = np.interp(time_s, np.arange(points) * n / rate_hz / points, power)
    return energy
