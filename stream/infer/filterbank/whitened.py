"""Templates as they stand in whitened strain: through the conditioner's front end and the whitening filter in force.

Minimum-phase whitening turns the phase of a signal by an amount that depends on the present spectrum. A template that
is whitened by another filter than the data loses SNR: up to a quarter of it on spectra as sites have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stream import filters
from stream.condition.frontend import FrontEnd
from stream.condition.whitening import band_gain
from stream.infer.filterbank.waveforms import DURATION_S, N_FFT, RATE_HZ, frequencies_hz
from stream.types import Complex64Array, ComplexArray, FloatArray

LOW_HZ = 20.0
INPUT_RATE_HZ = 4096


@dataclass(frozen=True, slots=True)
class WhitenedTemplates:
    """Templates in whitened strain at 2048 Hz, the merger at time 0 of a circle of 16 s.

    Attributes
    ----------
    spectra : array of complex64, shape (n_templates, N_FFT / 2 + 1)
        Discrete Fourier transforms of the cosine templates, normalised so that the correlation with whitened noise has
        unit variance.
    sigma : array of float64, shape (n_templates,)
        SNR at 1 Mpc, face-on, in noise of the spectrum that the whitening filter was made for.
    """

    spectra: Complex64Array
    sigma: FloatArray


def noise_power(low_hz: float = LOW_HZ) -> FloatArray:
    """Return the power of whitened noise in each bin of a template's spectrum, shape (N_FFT / 2 + 1,).

    White noise of unit variance would have 1 everywhere. Whitened strain has unit variance too, but in a narrower band,
    so that it is denser there.
    """
    frequency = frequencies_hz()
    gain = band_gain(frequency, low_hz, RATE_HZ) ** 2
    power: FloatArray = gain * (RATE_HZ / 2) / (np.sum(gain) / DURATION_S)
    return power


def response(taps: FloatArray, low_hz: float = LOW_HZ, input_rate_hz: int = INPUT_RATE_HZ) -> Complex64Array:
    """Return what front end and whitening filter make of strain times ``STRAIN_SCALE``, shape (N_FFT / 2 + 1,)."""
    whitening = np.fft.rfft(taps, N_FFT)
    both: Complex64Array = (_front(low_hz, input_rate_hz) * whitening).astype(np.complex64)
    return both


@lru_cache(maxsize=8)
def _front(low_hz: float, input_rate_hz: int) -> ComplexArray:
    sections = FrontEnd(input_rate_hz, RATE_HZ, low_hz).sections
    return filters.response(sections, frequencies_hz(), input_rate_hz)


def whiten(waveforms: Complex64Array, response: Complex64Array, low_hz: float = LOW_HZ) -> WhitenedTemplates:
    """Whiten templates.

    Parameters
    ----------
    waveforms : array of complex64, shape (n_templates, N_FFT / 2 + 1)
        From :func:`~stream.infer.filterbank.waveforms.waveforms`.
    response : array of complex64, shape (N_FFT / 2 + 1,)
        From :func:`response`.
    """
    spectra = waveforms * response
    power = spectra.real**2 + spectra.imag**2
    # As samples: the transform of strain per hertz is RATE_HZ times the continuous one. The output of noise with power
    # P has the variance sum |U|^2 P / N over both signs of frequency; the signal gives sum |U|^2 / N.
    scale = 2.0 * RATE_HZ**2 / N_FFT
    noise = scale * (power @ noise_power(low_hz).astype(np.float32)).astype(np.float64)
    signal = scale * power.sum(axis=1, dtype=np.float64)
    norm = np.sqrt(noise)
    return WhitenedTemplates(spectra * (RATE_HZ / norm)[:, None].astype(np.float32), signal / norm)
