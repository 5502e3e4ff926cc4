"""Templates as strain: aligned-spin binaries in the frequency domain, face-on at 1 Mpc.

IMRPhenomXAS (Pratten et al., Phys. Rev. D 102, 064001 (2020)) through lalsimulation. The merger stands at time 0 of a
circle of 16 s; what lies more than 12 s before it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

import lal
import lalsimulation
import numpy as np

from stream.types import Complex64Array, ComplexArray, FloatArray
from stream.units import STRAIN_SCALE

RATE_HZ = 2048
DURATION_S = 16
N_FFT = RATE_HZ * DURATION_S
_LONGEST_S = 12.0
_RAMP = 0.1
_LOWEST_HZ = 12.0


def frequencies_hz(duration_s: int = DURATION_S) -> FloatArray:
    """Return the frequencies of a template's spectrum, shape (duration_s * 1024 + 1,)."""
    return np.arange(duration_s * RATE_HZ // 2 + 1) / duration_s


def waveforms(parameters: FloatArray, duration_s: int = DURATION_S) -> Complex64Array:
    """Return the spectra of templates.

    Parameters
    ----------
    parameters : array of float64, shape (n, 4)
        Masses in solar masses (detector frame), larger first, and the spins along the orbit.
    duration_s : int
        Length of the circle: frequencies are one over it apart.

    Returns
    -------
    array of complex64, shape (n, duration_s * 1024 + 1)
        Strain per hertz at 1 Mpc, times ``STRAIN_SCALE``; the other polarisation is the same turned by a quarter.
    """
    frequency = frequencies_hz(duration_s)
    out = np.zeros((len(parameters), len(frequency)), dtype=np.complex64)
    for k, row in enumerate(parameters):
        out[k] = _waveform(tuple(float(v) for v in row), frequency)
    return out


def chirp_mass_msun(parameters: FloatArray) -> FloatArray:
    """Return chirp masses, shape (n,)."""
    m1, m2 = parameters[..., 0], parameters[..., 1]
    mass: FloatArray = (m1 * m2) ** 0.6 / (m1 + m2) ** 0.2
    return mass


def _waveform(row: Iterable[float], frequency_hz: FloatArray) -> ComplexArray:
    m1, m2, chi1, chi2 = row
    # Maggiore, Gravitational Waves vol. 1, eq. 4.20: the frequency 12 s before the merger, to leading order.
    mc_s = float(chirp_mass_msun(np.array([m1, m2]))) * lal.MTSUN_SI
    start_hz = max(_LOWEST_HZ, (5.0 / (256.0 * _LONGEST_S)) ** 0.375 * mc_s**-0.625 / np.pi)
    plus, _ = lalsimulation.SimInspiralChooseFDWaveform(
        m1 * lal.MSUN_SI, m2 * lal.MSUN_SI, 0.0, 0.0, chi1, 0.0, 0.0, chi2, 1e6 * lal.PC_SI, 0.0, 0.0, 0.0,
        0.0, 0.0, frequency_hz[1], start_hz, RATE_HZ / 2, 20.0, None, lalsimulation.IMRPhenomXAS,
    )  # fmt: skip
    values = plus.data.data[: len(frequency_hz)]
    spectrum: ComplexArray = np.zeros(len(frequency_hz), dtype=np.complex128)
    spectrum[: len(values)] = values
    # A sharp edge would ring through the whole circle.
    ramp = np.clip((frequency_hz / start_hz - 1.0) / _RAMP, 0.0, 1.0)
    spectrum *= np.sin(0.5 * np.pi * ramp) ** 2 * STRAIN_SCALE
    return spectrum
