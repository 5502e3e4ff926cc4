"""Minimum-phase whitening.

A causal filter whose magnitude is the inverse amplitude spectral density, and whose phase delays least among
all filters of that magnitude (zero-latency whitening: Tsukada et al., Phys. Rev. D 97, 103009 (2018)). It is
made by folding the real cepstrum (Oppenheim & Schafer, Discrete-Time Signal Processing, section 13.7).
"""

from __future__ import annotations

import numpy as np

from stream.types import AnyFloatArray, ComplexArray, FloatArray

FIR_S = 1.0
_CEPSTRUM_OVERSAMPLING = 8


def band_gain(frequencies_hz: AnyFloatArray, low_hz: float, sample_rate_hz: int) -> FloatArray:
    """Return the whitened spectrum's wanted amplitude: 1 in band, falling off outside.

    The upper edge lies where the anti-alias filter begins to cut (0.8 of the Nyquist frequency).
    """
    high_hz, stop_hz = 0.38 * sample_rate_hz, 0.44 * sample_rate_hz
    low = np.minimum(1.0, (np.maximum(frequencies_hz, 1e-3) / low_hz) ** 6)
    x = np.clip((frequencies_hz - high_hz) / (stop_hz - high_hz), 0.0, 1.0)
    gain: FloatArray = low * (np.cos(0.5 * np.pi * x) ** 2 + 1e-4)
    return gain


def minimum_phase_fir(psd: FloatArray, sample_rate_hz: int, low_hz: float) -> FloatArray:
    """Design the whitening filter.

    Parameters
    ----------
    psd : array of float64, shape (n_frequencies,)
        One-sided PSD per hertz, from 0 to the Nyquist frequency.
    sample_rate_hz : int
        Rate of the data.
    low_hz : float
        Lower edge of the band.

    Returns
    -------
    array of float64, shape (sample_rate * FIR_S,)
        Impulse response; noise of that PSD comes out with unit variance and a flat spectrum in band.
    """
    n_taps = int(FIR_S * sample_rate_hz)
    n_fft = n_taps * _CEPSTRUM_OVERSAMPLING
    grid = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    known = np.linspace(0.0, sample_rate_hz / 2, len(psd))
    gain = band_gain(grid, low_hz, sample_rate_hz)
    floor = max(float(np.max(psd)) * 1e-30, 1e-300)
    log_psd = np.interp(grid, known, np.log(np.maximum(psd, floor)))
    # Unit variance: the whitened one-sided density is gain^2 / sum(gain^2 df).
    df = grid[1] - grid[0]
    log_magnitude = np.log(gain) - 0.5 * (log_psd + np.log(np.sum(gain**2) * df))
    cepstrum = np.fft.irfft(log_magnitude, n_fft)
    cepstrum[1 : n_fft // 2] *= 2.0
    cepstrum[n_fft // 2 + 1 :] = 0.0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), n_fft)[:n_taps]
    quarter = n_taps // 4
    response[-quarter:] *= np.cos(0.5 * np.pi * (np.arange(quarter) + 1) / (quarter + 1)) ** 2
    fir: FloatArray = response
    return fir


def fast_length(n: int) -> int:
    """Return the least length of at least ``n`` that has no prime factor above 5: FFTs of it are fast."""
    best = 1 << (n - 1).bit_length()
    odd = 1
    while odd < best:
        factor = odd
        while factor < best:
            best = min(best, factor << max(0, (-(-n // factor) - 1).bit_length()))
            factor *= 3
        odd *= 5
    return best


class Fir:
    """A filter applied by FFT to pieces with their history; spectra are kept per length."""

    def __init__(self, taps: FloatArray) -> None:
        self.taps = taps
        self._spectra: dict[int, ComplexArray] = {}

    def apply(self, history_and_piece: FloatArray, count: int) -> FloatArray:
        """Return the last ``count`` outputs; the input carries ``len(taps) - 1`` samples of history first."""
        n_fft = fast_length(len(history_and_piece))
        if n_fft not in self._spectra:
            self._spectra[n_fft] = np.fft.rfft(self.taps, n_fft)
        filtered = np.fft.irfft(np.fft.rfft(history_and_piece, n_fft) * self._spectra[n_fft], n_fft)
        start = len(self.taps) - 1
        output: FloatArray = filtered[start : start + count]
        return output
