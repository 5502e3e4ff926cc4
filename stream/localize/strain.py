"""One detector's snapshot, made ready for the matched filter: any template, at any time, whitened as the data were.

Whitened strain is ``sum_m w_m(t) (fir_m * x)(t)``: filters change while a signal passes, each faded in over half a
second, and ``w_m`` are their shares (zero where strain is not valid). A template ``u`` must be treated in the same way,
or its time and phase are biased: 0.04 to 0.26 ms where a PSD moved by half near 100 Hz. Its product with the data,

    sum_t d(t) sum_m w_m(t) (fir_m * u)(t) = sum_m < fir_m^T * (w_m d), u >,

needs one spectrum ``G = sum_m FFT(w_m d) conj(R_m)`` for all templates and all times: exact, whenever filters changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from stream.errors import DataError
from stream.infer.filterbank.waveforms import DURATION_S, N_FFT, RATE_HZ, frequencies_hz
from stream.infer.filterbank.whitened import LOW_HZ, noise_power, response
from stream.records import WhitenedSegment
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S, samples_to_ns
from stream.types import BoolArray, Complex64Array, Float32Array, FloatArray, IntArray

BEFORE_S, AFTER_S = 13.5, 1.5
"""Of the circle of 16 s, what strain may fill; templates begin 12 s before the merger."""

_FROM_HZ, _LIGHTER, _SETTLED_S = 15.0, 0.8, 2.0
"""Strain is taken from when a binary of that part of the chirp mass passes this frequency, and as long as filters ring:
earlier strain says nothing of any template that is tried, and the filters that whitened it need not be followed."""

FADE_S = 0.5
"""How long a new whitening filter is faded in: see :mod:`stream.condition.conditioner`."""

MOST_SIGMA = 1e6
"""Whitened strain of unit variance is no louder: a hop that holds more, or what is no number, is not valid."""

ALIGN = 4
"""So many samples of 2048 Hz are a whole number of nanoseconds."""

_HOP = RATE_HZ // HOPS_PER_S
_MTSUN_S = 4.925490947e-6


@dataclass(frozen=True, slots=True)
class Pass:
    """A stretch of a snapshot that one filter whitened: its share at each sample of the circle, and its response."""

    share: Float32Array
    response: Complex64Array


@dataclass(frozen=True, slots=True)
class Heard:
    """One detector around a candidate; sample 0 of the circle of 16 s is at ``gps_ns``.

    Attributes
    ----------
    detector : str
    gps_ns : int
        A sample of the whitened strain.
    data : array of complex64, shape (N_FFT / 2 + 1,)
        G of the module's docstring.
    passes : tuple of Pass
    low_hz : float
        Lower edge of the band that whitening was made for.
    power : array of float32, shape (N_FFT / 2 + 1,)
        What a template's |u|^2 is to be multiplied with to be its noise power, for templates that pass each frequency
        about when the candidate does.
    """

    detector: str
    gps_ns: int
    data: Complex64Array
    passes: tuple[Pass, ...]
    low_hz: float
    power: Float32Array

    def share(self, waveform: Complex64Array) -> float:
        """Return how much of a template's power lies in strain that was valid, by the filter in force at the end."""
        squared = waveform.real**2 + waveform.imag**2
        last = self.passes[-1].response
        whole = (last.real**2 + last.imag**2) * kept_noise_power(self.low_hz)
        return float(squared @ self.power) / float(squared @ whole)

    def template(self, waveform: Complex64Array) -> Complex64Array:
        """Return the spectrum of a template whitened as the data are, its merger at sample 0; shape (N_FFT / 2,).

        The one-sided spectrum is an analytic signal of 1024 Hz: every second sample holds it all.
        """
        spectra = np.stack([(waveform * part.response)[:-1] for part in self.passes])
        series = fft.ifft(spectra, axis=1, overwrite_x=True)
        series *= np.stack([part.share[::2] for part in self.passes])
        spectrum: Complex64Array = fft.fft(np.float32(RATE_HZ) * series.sum(axis=0), overwrite_x=True)
        return spectrum


@lru_cache(maxsize=1)
def _passing_of_unit_s() -> FloatArray:
    passing: FloatArray = 5.0 / 256.0 * (np.pi * np.maximum(frequencies_hz(), 1.0)) ** (-8 / 3)
    return passing


def _passing_s(mchirp_msun: float) -> FloatArray:
    """Return when a binary passes each frequency, before its merger.

    To leading order: Maggiore, Gravitational Waves vol. 1, eq. 4.20.
    """
    passing: FloatArray = (mchirp_msun * _MTSUN_S) ** (-5 / 3) * _passing_of_unit_s()
    return passing


@lru_cache(maxsize=4)
def kept_noise_power(low_hz: float) -> Float32Array:
    """Return :func:`~stream.infer.filterbank.whitened.noise_power`, kept."""
    return noise_power(low_hz).astype(np.float32)


