"""The panels of an event's picture and page: whitened strain, Q-scan, ranking statistic."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from pipelines.show.evidence import Evidence
from pipelines.show.qscan import qscan
from pipelines.show.theme import Theme
from stream.records import WhitenedSegment
from stream.timebase import NS_PER_S
from stream.types import FloatArray

BEFORE_S, AFTER_S = 0.6, 0.3
"""What is shown around the merger."""
_ENERGY = 25.0
_LOW_HZ, _HIGH_HZ = 20.0, 800.0
"""Whitened strain ends at 830 Hz, where the decimation begins."""


def strain_panel(axes: Axes, segment: WhitenedSegment, gps_ns: int, theme: Theme) -> None:
    """Draw whitened strain around a merger; where it was not heard there is no line."""
    time_s = _time_s(segment, gps_ns)
    valid = np.repeat(segment.valid, len(segment.samples) // max(len(segment.valid), 1))
    near = (time_s > -BEFORE_S) & (time_s < AFTER_S)
    axes.plot(time_s[near], np.where(valid, segment.samples, np.nan)[near], lw=0.8, color=theme.second)
    axes.set_ylabel("whitened [σ]")  # noqa: RUF001 - the letter


def qscan_panel(axes: Axes, segment: WhitenedSegment, gps_ns: int, theme: Theme) -> QuadMesh:
    """Draw the Q-scan around a merger."""
    first_s = (segment.gps_ns - gps_ns) / NS_PER_S
    time_s = np.linspace(-BEFORE_S, min(AFTER_S, (segment.end_ns - gps_ns) / NS_PER_S), 400)
    frequency_hz = np.geomspace(_LOW_HZ, _HIGH_HZ, 120)
    energy = qscan(segment.samples, segment.sample_rate_hz, time_s - first_s, frequency_hz)
    mesh = axes.pcolormesh(
        time_s, frequency_hz, np.minimum(energy, _ENERGY), vmin=0, vmax=_ENERGY, shading="gouraud",
        cmap=theme.colours(), rasterized=True,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_yticks([20, 50, 100, 200, 400, 800], labels=["20", "50", "100", "200", "400", "800"], minor=False)
    axes.set_yticks([], minor=True)
    axes.set_ylabel("frequency [Hz]")
    return mesh


def statistic_panel(axes: Axes, evidence: Evidence, theme: Theme, *, before_s: float, after_s: float) -> None:
    """Draw the ranking statistic over time: a curve, or a point for each event of a network that tells events alone."""
    time_s = (evidence.time_ns - evidence.gps_ns) / NS_PER_S
    near = (time_s > -before_s) & (time_s < after_s)
    if evidence.is_curve:
        axes.plot(time_s[near], evidence.statistic[near], lw=1.0, color=theme.line)
    else:
        axes.vlines(time_s[near], 0, evidence.statistic[near], lw=1.0, color=theme.line)
        axes.plot(time_s[near], evidence.statistic[near], ls="", marker="o", ms=4, color=theme.line)
        axes.set_ylim(0, None)
    axes.axvline(0.0, color=theme.dim, ls="--", lw=1.0)
    axes.set_ylabel("ranking statistic")


def _time_s(segment: WhitenedSegment, gps_ns: int) -> FloatArray:
    return (segment.gps_ns - gps_ns) / NS_PER_S + np.arange(len(segment.samples)) / segment.sample_rate_hz
