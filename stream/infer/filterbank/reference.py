"""The matched filter by FFT: no slices, no basis, no graph, no look at the clock. What the network must agree with."""

from __future__ import annotations

import numpy as np

from stream.condition.whitening import fast_length
from stream.infer.filterbank.peaks import PAST_LAGS, SNR_RATE_HZ, autocorrelation_chisq, find_peaks
from stream.infer.filterbank.waveforms import N_FFT, RATE_HZ
from stream.infer.filterbank.whitened import WhitenedTemplates, noise_power
from stream.records import Triggers
from stream.timebase import HOPS_PER_S, samples_to_ns
from stream.types import AnyFloatArray, BoolArray, Complex64Array

_AFTER_S = 4  # of the circle of 16 s, what is after the merger


def filter_strain(whitened: AnyFloatArray, templates: WhitenedTemplates) -> Complex64Array:
    """Return the complex SNR of each template as its merger moves over whitened strain.

    Parameters
    ----------
    whitened : array of float, shape (n,)
        At 2048 Hz; ``n`` is even. Strain outside counts as zero.

    Returns
    -------
    array of complex64, shape (n_templates, n / 2)
        At 1024 Hz: sample ``j`` is for a merger at sample ``2 j`` of the input.
    """
    n_fft = 2 * fast_length((len(whitened) + N_FFT) // 2)
    strain = np.fft.rfft(whitened, n_fft)[: n_fft // 2]
    out = np.empty((len(templates.spectra), len(whitened) // 2), dtype=np.complex64)
    before = (16 - _AFTER_S) * RATE_HZ
    for k, spectrum in enumerate(templates.spectra):
        series = np.roll(np.fft.irfft(spectrum, N_FFT), before)
        turned = strain * np.conj(np.fft.rfft(series, n_fft)[: n_fft // 2])
        # The one-sided product is an analytic signal of 1024 Hz: that many complex samples a second hold it all.
        z = np.fft.ifft(turned)
        out[k] = np.roll(z, before // 2)[: out.shape[1]]
    return out


def autocorrelations(templates: WhitenedTemplates) -> Complex64Array:
    """Return each template's response to itself at lags 0, -1, ... of 1024 Hz, shape (n_templates, PAST_LAGS + 1)."""
    power = (np.abs(templates.spectra) ** 2 * noise_power().astype(np.float32))[:, :-1]
    series = np.fft.ifft(power, axis=1)
    past = series[:, -np.arange(PAST_LAGS + 1)]
    unit: Complex64Array = (past / past[:, :1].real).astype(np.complex64)
    return unit


def triggers_of(
    z: Complex64Array,
    detector: str,
    gps_ns: int,
    valid: BoolArray,
    autocorrelation: Complex64Array,
    floor: float = 4.0,
) -> Triggers:
    """Return the triggers of a stretch of complex SNR.

    Parameters
    ----------
    z : array of complex64, shape (n_templates, n_hops * 64)
    gps_ns : int
        Its start.
    valid : array of bool, shape (n_hops,)
        A maximum in a hop that is not valid is no trigger; nor is one among the first 32 samples, which have no past.
    """
    by_time = np.ascontiguousarray(z.T)
    peaks = find_peaks(by_time, floor, PAST_LAGS, len(by_time) - 1)
    peaks = peaks.where(valid[peaks.sample * HOPS_PER_S // SNR_RATE_HZ])
    chisq = autocorrelation_chisq(by_time, peaks, autocorrelation)
    time_ns = peaks.time_ns(gps_ns, 0)
    order = np.lexsort((time_ns, peaks.template))
    return Triggers(
        detector,
        gps_ns,
        samples_to_ns(z.shape[1], SNR_RATE_HZ),
        valid,
        peaks.template[order].astype(np.int32),
        time_ns[order],
        peaks.snr[order],
        np.stack((chisq, np.full(len(chisq), np.nan, np.float32)), axis=1)[order],
        np.zeros(len(order), dtype=np.float32),
        np.ones(len(valid), dtype=np.float32),
    )
