"""A night as a picture: the sky map with the best fields on it, and for each site airmass and moon by the hour."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.show import mollweide
from pipelines.show.near_by import draw_part, part_of, to_plane
from pipelines.show.skyplot import draw_whole_sky
from pipelines.show.theme import LIGHT, Theme
from pipelines.subscribe.observing import AtSite, Plan
from stream.records import SkyMap
from stream.sky.shapes import edge_of
from stream.text import clean
from stream.types import FloatArray

_DAY_NS = 86_400 * 10**9
_WORST = 3.0
_WIDTHS = {False: (2.0, 1.0), True: (1.0,)}
_TORN = 0.5
_COLOURS = ("#8c1d18", "#1f5fa8", "#3a7d34", "#b3731a", "#6b3fa0", "#0f8b8d", "#c2417c", "#5b6470")


def plot_plan(skymap: SkyMap, plan: Plan, path: Path, title: str = "", theme: Theme = LIGHT) -> None:
    """Write a picture of a plan (PNG): at most eight targets are drawn.

    Parameters
    ----------
    skymap : SkyMap
    plan : Plan
    path : Path
    title : str
    theme : Theme
    """
    with mpl.rc_context(theme.figure()):
        figure = Figure(figsize=(9.6, 4.0 + 3.0 * len(plan.sites)), layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subfigures(1 + len(plan.sites), 1, height_ratios=[4.0, *[3.0] * len(plan.sites)], squeeze=False)
        part = part_of(skymap)
        whole, *near = np.atleast_1d(
            rows[0, 0].subplots(1, 1 if part is None else 2, width_ratios=_WIDTHS[part is None])
        )
        draw_whole_sky(whole, skymap, None, clean(title, 64), theme)
        _outlines(whole, plan, mollweide.place)
        if part is not None:
            draw_part(near[0], skymap, part, theme)
            _outlines(near[0], plan, lambda ra, dec: to_plane(ra, dec, part))
        for row, site in zip(rows[1:, 0], plan.sites, strict=True):
            _night(row.subplots(), site, plan, theme)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", dpi=150)


def _outlines(axes: Axes, plan: Plan, place: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]) -> None:
    """Draw the edges of the targets where they are in the picture, without what goes around its back."""
    limits = axes.get_xlim(), axes.get_ylim()
    for colour, target in zip(_COLOURS, plan.targets[: plan.shown], strict=False):
        ra, dec = edge_of(target.field)
        x, y = place(np.mod(ra, 2 * math.pi), dec)
        torn = np.append(np.hypot(np.diff(x), np.diff(y)) > _TORN, False)
        axes.plot(np.where(torn, np.nan, x), y, color=colour, lw=1.4, zorder=5)
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])


def _night(axes: Axes, site: AtSite, plan: Plan, theme: Theme) -> None:
    night, seen = site.night, site.seen
    day_ns = int(night.unix_ns[0]) // _DAY_NS * _DAY_NS
    hours = (night.unix_ns - day_ns) / 3.6e12
    worst = max(_WORST, 1.2 * plan.airmass)
    for start, end in night.dark:
        axes.axvspan((start - day_ns) / 3.6e12, (end - day_ns) / 3.6e12, color=theme.grid, alpha=0.35, lw=0)
    for colour, target, curve in zip(_COLOURS, plan.targets, site.curves, strict=False):
        sine = np.sin(np.radians(curve.altitude_deg))
        airmass = np.where(sine > 1 / worst, 1 / np.maximum(sine, 1e-3), np.nan)
        axes.plot(
            hours, airmass, color=colour, lw=1.8, label=f"{clean(target.name, 24)}  {100 * target.probability:.1f} %"
        )
    axes.axhline(plan.airmass, color=theme.dim, lw=0.9, ls="dashed")
    axes.set_ylim(worst, 1.0)
    axes.set_ylabel("airmass")
    axes.set_xlim(float(hours[0]), float(hours[-1]))
    step = 1 if hours[-1] - hours[0] < 16 else 3
    ticks = np.arange(math.ceil(hours[0] / step) * step, hours[-1], step)
    axes.set_xticks(ticks, [f"{tick % 24:.0f}h" for tick in ticks])
    axes.set_xlabel(f"UTC, from {datetime.fromtimestamp(day_ns / 1e9, UTC):%Y-%m-%d}")
    told = seen.reason or f"{100 * seen.probability:.0f} % of the map can be seen"
    title = f"{clean(seen.site.name, 32)}: {told}, moon {100 * seen.moon_illumination:.0f} % lit"
    axes.set_title(title, fontsize=11)
    if site.curves:
        axes.legend(fontsize=8, loc="lower left", ncols=2)
    beside = axes.twinx()
    beside.plot(hours, np.where(night.moon_deg > 0, night.moon_deg, np.nan), color=theme.dim, lw=1.2, ls="dotted")
    beside.set_ylim(0, 90)
    beside.set_ylabel("moon's altitude [°], dotted", color=theme.dim)
    beside.spines["right"].set_visible(True)
