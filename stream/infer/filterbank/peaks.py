"""From complex SNR to triggers: each template's local maxima, timed to a fraction of a sample.

The time is where a parabola through three moduli has its top; the complex value there follows from a quadratic through
the three samples, turned back by the phase's own rate first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.timebase import NS_PER_S
from stream.types import BoolArray, Complex64Array, Float32Array, IntArray

SNR_RATE_HZ = 1024
PAST_LAGS = 32
"""Samples before a maximum that its autocorrelation test looks at."""

_NEAREST_LAG = 2
_LEAST_SHARE = 0.02
_LEAST_FREEDOM = 0.2


@dataclass(frozen=True, slots=True)
class Peaks:
    """Local maxima: template and sample of each, its offset from the sample (in samples), and its complex SNR."""

    template: IntArray
    sample: IntArray
    offset: Float32Array
    snr: Complex64Array

    def where(self, wanted: BoolArray) -> Peaks:
        """Return some of them."""
        return Peaks(self.template[wanted], self.sample[wanted], self.offset[wanted], self.snr[wanted])

    def time_ns(self, gps_ns: int, first: int) -> IntArray:
        """Return their times, sample ``first`` being at ``gps_ns``."""
        seconds = (self.sample - first + self.offset.astype(np.float64)) / SNR_RATE_HZ
        times: IntArray = gps_ns + np.rint(seconds * NS_PER_S).astype(np.int64)
        return times


def find_peaks(z: Complex64Array, floor: float, start: int, stop: int) -> Peaks:
    """Return the local maxima of each template's modulus above ``floor``, in the order of their samples.

    Parameters
    ----------
    z : array of complex64, shape (n, n_templates)
    start, stop : int
        Which samples to look at; one on either side of them is needed.
    """
    power = z.real[start - 1 : stop + 1] ** 2 + z.imag[start - 1 : stop + 1] ** 2
    flat = np.flatnonzero(power[1:-1].ravel() > floor**2)
    row, column = np.divmod(flat, z.shape[1])
    middle = power[row + 1, column]
    is_top = (middle > power[row, column]) & (middle >= power[row + 2, column])
    row, column = row[is_top], column[is_top]
    three = z[row[:, None] + np.arange(start - 1, start + 2), column[:, None]]
    offset, snr = _refine(three)
    return Peaks(column, row + start, offset, snr)


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
    z : array of complex64, shape (n, n_templates)
    autocorrelation : array of complex64, shape (n_templates, PAST_LAGS + 1)
        Of each template, at lags of 0, -1, ... samples of 1024 Hz; 1 at lag 0.
    """
    lags = np.arange(_NEAREST_LAG, PAST_LAGS + 1)
    past = z[peaks.sample[:, None] - lags, peaks.template[:, None]]
    at_peak = z[peaks.sample, peaks.template]
    expected = autocorrelation[:, lags]
    noise = np.sum(2.0 - 2.0 * np.abs(expected) ** 2, axis=1)
    residual = np.sum(np.abs(past - expected[peaks.template] * at_peak[:, None]) ** 2, axis=1)
    ratio: Float32Array = (residual / noise[peaks.template]).astype(np.float32)
    return ratio


def slice_chisq(
    parts: Float32Array, peaks: Peaks, rows: Float32Array, edges: tuple[int, ...], share: Float32Array
) -> Float32Array:
    """Return how unlike the template's the time slices' parts of the SNR are; 1 on average in noise.

    Allen, Phys. Rev. D 71, 062001 (2005), eq. 6.5, with the slices as they are: unequal, in time. Slices of less than
    2 % are left out; NaN where one slice holds nearly all.

    Parameters
    ----------
    parts : array of float32, shape (n, n_basis)
        What the basis filters gave; row 0 is the first output of a group.
    rows, edges, share
        Of the weights.
    """
    mine = rows[peaks.template, peaks.sample % rows.shape[1]]
    slices = np.add.reduceat(parts[peaks.sample][:, None] * mine, edges[:-1], axis=2)
    z = slices[:, 0] + 1j * slices[:, 1]
    part = share[peaks.template]
    counts = part >= _LEAST_SHARE
    residual = np.abs(z - part * z.sum(axis=1, keepdims=True)) ** 2 / np.maximum(part, _LEAST_SHARE)
    freedom = np.sum((1.0 - part) * counts, axis=1)
    chisq = np.sum(residual * counts, axis=1) / np.maximum(2.0 * freedom, 1e-6)
    ratio: Float32Array = np.where(freedom < _LEAST_FREEDOM, np.nan, chisq).astype(np.float32)
    return ratio
