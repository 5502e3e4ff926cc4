"""The graph's weights, made from kept waveforms and the whitening filter in force.

Each slice of all templates, cosine and sine, at all its phases, is written as a mix of few basis filters
(:mod:`stream.infer.filterbank.basis`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stream.condition.whitening import fast_length
from stream.infer.filterbank.basis import reduce
from stream.infer.filterbank.peaks import PAST_LAGS, SNR_RATE_HZ
from stream.infer.filterbank.slices import PHASES, SLICES, Slice, decimator_response, first_position
from stream.infer.filterbank.waveforms import DURATION_S, N_FFT, RATE_HZ, frequencies_hz
from stream.infer.filterbank.whitened import INPUT_RATE_HZ, LOW_HZ, noise_power, response, whiten
from stream.types import Complex64Array, Float32Array, FloatArray

_BLOCK = 32  # templates at once: whole spectra of all would take half a gigabyte
_BINS = 8  # of a spectrum, summed for the autocorrelation: half a hertz is fine for lags of 32 ms


@dataclass(frozen=True, slots=True)
class Weights:
    """What the graph filters with, and what goes with it.

    Attributes
    ----------
    taps : array of float64
        The whitening filter that this is for.
    input_rate_hz : int
        Rate of the strain before the front end, that this is for.
    basis : tuple of arrays of float32, shape (n_basis, 1, n_taps)
        One for each slice.
    mixing : array of float32, shape (PHASES, n_basis of all slices, 2 * n_templates)
        Real and imaginary part of each template stand side by side.
    rows : array of float32, shape (n_templates, PHASES, 2, n_basis of all slices)
        The same, template by template: what the chi-squared of a few triggers looks up.
    share : array of float32, shape (n_templates, n_slices)
        Part of the SNR's square that each slice brings.
    autocorrelation : array of complex64, shape (n_templates, PAST_LAGS + 1)
    kept : array of float64, shape (n_templates,)
        Part of the whole template's SNR that the slices and their bases keep.
    sigma : array of float64, shape (n_templates,)
        SNR at 1 Mpc, face-on.
    """

    taps: FloatArray
    input_rate_hz: int
    basis: tuple[Float32Array, ...]
    mixing: Float32Array
    rows: Float32Array
    share: Float32Array
    autocorrelation: Complex64Array
    kept: FloatArray
    sigma: FloatArray

    @property
    def edges(self) -> tuple[int, ...]:
        """Where each slice's filters begin among all, and how many there are."""
        return (0, *(int(n) for n in np.cumsum([len(b) for b in self.basis])))


