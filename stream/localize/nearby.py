"""Templates near a reference: what each would have found, without filtering the data again.

The ratio of two waveforms is smooth where they are alike. The product of data and reference is summed between a hundred
or so nodes in frequency, once; any other waveform then costs its values at the nodes and a small matrix product
(relative binning: Zackay, Dai & Venumadhav, arXiv:1806.08792; heterodyne: Cornish, arXiv:1007.4820).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import lal
import lalsimulation
import numpy as np

from stream.infer.filterbank.waveforms import DURATION_S, RATE_HZ
from stream.localize.strain import Heard
from stream.types import Complex64Array, ComplexArray, Float32Array, FloatArray, IntArray

BINS = 8
"""Of a spectrum (1/16 Hz each), summed at once: the phase turns by less than 0.1 in them within 50 ms."""

LAGS = 32
"""Samples on either side of the reference's own time at which another template may have its merger."""

_Spectrum = TypeVar("_Spectrum", Complex64Array, Float32Array)
_LOWEST_HZ, _HIGHEST_HZ, _NODES = 12.0, 1000.0, 160


def binned(spectrum: _Spectrum) -> _Spectrum:
    """Return a spectrum in sums of half a hertz; shape (..., N_FFT / 2 + 1) to (..., N_FFT / 2 / BINS)."""
    return in_sums(spectrum[..., :-1])


def in_sums(bins: _Spectrum) -> _Spectrum:
    """Return sums of ``BINS`` neighbours along the last axis: a product, many times faster than a short sum."""
    whole: _Spectrum = (bins.reshape(-1, BINS) @ np.ones(BINS, dtype=bins.dtype)).reshape(*bins.shape[:-1], -1)
    return whole


def binned_hz() -> FloatArray:
    """Return the middle frequencies of those sums."""
    return (np.arange(DURATION_S * RATE_HZ // 2 // BINS) + 0.5 - 0.5 / BINS) * BINS / DURATION_S


class Nodes:
    """The nodes, and waveforms on them."""

    def __init__(self) -> None:
        middle = self._middle_hz = binned_hz()
        wanted = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _NODES)
        self.index: IntArray = np.unique(np.searchsorted(middle, wanted))
        self.frequency_hz: FloatArray = middle[self.index]
        self._sequence = lal.CreateREAL8Sequence(len(self.index))
        self._sequence.data = self.frequency_hz
        inside = np.arange(self.index[0], self.index[-1])
        right = np.searchsorted(self.index, inside, side="right")
        step = self.index[right] - self.index[right - 1]
        lags = np.arange(-LAGS, LAGS + 1) / RATE_HZ
        self._turn: Complex64Array = np.exp(2j * np.pi * np.outer(middle, lags)).astype(np.complex64)
        self._rise: Float32Array = ((inside - self.index[right - 1]) / step).astype(np.float32)

    def __len__(self) -> int:
        return len(self.index)

    def waveform(self, row: Sequence[float] | FloatArray) -> ComplexArray:
        """Return IMRPhenomXAS at the nodes, up to a constant factor; of masses, larger first, and spins."""
        m1, m2, chi1, chi2 = (float(v) for v in row)
        series = lalsimulation.SimIMRPhenomXASFrequencySequence(
            self._sequence, m1 * lal.MSUN_SI, m2 * lal.MSUN_SI, chi1, chi2, 1e6 * lal.PC_SI, 0.0, 20.0, None
        )
        values: ComplexArray = np.array(series.data.data)
        return values

    def answers(self, product: Complex64Array, lag: int) -> Complex64Array:
        """Return what sums over half hertz give at ``LAGS`` samples about ``lag``, shared out to the nodes."""
        shifted = product * np.exp(2j * np.pi * lag / RATE_HZ * self._middle_hz).astype(np.complex64)
        return self.gathered(shifted[:, None] * self._turn)

    def gathered(self, values: _Spectrum) -> _Spectrum:
        """Return sums over half hertz, shape (n_sums, ...), shared out to the nodes on either side, linearly."""
        inside = values[self.index[0] : self.index[-1]]
        rise = self._rise.reshape(-1, *(1,) * (values.ndim - 1))
        starts = self.index[:-1] - self.index[0]
        out = np.zeros((len(self), *values.shape[1:]), dtype=values.dtype)
        out[:-1] = np.add.reduceat(inside * (1.0 - rise), starts, axis=0)
        out[1:] += np.add.reduceat(inside * rise, starts, axis=0)
        return out


@dataclass(frozen=True, slots=True)
class Reference:
    """A template with all that other templates near it are compared through.

    Attributes
    ----------
    parameters : array of float64, shape (4,)
    lags : tuple of int
        When it arrives in each detector, in samples from that one's ``gps_ns``.
    at_nodes : array of complex128, shape (n_nodes,)
    answers : array of complex64, shape (n_detectors, n_nodes, 2 LAGS + 1)
        Each node's part of the product with the data, at each time.
    power : array of float64, shape (n_detectors, n_nodes)
        Each node's part of the noise power.
    """

    parameters: FloatArray
    lags: tuple[int, ...]
    at_nodes: ComplexArray
    answers: Complex64Array
    power: FloatArray

    def power_at(self, waveforms: ComplexArray | Complex64Array, every: int = 1) -> tuple[FloatArray, FloatArray]:
        """Return what other templates find.

        Parameters
        ----------
        waveforms : array of complex, shape (n, n_nodes)
        every : int
            Which times are wanted, from the first on.

        Returns
        -------
        array of float64, shape (n, n_times)
            Sum over the detectors of |z|^2, all arriving the same time later than the reference.
        array of float64, shape (n, n_detectors)
            SNR of each at 1 Mpc, up to a constant factor.
        """
        inverse = np.divide(1.0, self.at_nodes, out=np.zeros_like(self.at_nodes), where=np.abs(self.at_nodes) > 0.0)
        ratio = (waveforms * inverse).astype(np.complex64)
        sigma = np.sqrt((ratio.real**2 + ratio.imag**2) @ self.power.T)
        wanted = self.answers[:, :, ::every]
        total = np.zeros((len(waveforms), wanted.shape[2]))
        for answers, norm in zip(wanted, sigma.T, strict=True):
            z = ratio.conj() @ answers
            total += (z.real**2 + z.imag**2) / np.maximum(norm, 1e-30)[:, None] ** 2
        return total, sigma


def refer(
    nodes: Nodes, parameters: FloatArray, waveform: Complex64Array, heard: Sequence[Heard], lags: Sequence[int]
) -> Reference:
    """Make a template a reference.

    Parameters
    ----------
    nodes : Nodes
    parameters : array of float64, shape (4,)
    waveform : array of complex64, shape (N_FFT / 2 + 1,)
        Of :func:`~stream.infer.filterbank.waveforms.waveforms`.
    heard : sequence of Heard
    lags : sequence of int
        When it arrives in each detector, in samples from its ``gps_ns``.
    """
    squared, conjugate = waveform.real**2 + waveform.imag**2, waveform.conj()
    answers, power = [], []
    scale = 2.0 / (DURATION_S * RATE_HZ) * RATE_HZ  # as in whitened.whiten: sums over samples, templates per hertz
    for each, lag in zip(heard, lags, strict=True):
        product = np.complex64(scale) * binned(each.data * conjugate)
        answers.append(nodes.answers(product, lag))
        noise = binned(squared * each.power)
        power.append(scale * RATE_HZ * nodes.gathered(noise).astype(np.float64))
    return Reference(parameters, tuple(lags), nodes.waveform(parameters), np.stack(answers), np.stack(power))
