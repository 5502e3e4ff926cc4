"""Pictures of sky maps: the whole sky with its 50 and 90 % regions, the region near by, and the distance.

Drawn with matplotlib from multi-order pixels; neither healpy nor ligo.skymap is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.show import mollweide
from pipelines.show.near_by import draw_part, part_of
from pipelines.show.theme import LIGHT, Theme
from stream.records import SkyMap
from stream.regions import (
    area_text,
    credible_areas_deg2,
    credible_levels,
    distance_density,
    distance_interval_mpc,
    distance_text,
    pixels_at,
)

_LEVELS = (0.5, 0.9)
_WIDTH_PX = 960


def plot_skymap(
    skymap: SkyMap, path: Path | BinaryIO, other: SkyMap | None = None, labels: Sequence[str] = (), theme: Theme = LIGHT
) -> None:
    """Write a picture of a map, or of two side by side (PNG).

    Parameters
    ----------
    skymap : SkyMap
    path : Path or binary file
    other : SkyMap, optional
        Drawn beside the first, each with the other's 90 % region as a dashed line.
    labels : sequence of str
        Title of each.
    theme : Theme
    """
    maps = [skymap] if other is None else [skymap, other]
    with mpl.rc_context(theme.figure()):
        figure = Figure(figsize=(6.4 * len(maps), 6.3), layout="constrained")
        FigureCanvasAgg(figure)
        columns = figure.subfigures(1, len(maps), squeeze=False)[0]
        reach_mpc = max((_reach_mpc(each) for each in maps), default=0.0)
        for k, (column, each) in enumerate(zip(columns, maps, strict=True)):
            rows = column.subfigures(2, 1, height_ratios=[3.4, 2.6])
            title = labels[k] if k < len(labels) else ""
            beside = maps[1 - k] if len(maps) == 2 else None
            draw_whole_sky(rows[0].subplots(), each, beside, title, theme)
            part = part_of(each)
            below = np.atleast_1d(rows[1].subplots(1, 1 if part is None else 2))
            if part is not None:
                draw_part(below[0], each, part, theme)
            _distance(below[-1], each, reach_mpc, theme)
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", dpi=150)


def draw_whole_sky(axes: Axes, skymap: SkyMap, other: SkyMap | None, title: str, theme: Theme) -> None:
    """Draw a map on the whole sky, with its 50 and 90 % regions, and another's 90 % region as a dashed line."""
    ra, dec, inside = mollweide.grid(_WIDTH_PX)
    at = pixels_at(skymap, ra, dec)
    density = np.where(inside, skymap.probdensity[at], np.nan)
    clip = mollweide.frame(axes, theme)
    shown = axes.imshow(
        np.sqrt(density), origin="lower", extent=mollweide.EXTENT, cmap=theme.colours(), vmin=0, zorder=1,
        interpolation="nearest",
    )  # fmt: skip
    shown.set_clip_path(clip)
    levels = np.where(inside, credible_levels(skymap)[at], np.nan)
    axes.contour(levels, _LEVELS, extent=mollweide.EXTENT, colors=theme.contour, linewidths=(1.6, 1.0), zorder=3)
    if other is not None:
        levels = np.where(inside, credible_levels(other)[pixels_at(other, ra, dec)], np.nan)
        axes.contour(
            levels, [0.9], extent=mollweide.EXTENT, colors=theme.second, linewidths=1.0, linestyles="dashed", zorder=3
        )
    half, most = credible_areas_deg2(skymap, _LEVELS)
    found = f"90 %: {area_text(most)}   50 %: {area_text(half)}"
    axes.set_title("\n".join(line for line in (title, found) if line), fontsize=12)


def _reach_mpc(skymap: SkyMap) -> float:
    """Return the distance to which a curve is drawn."""
    interval = distance_interval_mpc(skymap, 0.998)
    return 1.1 * interval[1] if interval is not None else 0.0


def _distance(axes: Axes, skymap: SkyMap, reach_mpc: float, theme: Theme) -> None:
    """Draw the density over distance, its 90 % interval filled."""
    distance_mpc = np.linspace(0, reach_mpc or 1.0, 300)
    density = distance_density(skymap, distance_mpc)
    interval = distance_interval_mpc(skymap, 0.9)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if density is None or interval is None:
        axes.set_axis_off()
        axes.set_title("no distance in this map", y=0.5, color=theme.dim, fontsize=11)
        return
    axes.plot(distance_mpc, density, color=theme.line, lw=1.8)
    held = (distance_mpc >= interval[0]) & (distance_mpc <= interval[1])
    axes.fill_between(distance_mpc[held], density[held], color=theme.line, alpha=0.3, lw=0)
    axes.set_xlim(0, reach_mpc)
    axes.set_ylim(0, None)
    axes.set_xlabel("distance [Mpc]")
    axes.set_title(f"{distance_text(skymap)}\n90 %: {interval[0]:.0f} to {interval[1]:.0f} Mpc", fontsize=11)
