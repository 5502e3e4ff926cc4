"""The matched filter at a candidate: SNR series of the best template in each detector that was heard, and the masses.

Stands first in the follow-up: ``Snapshot → SnrSeries, MassPosterior``. The bank's templates next to the
candidate's are filtered first, by sums of half a hertz (:mod:`stream.localize.nearby`); around the best of them the
masses are refined beyond the bank's grid (:mod:`stream.localize.masses`); the best template of all is filtered at the
full resolution. Templates are cut 12 s before the merger, as in the search: of lighter binaries the slow beginning is
left out, and its SNR with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import lal
import numpy as np
from scipy import fft

from stream.errors import DataError
from stream.infer.filterbank.bank import Bank
from stream.infer.filterbank.waveforms import DURATION_S, N_FFT, RATE_HZ, chirp_mass_msun, waveforms
from stream.infer.filterbank.whitened import LOW_HZ
from stream.localize.masses import MassSampler
from stream.localize.nearby import BINS, LAGS, Nodes, Reference, binned, binned_hz, in_sums, refer
from stream.localize.strain import ALIGN, Heard, hear, kept_noise_power
from stream.records import MassPosterior, Snapshot, SnrSeries
from stream.timebase import NS_PER_S, samples_to_ns
from stream.types import Complex64Array, Float32Array, FloatArray, IntArray

WINDOW = 104
"""Samples of a series on either side of the loudest arrival: 51 ms, light's way between any two sites and slack."""

NEIGHBOURS = 6
"""Templates of the bank on either side of the candidate's, in the order of chirp mass, that are tried."""

LEAST_SHARE = 0.5
"""A detector that heard less than this part of the best template's power (a gap) is left out."""

_AROUND = 60  # samples about the candidate's time within which the loudest detector has its maximum
_SLACK = 3  # samples beside light's way
_COARSE = 2 * N_FFT // 2 // BINS  # samples of 2048 Hz on the circle of the sums of half a hertz: 2 s


@dataclass(frozen=True, slots=True)
class Filtered:
    """What the matched filter found.

    Attributes
    ----------
    series : tuple of SnrSeries
        One of each detector that was heard, on the same samples.
    masses : MassPosterior
    parameters : array of float64, shape (4,)
        Of the template: masses and spins.
    """

    series: tuple[SnrSeries, ...]
    masses: MassPosterior
    parameters: FloatArray


class MatchedFilter:
    """Filters snapshots; made once, since it makes the bank's waveforms.

    Parameters
    ----------
    bank : Bank
        Of the network that found the candidates, or another one for a network that has none.
    own : bool
        Whether candidates' templates are numbers in this bank.
    low_hz : float
        ``condition.low_frequency_hz``.
    """

    def __init__(self, bank: Bank, *, own: bool = True, low_hz: float = LOW_HZ) -> None:
        self._bank, self._own, self._low_hz = bank, own, low_hz
        self._waveforms = waveforms(bank.parameters)
        self._conjugate = self._waveforms.conj()[:, :-1]
        squared = self._waveforms.real**2 + self._waveforms.imag**2
        self._squared = binned(squared)
        self._mchirp = chirp_mass_msun(bank.parameters)
        self._nodes = Nodes()
        self._sampler = MassSampler(self._nodes)

    def filter(self, snapshot: Snapshot) -> Filtered:
        """Filter a snapshot.

        Raises
        ------
        DataError
            If no detector's strain holds the merger, or no template fits.
        """
        tried = self._tried(snapshot)
        heard = self._heard(snapshot, int(tried[0]))
        number, lags = self._best_of_bank(heard, tried)
        wave = self._waveforms[number]
        first = refer(self._nodes, self._bank.parameters[number], wave, heard, lags)

        def again(row: FloatArray, lags: Sequence[int]) -> Reference:
            return refer(self._nodes, row, waveforms(row[None])[0], heard, lags)

        masses, best = self._sampler.sample(first, again)
        wave = waveforms(best[None])[0]
        return Filtered(_all_series(heard, wave), masses, best)

    def _heard(self, snapshot: Snapshot, template: int) -> list[Heard]:
        """Return the detectors whose strain holds the merger, and most of a template."""
        heard, why = [], []
        for segment in snapshot.strain:
            try:
                each = hear(segment, snapshot.candidate.gps_ns, float(self._mchirp[template]), self._low_hz)
                share = each.share(self._waveforms[template])
                if not share >= LEAST_SHARE:
                    raise DataError(f"{segment.detector} was valid for {100 * share:.0f} % of the signal only")
                heard.append(each)
            except DataError as error:
                why.append(str(error))
        if not heard:
            raise DataError("; ".join(why) or "the snapshot holds no strain: nothing can be filtered")
        return heard

    def _tried(self, snapshot: Snapshot) -> IntArray:
        """Return the numbers of the templates to try."""
        template = snapshot.candidate.peak.template
        if template is None or not self._own or not 0 <= template < len(self._bank):
            return np.arange(len(self._bank))
        return np.arange(max(0, template - NEIGHBOURS), min(len(self._bank), template + NEIGHBOURS + 1))

    def _best_of_bank(self, heard: Sequence[Heard], tried: IntArray) -> tuple[int, list[int]]:
        """Return the most likely template, and when it arrives in each detector, in samples from its ``gps_ns``."""
        power = np.stack([self._power(each, tried) for each in heard])  # detectors, templates, lags
        middle = power.shape[2] // 2
        near = power[:, :, middle - _AROUND : middle + _AROUND + 1]
        loudest = int(near.max(axis=2).max(axis=1).argmax())
        total, at = np.zeros(len(tried)), np.zeros((len(heard), len(tried)), dtype=np.int64)
        own = near[loudest].argmax(axis=1) - _AROUND
        for d, each in enumerate(heard):
            reach = 0 if d == loudest else _light_samples(each.detector, heard[loudest].detector) + _SLACK
            offset = own[:, None] + np.arange(-reach, reach + 1)
            values = np.take_along_axis(power[d], np.clip(middle + offset, 0, power.shape[2] - 1), axis=1)
            at[d] = own + values.argmax(axis=1) - reach
            total += values.max(axis=1)
        k = int((0.5 * total + self._bank.ln_weight[tried]).argmax())
        return int(tried[k]), at[:, k].tolist()

    def _power(self, heard: Heard, tried: IntArray) -> FloatArray:
        """Return |z|^2 of templates about a detector's ``gps_ns``, by sums of half a hertz; shape (n, n_lags)."""
        block = slice(int(tried[0]), int(tried[-1]) + 1)
        sums = in_sums(self._conjugate[block] * heard.data[:-1])
        z = fft.ifft(sums, _COARSE, axis=1, norm="forward")
        reach = 2 * _AROUND
        z = np.concatenate((z[:, -reach:], z[:, : reach + 1]), axis=1) * (2.0 * RATE_HZ / N_FFT)
        noise = binned(heard.power) / BINS
        norm = (2.0 * RATE_HZ**2 / N_FFT) * (self._squared[block] @ noise)
        power: FloatArray = (z.real**2 + z.imag**2) / np.maximum(norm, 1e-30)[:, None]
        return power


