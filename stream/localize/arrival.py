"""What the likelihood is made of: the series on one fine grid, the detectors seen from the reference, the times.

Times are those at the *reference*, the detector with the loudest peak; another one hears a wave from direction n later
by ``-(position - reference) . n / c``. The series are resampled once by a windowed sinc, so finely that the kernel may
interpolate linearly between samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stream.localize.detectors import sidereal_rad, sites
from stream.localize.heard import bandwidth_rad_s, peak_ns
from stream.records.followup import SnrSeries
from stream.types import Complex64Array, Float32Array, FloatArray, IntArray

SNR_AT_EDGE = 4.0
"""Nothing is looked for beyond the distance at which the most sensitive detector has this SNR (as in BAYESTAR)."""

_SLACK_S = 0.005  # about the loudest peak; BAYESTAR's
_STEP_ERRORS = 1.6  # the sum over a Gaussian at such steps is exact to 1e-3
_COARSEST_STEP_S = 1.0 / 1024.0
_MOST_SLACK_S = 0.05
_TAPS = 16
_KAISER_BETA = 7.0
_COARSEST_RATE_HZ = 16_384
_FINEST_RATE_HZ = 131_072
_INTERPOLATION_ERROR = 0.05
"""Most that linear interpolation may take off the log-likelihood, halfway between samples."""


class Arrival(NamedTuple):
    """An event, as the compiled functions take it.

    Attributes
    ----------
    response : array of float64, shape (n, 3, 3)
        Of each detector, times the SNR of a source that is optimal for it and at the edge of what is looked at; turned
        so that the first axis points to right ascension zero.
    offset_s : array of float64, shape (n, 3)
        Position from the reference's, in the same axes.
    real, imag : array of float32, shape (n, m)
        SNR, at ``first_s + i / rate_hz`` from the reference time, scaled by the response factor.
    first_s, rate_hz : float
    start_s, step_s : float
        Times at the reference that the likelihood is summed over.
    steps : int
    """

    response: FloatArray
    offset_s: FloatArray
    real: Float32Array
    imag: Float32Array
    first_s: float
    rate_hz: float
    start_s: float
    step_s: float
    steps: int


class Event(NamedTuple):
    """An arrival, what distances count in, and when it was."""

    arrival: Arrival
    edge_mpc: float
    gps_ns: int


def prepare(series: Sequence[SnrSeries], response_factor: float) -> Event:
    """Return the event that SNR series tell of.

    Parameters
    ----------
    series : sequence of SnrSeries
        Checked.
    response_factor : float
        SNRs count as this part of themselves.
    """
    heights = np.array([np.abs(s.snr).max() for s in series]) * response_factor
    widths = np.array([bandwidth_rad_s(s) for s in series])
    reference = int(heights.argmax())
    loudest = series[reference]
    gps_ns = peak_ns(loudest)
    place = sites(tuple(s.detector for s in series))
    turn = _turn(sidereal_rad(gps_ns))
    offset_s = (place.position_s - place.position_s[reference]) @ turn
    edge_mpc = max(s.sigma_mpc for s in series) / SNR_AT_EDGE
    reach = np.array([response_factor * s.sigma_mpc / edge_mpc for s in series])
    response = np.einsum("n,ai,nab,bj->nij", reach, turn, place.response, turn)

    error_s = 1.0 / (heights[reference] * widths[reference])
    farthest_s = float(np.sqrt(np.square(offset_s).sum(axis=1)).max())
    half_s = farthest_s + min(_SLACK_S + 6.0 * error_s, _MOST_SLACK_S)
    step_s = min(_COARSEST_STEP_S, _STEP_ERRORS / float(np.sqrt(np.square(heights * widths).sum())))
    half_steps = int(np.ceil(half_s / step_s))
    span_s = half_s + step_s + farthest_s
    rate_hz = _fine_rate_hz(series, heights)
    count = 2 * int(np.ceil(span_s * rate_hz)) + 3
    first_s = -(count // 2) / rate_hz
    fine = np.stack([_resampled(s, gps_ns, first_s, rate_hz, count) for s in series]) * np.float32(response_factor)
    arrival = Arrival(
        response, offset_s, np.ascontiguousarray(fine.real), np.ascontiguousarray(fine.imag), first_s, float(rate_hz),
        -half_steps * step_s, step_s, 2 * half_steps + 1,
    )  # fmt: skip
    return Event(arrival, edge_mpc, gps_ns)


def _turn(sidereal: float) -> FloatArray:
    """Return the columns of the celestial axes in those fixed to the Earth: positions @ turn are celestial."""
    c, s = np.cos(sidereal), np.sin(sidereal)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _fine_rate_hz(series: Sequence[SnrSeries], heights: FloatArray) -> int:
    """Return the rate at which linear interpolation is good enough.

    Halfway between samples d apart it takes (w d)^2 / 4 off the power, w the mean square angular frequency.
    """
    worst = 0.0
    for one, height in zip(series, heights, strict=True):
        middle = len(one.autocorrelation) // 2
        chord = abs(one.autocorrelation[middle + 1] - 1.0) * one.sample_rate_hz
        worst += 0.5 * (float(height) * float(chord)) ** 2
    wanted = np.sqrt(worst / (4.0 * _INTERPOLATION_ERROR))
    rate_hz = _COARSEST_RATE_HZ
    while rate_hz < min(wanted, _FINEST_RATE_HZ):
        rate_hz *= 2
    return rate_hz


def _resampled(one: SnrSeries, gps_ns: int, first_s: float, rate_hz: int, count: int) -> Complex64Array:
    """Return a series on the fine grid, zero where it has no samples, shape (count,)."""
    place = ((gps_ns - one.gps_ns) * 1e-9 + first_s + np.arange(count) / rate_hz) * one.sample_rate_hz
    base: IntArray = np.floor(place).astype(np.int64)
    period = rate_hz // math.gcd(rate_hz, one.sample_rate_hz)  # after so many the fractions repeat
    taps = np.arange(_TAPS) - (_TAPS // 2 - 1)
    distance = (place - base)[:period, None] - taps
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(1.0 - np.square(distance / (_TAPS // 2)), 0.0)))
    weight = (np.sinc(distance) * window / np.i0(_KAISER_BETA)).astype(np.float32)
    padded = np.concatenate((np.zeros(_TAPS, np.complex64), one.snr, np.zeros(_TAPS, np.complex64)))
    index = np.clip(base + taps[0] + _TAPS, 0, len(padded) - _TAPS)
    stretches = np.lib.stride_tricks.sliding_window_view(padded, _TAPS)[index]
    fine = np.einsum("ij,ij->i", stretches, weight[np.arange(count) % len(weight)])
    inside = (place >= 0.0) & (place <= len(one.snr) - 1)
    out: Complex64Array = np.where(inside, fine, 0.0).astype(np.complex64)
    return out
