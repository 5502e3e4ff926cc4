"""One detector's triggers of a template bank, by PyCBC: run by the interpreter that has it, and by nothing here.

``PYTHON pycbc_search.py STRAIN.npy BANK.npy OUT.npz`` imports numpy and pycbc only, since pycbc asks for a numpy of its
own. Strain is high-passed, very loud glitches are gated, the PSD is the median over the stretch. For every template the
loudest sample of each second above SNR 4 is a trigger, whose SNR from 5 on is re-weighted by its chi-squared in 16
bands of frequency (Usman et al., Class. Quantum Grav. 33, 215004 (2016)).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from pycbc import psd as psds
from pycbc import strain as strains
from pycbc import vetoes
from pycbc.events import ranking
from pycbc.filter import highpass, matched_filter_core
from pycbc.types import TimeSeries
from pycbc.waveform import get_fd_waveform

RATE_HZ = 2048
SEGMENT_S, PAD_S = 256, 16
LOW_HZ = 20.0
SNR_LEAST, CHISQ_LEAST = 4.0, 5.0
BANDS = 16
GATED_ABOVE = 50.0


def main(strain: str, bank: str, target: str) -> None:
    """Search a file."""
    pieces, psd = prepared(np.load(strain))
    found = []
    for k, (mass1, mass2, spin1, spin2) in enumerate(np.load(bank)):
        template, _ = get_fd_waveform(
            approximant="IMRPhenomXAS", mass1=mass1, mass2=mass2, spin1z=spin1, spin2z=spin2, delta_f=1 / SEGMENT_S,
            f_lower=LOW_HZ, distance=100,
        )  # fmt: skip
        template.resize(SEGMENT_S * RATE_HZ // 2 + 1)
        rows = np.concatenate([triggers(template, piece, psd, *span) for *span, piece in pieces])
        found.append(np.column_stack([np.full(len(rows), k), rows]))
    rows = np.concatenate(found)
    np.savez(target, template=rows[:, 0].astype(np.int64), time_s=rows[:, 1], rank=rows[:, 2])


def prepared(samples: Any) -> tuple[list[tuple[float, float, float, Any]], Any]:
    """Return segments (their start, from when to when they count, spectrum) and the PSD."""
    series = highpass(TimeSeries(samples, delta_t=1 / RATE_HZ), 15.0)
    loud = strains.detect_loud_glitches(series, threshold=GATED_ABOVE)
    if len(loud):
        series = strains.gate_data(series, [(float(t), 0.5, 0.25) for t in loud])
    psd = psds.interpolate(series.psd(8.0, avg_method="median"), 1 / SEGMENT_S)
    psd = psds.inverse_spectrum_truncation(psd, 8 * RATE_HZ, low_frequency_cutoff=LOW_HZ)
    length_s, done, cut = len(series) / RATE_HZ, float(PAD_S), []
    while done < length_s - PAD_S / 2:
        start = max(0.0, min(done - PAD_S, length_s - SEGMENT_S))
        stop = min(start + SEGMENT_S - PAD_S / 2, length_s)
        piece = series[round(start * RATE_HZ) : round(start * RATE_HZ) + SEGMENT_S * RATE_HZ]
        piece.resize(SEGMENT_S * RATE_HZ)  # a stretch that is shorter than a segment
        cut.append((start, done, stop, piece.to_frequencyseries()))
        done = stop
    return cut, psd


def triggers(template: Any, piece: Any, psd: Any, start_s: float, from_s: float, to_s: float) -> Any:
    """Return time and re-weighted SNR of the loudest sample of each second above the threshold, shape (n, 2)."""
    series, correlation, norm = matched_filter_core(template, piece, psd=psd, low_frequency_cutoff=LOW_HZ)
    lo, hi = (round((t - start_s) * RATE_HZ) for t in (from_s, to_s))
    values = series.numpy()
    snr = np.abs(values[lo:hi]) * norm
    snr = np.pad(snr, (0, -len(snr) % RATE_HZ)).reshape(-1, RATE_HZ)
    at = lo + snr.argmax(axis=1) + np.arange(len(snr)) * RATE_HZ
    loudest = snr.max(axis=1)
    at, loudest = at[loudest >= SNR_LEAST], loudest[loudest >= SNR_LEAST]
    rank, loud = loudest.copy(), loudest >= CHISQ_LEAST
    if loud.any():
        bins = vetoes.power_chisq_bins(template, BANDS, psd, LOW_HZ)
        chi = vetoes.power_chisq_at_points_from_precomputed(correlation, values[at[loud]], norm, bins, at[loud])
        rank[loud] = ranking.newsnr(loudest[loud], chi / (2 * BANDS - 2))
    return np.column_stack([start_s + at / RATE_HZ, rank])


if __name__ == "__main__":
    main(*sys.argv[1:])