def _light_samples(first: str, second: str) -> int:
    """Return light's way between two detectors in samples, rounded up."""
    sites = [lal.cached_detector_by_prefix[name] for name in (first, second)]
    return int(-(-lal.LightTravelTime(*sites) * RATE_HZ // NS_PER_S))


def _all_series(heard: Sequence[Heard], waveform: Complex64Array) -> tuple[SnrSeries, ...]:
    """Return a template's SNR series in each detector, about the time when the loudest one has it loudest."""
    z, autocorrelation, sigma = zip(*(_circle(each, waveform) for each in heard), strict=True)
    reach = np.arange(-_AROUND - LAGS, _AROUND + LAGS + 1)
    near = np.abs(np.stack([each[reach] for each in z]))
    loudest = int(reach[near.max(axis=0).argmax()])
    centre = ALIGN * round(loudest / ALIGN)
    window = np.arange(-WINDOW, WINDOW + 1)
    return tuple(
        SnrSeries(
            each.detector, each.gps_ns + samples_to_ns(centre - WINDOW, RATE_HZ), RATE_HZ, z[d][centre + window],
            autocorrelation[d], sigma[d],
        )
        for d, each in enumerate(heard)
    )  # fmt: skip


def _circle(heard: Heard, waveform: Complex64Array) -> tuple[Complex64Array, Complex64Array, float]:
    """Return a template's SNR around the circle, its autocorrelation within the window, and its SNR at 1 Mpc."""
    spectrum = heard.template(waveform)
    power = spectrum.real**2 + spectrum.imag**2
    scale = 2.0 / N_FFT  # as in whitened.whiten: both signs of frequency
    noise = scale * float(power @ kept_noise_power(heard.low_hz)[:-1])
    signal = scale * float(power.sum(dtype=np.float64))
    product = np.zeros(N_FFT, dtype=np.complex64)
    product[: N_FFT // 2] = (heard.data * waveform.conj())[:-1] * (2.0 * RATE_HZ / np.sqrt(noise))
    return fft.ifft(product, overwrite_x=True), _autocorrelation(power), signal / np.sqrt(noise)


def _autocorrelation(power: Float32Array) -> Complex64Array:
    """Return the autocorrelation of a template of this power at ``WINDOW`` samples on either side, by its sums."""
    lag = np.arange(-WINDOW, WINDOW + 1)
    series = fft.ifft(in_sums(power), _COARSE, norm="forward")[lag]
    # A sum stands for its middle; within it the phase turns.
    within = np.exp(2j * np.pi * binned_hz()[0] * lag / RATE_HZ) / np.sinc(BINS / DURATION_S * lag / RATE_HZ)
    out: Complex64Array = (series * within / series[WINDOW].real).astype(np.complex64)
    return out
