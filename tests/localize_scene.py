"""What the tests of the follow-up share: signals in two detectors' noise, whitened as live, cut to a snapshot."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from filterbank_scene import START_NS, Conditioned, add_signal, condition, noise

from stream.records import Background, Candidate, Peak, Snapshot, SnrSeries, WhitenedSegment
from stream.simulate.psds import Psd
from stream.timebase import HOP_NS, HOPS_PER_S

MERGER_S = 30.3
HEAVY = np.array([36.0, 29.0, 0.1, 0.0])
LIGHT = np.array([12.0, 8.0, 0.2, 0.0])


def whitened(
    snr: float,
    row: np.ndarray = HEAVY,
    *,
    seed: int = 5,
    strain: np.ndarray | None = None,
    phase_rad: float = 0.0,
) -> Conditioned:
    """Whiten one detector's noise with a signal in it."""
    heard = noise(33, seed) if strain is None else strain.copy()
    if snr > 0.0:
        add_signal(heard, row, MERGER_S, snr, phase_rad)
    return condition(heard)


def arrival_s(row: np.ndarray) -> float:
    """Return when the merger of a signal of :func:`whitened` passes the detector, after ``START_NS``."""
    return (add_signal(np.zeros(33 * 4096), row, MERGER_S, 1.0) - START_NS) * 1e-9


def cut(heard: Conditioned, detector: str, before_s: float = 13.0, after_s: float = 0.25) -> WhitenedSegment:
    """Cut out what a snapshot holds of a detector; the first filter is the one in force where it begins."""
    at = round(MERGER_S * HOPS_PER_S)
    first, stop = at - round(before_s * HOPS_PER_S), at + round(after_s * HOPS_PER_S)
    gps_ns = START_NS + first * HOP_NS
    older = [f for f in heard.filters if f.gps_ns <= gps_ns]
    newer = [f for f in heard.filters if gps_ns < f.gps_ns < START_NS + stop * HOP_NS]
    samples = heard.samples[first * 128 : stop * 128].astype(np.float32)
    return WhitenedSegment(detector, gps_ns, 2048, samples, heard.valid[first:stop], (*older[-1:], *newer))


def snapshot(heard: Mapping[str, Conditioned], template: int | None = None, after_s: float = 0.25) -> Snapshot:
    """Put detectors together as the search hands them on."""
    names = tuple(heard)
    peak = Peak(
        START_NS + round((MERGER_S - 0.011) * 1e9), 12.0, names, tuple((n, 10.0) for n in names), START_NS + 32 * 10**9,
        names, template,
    )  # fmt: skip
    candidate = Candidate(peak, 1e-12, False, Background("shipped", 1e6, names), "carillon 1")
    return Snapshot(candidate, tuple(cut(each, name, after_s=after_s) for name, each in heard.items()))


def top(series: SnrSeries) -> tuple[float, complex]:
    """Return time of the maximum, in seconds after ``START_NS``, and the value there, between the samples."""
    k = int(np.abs(series.snr).argmax())
    fine = np.linspace(-1.0, 1.0, 2001)
    lags = np.arange(k - 24, k + 25)
    kernel = np.sinc(fine[:, None] + k - lags) * np.cos(np.pi * (fine[:, None] + k - lags) / 52.0) ** 2
    values = kernel @ series.snr[lags]
    best = int(np.abs(values).argmax())
    seconds = (series.gps_ns - START_NS) * 1e-9 + (k + fine[best]) / series.sample_rate_hz
    return seconds, complex(values[best])


def moving(changes_s: float, spectrum: Psd, seed: int = 5, seconds: int = 33) -> np.ndarray:
    """Return noise whose spectrum becomes another one at a time."""
    before, after = noise(seconds, seed), noise(seconds, seed, spectrum)
    time_s = np.arange(len(before)) / 4096
    return np.where(time_s < changes_s, before, after)


def peak_ns(series: SnrSeries) -> int:
    """Return when a series is largest, GPS."""
    seconds, _ = top(series)
    return START_NS + round(seconds * 1e9)
