"""SNR series, checked: what a sky map can be made of, and how sharply it tells time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.errors import DataError
from stream.records.followup import SnrSeries
from stream.timebase import NS_PER_S

_MOST_DETECTORS = 5
_FEWEST_SAMPLES = 8
_MOST_SNR = 1000.0
_EARTH_NS = 43_000_000
"""Of light through the Earth."""


def checked(series: Sequence[SnrSeries]) -> tuple[SnrSeries, ...]:
    """Return the series in the order of their detectors' names.

    Raises
    ------
    DataError
        If there are none or too many, a detector comes twice, or a series cannot be true: too short, not finite,
        silent, without a horizon, a rate or an autocorrelation that peaks in its middle; or lies apart from the others.
    """
    if not 1 <= len(series) <= _MOST_DETECTORS:
        raise DataError(f"{len(series)} SNR series: a sky map takes 1 to {_MOST_DETECTORS}")
    names = [s.detector for s in series]
    if len(set(names)) != len(names):
        raise DataError(f"SNR series of {', '.join(names)}: give one of each detector")
    for one in series:
        reason = _fault(one)
        if reason is not None:
            raise DataError(f"the SNR series of {one.detector} {reason}")
    loudest = max(series, key=lambda s: float(np.abs(s.snr).max()))
    if not 0.0 < np.abs(loudest.snr).max() < _MOST_SNR:
        raise DataError(
            f"the largest SNR, in {loudest.detector}, is {np.abs(loudest.snr).max():.3g}: a sky map is made of more "
            f"than 0 and less than {_MOST_SNR:g}"
        )
    for one in series:
        if not _within_reach(one, peak_ns(loudest)):
            raise DataError(
                f"the SNR series of {one.detector} begins at GPS {one.gps_ns} ns, too far from the peak in "
                f"{loudest.detector} at {peak_ns(loudest)} ns: cut series around one time"
            )
    return tuple(sorted(series, key=lambda s: s.detector))


def peak_ns(one: SnrSeries) -> int:
    """Return the GPS time of the sample with the largest SNR."""
    return one.gps_ns + int(np.abs(one.snr).argmax()) * NS_PER_S // one.sample_rate_hz


def _within_reach(one: SnrSeries, gps_ns: int) -> bool:
    """Return whether a series has any sample that light from a time elsewhere on Earth can reach."""
    end_ns = one.gps_ns + len(one.snr) * NS_PER_S // one.sample_rate_hz
    return one.gps_ns - _EARTH_NS < gps_ns < end_ns + _EARTH_NS


def _fault(one: SnrSeries) -> str | None:  # noqa: PLR0911 - one for each
    """Return what is wrong with a series."""
    if one.snr.ndim != 1 or len(one.snr) < _FEWEST_SAMPLES:
        return f"has shape {one.snr.shape}: at least {_FEWEST_SAMPLES} samples are needed"
    if not np.isfinite(one.snr).all():
        return "is not finite: a gap, or a filter that overflowed"
    if not (np.isfinite(one.sigma_mpc) and one.sigma_mpc > 0.0):
        return f"has sigma_mpc = {one.sigma_mpc}: the SNR at 1 Mpc must be positive"
    if one.sample_rate_hz <= 0:
        return f"has a rate of {one.sample_rate_hz} Hz"
    middle = one.autocorrelation.shape[0] // 2 if one.autocorrelation.ndim == 1 else 0
    if middle < 1 or len(one.autocorrelation) % 2 == 0 or not np.isfinite(one.autocorrelation).all():
        return f"has an autocorrelation of shape {one.autocorrelation.shape}: an odd number of finite samples is needed"
    if not abs(one.autocorrelation[middle] - 1.0) < 0.01:
        return f"has an autocorrelation of {one.autocorrelation[middle]:.3g} in its middle, and not 1"
    return None


def bandwidth_rad_s(one: SnrSeries) -> float:
    """Return the root mean square of the template's angular frequency about its mean: 1 / (SNR x timing error).

    |a(t)| = 1 - bandwidth^2 t^2 / 2 near its middle. Taken from the first two samples on either side, with the fourth
    order eliminated.
    """
    middle = len(one.autocorrelation) // 2
    near = np.abs(one.autocorrelation[middle : middle + 3]).astype(np.float64)
    near /= near[0]
    fall = 2.0 * (1.0 - near[1:])
    square = (16.0 * fall[0] - fall[1]) / 12.0 if len(fall) == 2 else fall[0]
    return float(np.sqrt(max(square, 1e-8)) * one.sample_rate_hz)
