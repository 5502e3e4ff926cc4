"""Noise spectra: named ones from lalsimulation, files, and random variations around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import lal
import lalsimulation
import numpy as np

from stream.errors import ConfigurationError
from stream.types import AnyFloatArray, FloatArray

_DF_HZ = 0.25
_MAX_HZ = 8192.0
_WALL_HZ = 10.0

_NAMED: dict[str, Callable[[object, float], int]] = {
    "aLIGO_O3": lalsimulation.SimNoisePSDaLIGOaLIGOO3LowT1800545,
    "aLIGO_O4": lalsimulation.SimNoisePSDaLIGOaLIGO175MpcT1800545,
    "aLIGO_design": lalsimulation.SimNoisePSDaLIGOaLIGODesignSensitivityT1800044,
    "aLIGO_Aplus": lalsimulation.SimNoisePSDaLIGOAPlusDesignSensitivityT1800042,
    "AdV_O3": lalsimulation.SimNoisePSDAdVO3LowT1800545,
    "AdV_O4": lalsimulation.SimNoisePSDAdVO4T1800545,
    "KAGRA_O4": lalsimulation.SimNoisePSDKAGRA25MpcT1800545,
}


@dataclass(frozen=True, slots=True)
class Psd:
    """One-sided power spectral density, per hertz, on increasing frequencies; log-log between them."""

    frequencies_hz: FloatArray
    values_per_hz: FloatArray

    def at(self, frequencies_hz: AnyFloatArray) -> FloatArray:
        """Interpolate; below the wall at 10 Hz the value stays, so that it is finite everywhere."""
        known = np.log(self.frequencies_hz)
        wanted = np.log(np.maximum(frequencies_hz, _WALL_HZ))
        value: FloatArray = np.exp(np.interp(wanted, known, np.log(self.values_per_hz)))
        return value


def psd_names() -> list[str]:
    """Return the names that :func:`psd` knows."""
    return sorted(_NAMED)


def psd(name: str) -> Psd:
    """Return a named spectrum (lalsimulation; LIGO-T1800545, T1800044, T1800042)."""
    if name not in _NAMED:
        raise ConfigurationError(f"no spectrum named {name!r}: there are {', '.join(psd_names())}")
    n = int(_MAX_HZ / _DF_HZ) + 1
    series = lal.CreateREAL8FrequencySeries("", lal.LIGOTimeGPS(0), 0.0, _DF_HZ, lal.SecondUnit, n)
    _NAMED[name](series, _WALL_HZ)
    frequency = np.arange(n) * _DF_HZ
    values = np.array(series.data.data)
    good = (frequency >= _WALL_HZ) & np.isfinite(values) & (values > 0)
    return Psd(frequency[good], values[good])


def random_psd(rng: np.random.Generator, base: Psd) -> Psd:
    """Vary a spectrum as sites and months do.

    A smooth random factor (of order 2 in amplitude, correlated over about an octave), a steeper or shallower
    rise below 100 Hz (early observing runs stood several times above later ones there), the mains and its harmonics,
    calibration lines, violin modes and a handful of others, each a Lorentzian.
    """
    frequency = base.frequencies_hz
    octave = np.log2(frequency / 100.0)
    knots = np.linspace(octave[0], octave[-1], 9)
    log_factor = np.interp(octave, knots, rng.normal(0.0, 0.3, len(knots)))
    excess = rng.uniform(0.0, 1.0) * np.clip(-octave, 0.0, 2.5)
    values = base.values_per_hz * np.exp(2 * log_factor + 2 * np.log(2.0) * excess)
    lines = [60.0 * k for k in range(1, 6)] + list(rng.uniform(490, 520, 6)) + list(rng.uniform(980, 1020, 4))
    lines += [35.9, 36.7, 37.3, 331.9, *rng.uniform(15, 900, 8)]
    for line_hz in lines:
        height = 10.0 ** rng.uniform(0.0, 4.0)
        width_hz = rng.uniform(0.01, 0.15)
        level = np.interp(line_hz, frequency, values)
        values = values + level * height / (1.0 + ((frequency - line_hz) / width_hz) ** 2)
    return Psd(frequency, values)