def hear(segment: WhitenedSegment, gps_ns: int, mchirp_msun: float, low_hz: float = LOW_HZ) -> Heard:
    """Make a detector's whitened strain ready.

    Parameters
    ----------
    segment : WhitenedSegment
        At 2048 Hz; the first of its filters is the one in force where it begins.
    gps_ns : int
        About when the merger passed; within the segment.
    mchirp_msun : float
        About the chirp mass, or the least one that is tried.
    low_hz : float
        ``condition.low_frequency_hz``.

    Raises
    ------
    DataError
        If the strain cannot hold the merger: other rate, no filter, not around that time, nothing valid.
    """
    start, at = _place(segment, gps_ns)
    samples, valid = _possible(segment)
    before_s = min(BEFORE_S, _SETTLED_S + _passing_s(mchirp_msun * _LIGHTER)[round(_FROM_HZ * DURATION_S)])
    first, stop = max(0, at - int(before_s * RATE_HZ)), min(len(samples), at + int(AFTER_S * RATE_HZ))
    wanted = np.arange(first, stop)
    position = wanted - at
    passes, data = [], np.zeros(N_FFT // 2 + 1, dtype=np.complex64)
    for share, taps, rate_hz in _shares(segment, valid, wanted):
        circle = np.zeros(N_FFT, dtype=np.float32)
        circle[position] = share
        if not circle.any():
            continue
        part = Pass(circle, response(taps, low_hz, rate_hz))
        piece = np.zeros(N_FFT, dtype=np.float32)
        piece[position] = share * samples[wanted]
        data += fft.rfft(piece) * part.response.conj()
        passes.append(part)
    if not passes:
        raise DataError(f"no strain of {segment.detector} is valid around GPS {gps_ns / NS_PER_S:.3f}")
    return Heard(segment.detector, start, data, tuple(passes), low_hz, _power(passes, mchirp_msun, low_hz))


def _power(passes: Sequence[Pass], mchirp_msun: float, low_hz: float) -> Float32Array:
    """Return the noise power: which filter whitened a frequency follows from when a binary passes it."""
    sample = -np.minimum(_passing_s(mchirp_msun) * RATE_HZ, BEFORE_S * RATE_HZ).astype(np.int64)
    whole = np.zeros(N_FFT // 2 + 1, dtype=np.complex64)
    for part in passes:
        whole += part.share[sample] * part.response
    power: Float32Array = (whole.real**2 + whole.imag**2) * kept_noise_power(low_hz)
    return power


def _place(segment: WhitenedSegment, gps_ns: int) -> tuple[int, int]:
    """Return the time and number of the sample next to a time, such that the time is whole nanoseconds."""
    if segment.sample_rate_hz != RATE_HZ:
        raise DataError(f"{segment.detector} was whitened at {segment.sample_rate_hz} Hz, templates at {RATE_HZ}")
    if not segment.gps_ns <= gps_ns < segment.end_ns:
        raise DataError(
            f"the snapshot of {segment.detector} is of GPS {segment.gps_ns / NS_PER_S:.3f} to "
            f"{segment.end_ns / NS_PER_S:.3f}, and the merger at {gps_ns / NS_PER_S:.3f} is not in it"
        )
    if not segment.filters:
        raise DataError(f"the snapshot of {segment.detector} does not say which filter whitened it: no template fits")
    at = ALIGN * round((gps_ns - segment.gps_ns) * RATE_HZ / NS_PER_S / ALIGN)
    return segment.gps_ns + samples_to_ns(at, RATE_HZ), at


def _possible(segment: WhitenedSegment) -> tuple[Float32Array, BoolArray]:
    """Return samples and which hops are valid; a hop that no noise and no glitch can bring is not, and is zero."""
    hops = np.abs(segment.samples).reshape(-1, _HOP)
    possible: BoolArray = (hops < MOST_SIGMA).all(axis=1) & segment.valid
    return np.where(np.repeat(possible, _HOP), segment.samples, np.float32(0.0)), possible


def _shares(segment: WhitenedSegment, valid: BoolArray, wanted: IntArray) -> list[tuple[Float32Array, FloatArray, int]]:
    """Return for each filter its share at the wanted samples of the segment, its taps and its input's rate."""
    time = (wanted + 0.5).astype(np.float32)
    heard = valid[wanted // _HOP].astype(np.float32)
    risen = []
    for k, each in enumerate(segment.filters):
        begin = (each.gps_ns - segment.gps_ns) * RATE_HZ / NS_PER_S
        hop = (each.gps_ns - segment.gps_ns) // HOP_NS
        if k == 0:
            risen.append(np.ones_like(time))
        elif 0 < hop <= len(valid) and not segment.valid[hop - 1]:
            # Nothing was whitened just before: this one did not replace another, and is there at once.
            risen.append((time > begin).astype(np.float32))
        else:
            risen.append(np.clip((time - np.float32(begin)) / np.float32(FADE_S * RATE_HZ), 0.0, 1.0))
    after = [*risen[1:], np.zeros_like(time)]
    return [
        (heard * up * (1.0 - down), each.taps, each.input_rate_hz)
        for each, up, down in zip(segment.filters, risen, after, strict=True)
    ]