def build(
    waveforms: Complex64Array, taps: FloatArray, input_rate_hz: int = INPUT_RATE_HZ, low_hz: float = LOW_HZ
) -> Weights:
    """Make the weights for a whitening filter.

    Parameters
    ----------
    waveforms : array of complex64, shape (n_templates, N_FFT / 2 + 1)
        From :func:`~stream.infer.filterbank.waveforms.waveforms`.
    taps : array of float64
        The filter at 2048 Hz, for strain times ``STRAIN_SCALE``.
    input_rate_hz : int
        Rate of the strain before the front end.
    """
    templates = whiten(waveforms, response(taps, low_hz, input_rate_hz), low_hz)
    power = noise_power(low_hz).astype(np.float32)
    blocks = [slice(k, k + _BLOCK) for k in range(0, len(waveforms), _BLOCK)]
    rows: list[list[Float32Array]] = [[] for _ in SLICES]
    for block in blocks:
        series = _series(templates.spectra[block])
        for mine, part in zip(rows, SLICES, strict=True):
            mine.append(_rows(series, part))
    reduced = [
        reduce(np.concatenate(mine), float(power.max()) / part.step) for mine, part in zip(rows, SLICES, strict=True)
    ]
    bases = [_spectra(basis, part) for (basis, _), part in zip(reduced, SLICES, strict=True)]
    mixed = [coordinates[:, 0] for _, coordinates in reduced]
    checked = [_check(bases, mixed, block, templates.spectra[block], power) for block in blocks]
    turn, kept, correlation = (np.concatenate(each) for each in zip(*checked, strict=True))
    turned = [
        np.einsum("kab,kbpn->kapn", turn, c.reshape(len(waveforms), 2, *c.shape[1:]), optimize=True) for _, c in reduced
    ]
    own = np.concatenate([np.tile(t.transpose(0, 2, 1, 3), (1, PHASES // t.shape[2], 1, 1)) for t in turned], axis=3)
    return Weights(
        taps,
        input_rate_hz,
        tuple(np.ascontiguousarray(basis[:, None]) for basis, _ in reduced),
        np.ascontiguousarray(own.transpose(1, 3, 0, 2).reshape(PHASES, own.shape[3], -1)),
        own,
        _share(turned),
        correlation,
        kept,
        templates.sigma,
    )


def _check(
    bases: list[Complex64Array], mixed: list[Float32Array], block: slice, templates: Complex64Array, power: Float32Array
) -> tuple[Float32Array, FloatArray, Complex64Array]:
    """Return, for a block of templates, what makes its filters orthonormal, the SNR kept, and the autocorrelation."""
    rows = slice(2 * block.start, 2 * block.stop)
    spectra = np.zeros((2 * len(templates), templates.shape[1]), dtype=np.complex64)
    for basis, coordinates in zip(bases, mixed, strict=True):
        spectra[:, : basis.shape[1]] += (coordinates[rows] @ basis.view(np.float32)).view(np.complex64)
    turn = _orthonormal(spectra, power)
    return turn, _kept(spectra, turn, templates), autocorrelation((np.abs(spectra[::2]) ** 2) * power)


def autocorrelation(power: Float32Array) -> Complex64Array:
    """Return the autocorrelation at lags 0, -1, ... of 1024 Hz of filters whose output has this power.

    Parameters
    ----------
    power : array of float32, shape (n_templates, N_FFT / 2 + 1)

    Returns
    -------
    array of complex64, shape (n_templates, PAST_LAGS + 1)
    """
    binned = power[:, :-1].reshape(len(power), -1, _BINS).sum(axis=2)
    frequency = (np.arange(binned.shape[1]) + 0.5 - 0.5 / _BINS) * _BINS / DURATION_S
    lags_s = np.arange(PAST_LAGS + 1) / SNR_RATE_HZ
    series = binned @ np.exp(-2j * np.pi * np.outer(frequency, lags_s)).astype(np.complex64)
    unit: Complex64Array = series / series[:, :1].real
    return unit


def _series(spectra: Complex64Array) -> Float32Array:
    """Return cosine and sine templates in turn, shape (2 n_templates, N_FFT), the merger at sample 0 of the circle."""
    two_sided = np.zeros((len(spectra), N_FFT), dtype=np.complex64)
    two_sided[:, : N_FFT // 2] = 2.0 * spectra[:, :-1]
    analytic = np.fft.ifft(two_sided, axis=1)
    return np.stack((analytic.real, -analytic.imag), axis=1).reshape(-1, N_FFT).astype(np.float32, copy=False)


def _rows(series: Float32Array, part: Slice) -> Float32Array:
    """Return a slice's filters, shape (n_rows, phases, n_taps), each at the slice's rate."""
    first = first_position(part)
    if part.step == 1:
        position = np.arange(first, first + part.n_taps)
        return (series[:, position] * part.window(position.astype(np.float64)).astype(np.float32))[:, None]
    start, n, gain = _smoothing(part)
    position = 2 * np.arange(start, start + n)
    piece = series[:, position] * part.window(position.astype(np.float64)).astype(np.float32)
    smooth = np.fft.irfft(np.fft.rfft(piece, axis=1) * gain, n, axis=1)
    # Phase p, tap b stands at first + step * b - 2 p.
    begin = first // 2 - (part.phases - 1) - start
    taken = smooth[:, begin : begin + part.phases * part.n_taps].reshape(len(series), part.n_taps, part.phases)
    return np.ascontiguousarray(taken[:, :, ::-1].transpose(0, 2, 1)).astype(np.float32)


@lru_cache(maxsize=len(SLICES))
def _smoothing(part: Slice) -> tuple[int, int, Float32Array]:
    """Return where a slice's piece at 1024 Hz begins, its length, and its gain: below that rate it all fits in."""
    room = part.half // 2 + PHASES
    n = PHASES * fast_length(-(-(part.phases * (part.n_taps + 2) + 2 * room) // PHASES))
    gain = decimator_response(part, np.arange(n // 2 + 1) * (RATE_HZ / (2.0 * n))).astype(np.float32) * part.step
    return first_position(part) // 2 - part.phases - room, n, gain


def _spectra(filters: Float32Array, part: Slice) -> Complex64Array:
    """Return the transforms, at 2048 Hz, of what a slice's filters do, shape (n_filters, up to N_FFT / 2 + 1).

    Parameters
    ----------
    filters : array of float32, shape (n_filters, n_taps)
        Of phase 0. Decimators pass nothing above the slice's rate.
    """
    n = N_FFT // part.step
    frequency = frequencies_hz()[: N_FFT // 2 + 1 if part.step == 1 else n]
    turn = decimator_response(part, frequency) * np.exp(-2j * np.pi * frequency * first_position(part) / RATE_HZ)
    spectrum = np.fft.rfft(filters, n, axis=1) if part.step == 1 else np.fft.fft(filters, n, axis=1)
    found: Complex64Array = spectrum * turn.astype(np.complex64)
    return found


def _orthonormal(spectra: Complex64Array, power: Float32Array) -> Float32Array:
    """Return what makes each pair of rows uncorrelated and of unit variance in noise, shape (n_templates, 2, 2).

    The symmetric way (the inverse root of their covariance) leaves the phase where it was.
    """
    pairs = spectra.reshape(-1, 2, spectra.shape[1])
    covariance = (2.0 / N_FFT) * np.einsum("kaf,kbf->kab", pairs * power, pairs.conj(), optimize=True).real
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    turn: Float32Array = ((vectors / np.sqrt(values)[:, None]) @ vectors.transpose(0, 2, 1)).astype(np.float32)
    return turn


def _kept(spectra: Complex64Array, turn: Float32Array, templates: Complex64Array) -> FloatArray:
    """Return each template's SNR through the slices over that of the whole template, shape (n_templates,)."""
    pairs = turn @ spectra.reshape(-1, 2, spectra.shape[1])
    answer = (2.0 / N_FFT) * np.einsum("kaf,kf->ka", pairs.conj(), templates, optimize=True)
    whole = (2.0 / N_FFT) * (np.abs(templates) ** 2).sum(axis=1, dtype=np.float64)
    # Real part: the cosine template's answer; imaginary part: the sine's. Averaged over the phase.
    kept: FloatArray = np.sqrt(0.5 * (np.abs(answer) ** 2).sum(axis=1)) / whole
    return kept


def _share(turned: list[Float32Array]) -> Float32Array:
    energy = np.stack(
        [(c**2).sum(axis=(1, 2, 3)) / (c.shape[2] * part.step) for c, part in zip(turned, SLICES, strict=True)], axis=1
    )
    share: Float32Array = energy / energy.sum(axis=1, keepdims=True)
    return share
