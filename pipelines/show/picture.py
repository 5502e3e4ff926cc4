"""A picture of an event: whitened strain, Q-scan and ranking statistic around it.

:class:`Recorder` is a tap of the search that remembers the last seconds; :func:`draw` makes the picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gwpy.timeseries import TimeSeries
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stream.detect.head import QUIET
from stream.records import Candidate, Statistic, WhitenedSegment
from stream.timebase import NS_PER_S, gps_ns_to_iso
from stream.types import FloatArray, IntArray

_BEFORE_S, _AFTER_S = 0.6, 0.3
_MARGIN_S = 1.0


class Recorder:
    """Remember whitened strain and statistic for a while.

    Parameters
    ----------
    seconds : float
        How far back.
    """

    def __init__(self, seconds: float = 20.0) -> None:
        self._keep_ns = round(seconds * NS_PER_S)
        self._whitened: deque[tuple[WhitenedSegment, ...]] = deque()
        self._told: deque[Statistic] = deque()

    def __call__(self, whitened: Sequence[WhitenedSegment], statistic: Statistic) -> None:
        """Take a span."""
        self._whitened.append(tuple(whitened))
        self._told.append(statistic)
        while self._whitened[0][0].end_ns < whitened[0].end_ns - self._keep_ns:
            self._whitened.popleft()
            self._told.popleft()

    def strain(self, detector: str) -> tuple[int, int, FloatArray]:
        """Return start (GPS ns), rate and whitened strain of a detector."""
        pieces = [s for span in self._whitened for s in span if s.detector == detector]
        joined: FloatArray = np.concatenate([p.samples for p in pieces]).astype(np.float64)
        return pieces[0].gps_ns, pieces[0].sample_rate_hz, joined

    def statistic(self) -> tuple[IntArray, FloatArray, bool]:
        """Return times (GPS ns), the statistic there, and whether that is a curve."""
        time_ns = np.concatenate([told.time_ns for told in self._told])
        return time_ns, np.concatenate([told.value for told in self._told]), self._told[0].is_curve


def draw(recorder: Recorder, candidate: Candidate, title: str, path: Path) -> None:
    """Write the picture of a candidate (PNG)."""
    detectors = candidate.peak.detectors
    figure = Figure(figsize=(10, 2.4 * (len(detectors) * 2 + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 * len(detectors) + 1, 1, sharex=True)
    for k, detector in enumerate(detectors):
        _strain(axes[2 * k], recorder, detector, candidate.gps_ns)
        _qscan(axes[2 * k + 1], recorder, detector, candidate.gps_ns)
    _statistic(axes[-1], recorder, candidate)
    axes[-1].set_xlim(-_BEFORE_S, _AFTER_S)
    axes[-1].set_xlabel(f"time from {gps_ns_to_iso(candidate.gps_ns)} (GPS {candidate.gps_ns / NS_PER_S:.3f}) [s]")
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _around(start_ns: int, rate: int, values: FloatArray, gps_ns: int) -> tuple[FloatArray, FloatArray]:
    """Return times from the event, and values, near it."""
    t = (start_ns - gps_ns) / NS_PER_S + np.arange(len(values)) / rate
    near = (t > -_BEFORE_S - _MARGIN_S) & (t < _AFTER_S + _MARGIN_S)
    return t[near], values[near]


def _strain(axes: Axes, recorder: Recorder, detector: str, gps_ns: int) -> None:
    t, values = _around(*recorder.strain(detector), gps_ns)
    axes.plot(t, values, lw=0.7, color="tab:blue")
    axes.set_ylabel(f"{detector}\nwhitened strain [$\\sigma$]")


def _qscan(axes: Axes, recorder: Recorder, detector: str, gps_ns: int) -> None:
    _, rate, _ = recorder.strain(detector)
    t, values = _around(*recorder.strain(detector), gps_ns)
    series = TimeSeries(values, t0=float(t[0]), sample_rate=rate)
    scan = series.q_transform(
        frange=(20, 512), qrange=(4, 32), whiten=False, outseg=(-_BEFORE_S, _AFTER_S), tres=0.002, fres=2.0
    )
    mesh = axes.pcolormesh(scan.times.value, scan.frequencies.value, scan.value.T, vmin=0, vmax=25.0, shading="auto")
    axes.set_yscale("log")
    axes.set_ylabel(f"{detector}\nfrequency [Hz]")
    axes.figure.colorbar(mesh, ax=axes, label="normalised energy")


def _statistic(axes: Axes, recorder: Recorder, candidate: Candidate) -> None:
    time_ns, values, is_curve = recorder.statistic()
    style = {"lw": 1.0} if is_curve else {"ls": "", "marker": "."}
    t = (time_ns - candidate.gps_ns) / NS_PER_S
    near = np.abs(t) < _BEFORE_S + _MARGIN_S
    axes.plot(t[near], np.where(values > QUIET, values, np.nan)[near], color="tab:red", **style)
    axes.axvline(
        (candidate.peak.confirmed_ns - candidate.gps_ns) / NS_PER_S, color="0.5", ls=":", label="peak confirmed"
    )
    axes.axvline(0.0, color="0.5", ls="--", label="merger")
    axes.set_ylabel("ranking statistic")
    axes.legend(loc="upper left", handlelength=2.0)
