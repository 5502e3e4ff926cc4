"""From complex SNR to triggers: each template's local maxima, timed to a fraction of a sample.

The time is where a parabola through three moduli has its top; the complex value there follows from a quadratic through
the three samples, turned back by the phase's own rate first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.types import Complex64Array, Float32Array, IntArray

SNR_RATE_HZ = 1024
PAST_LAGS = 32
"""Samples before a maximum that its autocorrelation test looks at."""

_NEAREST_LAG = 2


@dataclass(frozen=True, slots=True)
class Peaks:
    """Local maxima: template and sample of each, its offset from the sample (in samples), and its complex SNR."""

    template: IntArray
    sample: IntArray
    offset: Float32Array
    snr: Complex64Array


def find_peaks(z: Complex64Array, floor: float, start: int, stop: int) -> Peaks:
    """Return the local maxima of each row's modulus above ``floor``.

    Parameters
    ----------
    z : array of complex64, shape (n_templates, n)
    start, stop : int
        Which samples to look at; one on either side of them is needed.
    """
    power = z.real[:, start - 1 : stop + 1] ** 2 + z.imag[:, start - 1 : stop + 1] ** 2
    row, column = np.nonzero(power[:, 1:-1] > floor**2)
    middle = power[row, column + 1]
    is_top = (middle > power[row, column]) & (middle >= power[row, column + 2])
    row, column = row[is_top], column[is_top]
    three = z[row[:, None], column[:, None] + np.arange(start - 1, start + 2)]
    offset, snr = _refine(three)
    return Peaks(row, column + start, offset, snr)


def _refine(three: Complex64Array) -> tuple[Float32Array, Complex64Array]:
    """Return offset of the top from the middle one of three samples, and the value there; shapes (n,)."""
    low, middle, high = np.abs(three).T
    curvature = 2.0 * middle - low - high
    offset = np.clip(0.5 * (high - low) / np.maximum(curvature, 1e-12), -0.5, 0.5)
    rate = 0.5 * np.angle(three[:, 2] * np.conj(three[:, 0]))
    still = three * np.exp(-1j * rate[:, None] * np.array([-1.0, 0.0, 1.0]))
    slope = 0.5 * (still[:, 2] - still[:, 0])
    bend = 0.5 * (still[:, 2] + still[:, 0]) - still[:, 1]
    value = (still[:, 1] + slope * offset + bend * offset**2) * np.exp(1j * rate * offset)
    return offset.astype(np.float32), value.astype(np.complex64)


def autocorrelation_chisq(z: Complex64Array, peaks: Peaks, autocorrelation: Complex64Array) -> Float32Array:
    """Return how unlike the template's own the SNR's rise before each maximum is; 1 on average in noise.

    Messick et al., Phys. Rev. D 95, 042001 (2017), eq. 13, over past lags alone, so that nothing is waited for.

    Parameters
    ----------
    autocorrelation : array of complex64, shape (n_templates, PAST_LAGS + 1)
        Of each template, at lags of 0, -1, ... samples of 1024 Hz; 1 at lag 0.
    """
    lags = np.arange(_NEAREST_LAG, PAST_LAGS + 1)
    past = z[peaks.template[:, None], peaks.sample[:, None] - lags]
    at_peak = z[peaks.template, peaks.sample]
    expected = autocorrelation[:, lags]
    noise = np.sum(2.0 - 2.0 * np.abs(expected) ** 2, axis=1)
    residual = np.sum(np.abs(past - expected[peaks.template] * at_peak[:, None]) ** 2, axis=1)
    ratio: Float32Array = (residual / noise[peaks.template]).astype(np.float32)
    return ratio
