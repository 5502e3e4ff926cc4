"""The pictures of an event page, as PNG in few bytes."""

from __future__ import annotations

from io import BytesIO

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pipelines.show import panels
from pipelines.show.evidence import AFTER_S, Evidence
from pipelines.show.panels import qscan_panel, statistic_panel, strain_panel
from pipelines.show.skyplot import plot_skymap
from pipelines.show.theme import DARK
from stream.records import SkyMap, WhitenedSegment

_COLOURS = 160
_DPI = 140
_STATISTIC_BEFORE_S, _STATISTIC_AFTER_S = 16.0, AFTER_S
"""What is shown of the ranking statistic around the merger."""


def map_png(skymap: SkyMap) -> bytes:
    """Draw a sky map."""
    out = BytesIO()
    plot_skymap(skymap, out, theme=DARK)
    return _small(out)


def detector_png(segment: WhitenedSegment, gps_ns: int) -> bytes:
    """Draw whitened strain and Q-scan of a detector around a merger."""
    with mpl.rc_context(DARK.figure()):
        figure = _figure(6.4, 4.6)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.5])
        strain_panel(above, segment, gps_ns, DARK)
        qscan_panel(below, segment, gps_ns, DARK)
        below.set_xlabel("time from the merger [s]")
        below.set_xlim(-panels.BEFORE_S, panels.AFTER_S)
        return _written(figure)


def statistic_png(evidence: Evidence) -> bytes:
    """Draw the ranking statistic over time."""
    with mpl.rc_context(DARK.figure()):
        figure = _figure(6.4, 3.2)
        axes = figure.subplots()
        statistic_panel(axes, evidence, DARK, before_s=_STATISTIC_BEFORE_S, after_s=_STATISTIC_AFTER_S)
        axes.set_xlim(-_STATISTIC_BEFORE_S, _STATISTIC_AFTER_S)
        axes.set_xlabel("time from the merger [s]")
        return _written(figure)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _written(figure: Figure) -> bytes:
    out = BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    return _small(out)


def _small(png: BytesIO) -> bytes:
    """Return a picture with few colours: a third of the bytes, and no difference to the eye."""
    out = BytesIO()
    with Image.open(png) as picture:
        picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()
