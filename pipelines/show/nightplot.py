"""A night as a picture: the sky map with the best fields on it, and for each site airmass and moon by the hour."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.show import mollweide
from pipelines.show.skyplot import draw_whole_sky
from pipelines.show.theme import LIGHT, Theme
from pipelines.subscribe.observing import AtSite, Plan
from stream.records import SkyMap
from stream.text import clean

_DAY_NS = 86_400 * 10**9
_WORST = 3.0
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
        figure = Figure(figsize=(8.0, 4.2 + 3.0 * len(plan.sites)), layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subplots(1 + len(plan.sites), 1, height_ratios=[4.2, *[3.0] * len(plan.sites)], squeeze=False)
        _sky(rows[0][0], skymap, plan, title, theme)
        for (axes,), site in zip(rows[1:], plan.sites, strict=True):
            _night(axes, site, plan, theme)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", dpi=150)


def _sky(axes: Axes, skymap: SkyMap, plan: Plan, title: str, theme: Theme) -> None:
    draw_whole_sky(axes, skymap, None, clean(title, 64), theme)
    for colour, target in zip(_COLOURS, plan.targets[: plan.shown], strict=False):
        x, y = mollweide.place(np.radians([target.ra_deg]), np.radians([target.dec_deg]))
        axes.plot(x, y, "o", ms=6, mfc="none", mec=colour, mew=1.6, zorder=5)


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
    step = 1 if hours[-1] - hours[0] < 16 else 6
    ticks = np.arange(math.ceil(hours[0]), hours[-1], step)
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
