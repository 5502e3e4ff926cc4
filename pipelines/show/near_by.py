"""The part of the sky that holds a map's 90 % region, north up and east to the left, areas kept.

Source: J. P. Snyder, Map Projections, USGS Professional Paper 1395 (1987), page 182 (Lambert's azimuthal equal-area).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from pipelines.show.theme import Theme
from stream.healpix import centres
from stream.records import SkyMap
from stream.regions import credible_levels, most_probable_deg, pixels_at, probability
from stream.types import FloatArray

_PIXELS = 360
_STEPS_DEG = (0.2, 0.5, 1, 2, 5, 10, 15, 30, 45)
_EDGE = 8
_WIDEST_RAD = math.radians(60.0)
_LEAST_RAD = math.radians(0.3)


@dataclass(frozen=True, slots=True)
class Part:
    """A circle on the sky, all in radians."""

    ra: float
    dec: float
    radius: float


def part_of(skymap: SkyMap) -> Part | None:
    """Return the circle around the middle of the 90 % region that holds it; None where that is half the sky."""
    held = credible_levels(skymap) <= 0.9
    held[np.argmax(skymap.probdensity)] = True
    ra, dec = centres(skymap.uniq[held])
    weight = probability(skymap)[held]
    vectors = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    middle = vectors @ weight
    length = float(np.linalg.norm(middle))
    if length < 0.1 * weight.sum():
        return None
    middle /= length
    radius = float(np.arccos(np.clip((middle @ vectors).min(), -1, 1)))
    if radius > _WIDEST_RAD:
        return None
    return Part(math.atan2(middle[1], middle[0]), math.asin(np.clip(middle[2], -1, 1)), max(1.15 * radius, _LEAST_RAD))


def draw_part(axes: Axes, skymap: SkyMap, part: Part, theme: Theme) -> None:
    """Draw the density with the 50 and 90 % regions, coordinates, and the most probable place."""
    half = 2 * math.sin(part.radius / 2)
    side = np.linspace(-half, half, _PIXELS)
    ra, dec = from_plane(side[None, ::-1], side[:, None], part)
    at = pixels_at(skymap, ra, dec)
    extent = (half, -half, -half, half)
    axes.imshow(
        np.sqrt(skymap.probdensity[at]), origin="lower", extent=extent, cmap=theme.colours(), vmin=0,
        interpolation="nearest",
    )  # fmt: skip
    _coordinates(axes, ra, dec, part, half, theme)
    levels = credible_levels(skymap)[at]
    axes.contour(levels, (0.5, 0.9), extent=extent, colors=theme.contour, linewidths=(1.6, 1.0), zorder=3)
    best_ra, best_dec = most_probable_deg(skymap)
    x, y = to_plane(np.radians([best_ra]), np.radians([best_dec]), part)
    axes.plot(x, y, "+", color=theme.contour, ms=9, zorder=4)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"+ RA {best_ra:.1f}° Dec {best_dec:+.1f}°", fontsize=11)


def _coordinates(axes: Axes, ra: FloatArray, dec: FloatArray, part: Part, half: float, theme: Theme) -> None:
    """Draw lines of right ascension and declination, with their values at the lower and the left edge."""
    reach_deg = math.degrees(part.radius)
    # Continuous but for the line opposite to the middle, which is left out.
    from_middle = np.degrees(np.mod(ra - part.ra + math.pi, 2 * math.pi) - math.pi)
    from_middle[np.abs(from_middle) > 170] = np.nan
    wide_deg = reach_deg / max(math.cos(part.dec), 0.02)
    dec_deg = np.degrees(dec)
    for value in _lines(axes, dec_deg, reach_deg, half, theme):
        at = _crossing(dec_deg[:, _EDGE], value)
        if at is not None:
            axes.text(
                half * (1 - 2 * _EDGE / _PIXELS), -half + 2 * half * at, f"{value:+g}°", fontsize=8, color=theme.dim,
                va="center", zorder=4,
            )  # fmt: skip
    ra_deg = from_middle + math.degrees(part.ra)
    for value in _lines(axes, ra_deg, wide_deg, half, theme):
        at = _crossing(ra_deg[_EDGE], value)
        if at is not None:
            axes.text(
                half - 2 * half * at, -half * (1 - 2 * _EDGE / _PIXELS), f"{value % 360:g}°", fontsize=8,
                color=theme.dim, ha="center", zorder=4,
            )  # fmt: skip


def _lines(axes: Axes, values: FloatArray, reach_deg: float, half: float, theme: Theme) -> list[float]:
    """Draw lines at whole steps of a coordinate, and return where."""
    step = next((s for s in _STEPS_DEG if s >= reach_deg / 2.5), _STEPS_DEG[-1])
    low, high = math.ceil(float(np.nanmin(values)) / step), math.floor(float(np.nanmax(values)) / step)
    wanted = [step * k for k in range(low, high + 1)]
    if wanted:
        extent = (half, -half, -half, half)
        axes.contour(values, wanted, extent=extent, colors=theme.grid, linewidths=0.7, linestyles="solid", zorder=2)
    return wanted


def _crossing(along: FloatArray, value: float) -> float | None:
    """Return how far along an edge, from 0 to 1, a coordinate has a value; None if nowhere, or too near to its ends."""
    from_value = along - value
    crossed = np.flatnonzero(from_value[:-1] * from_value[1:] <= 0)  # not where there is no number
    at = float(crossed[0] / _PIXELS) if len(crossed) else 0.0
    return at if 0.08 < at < 0.92 else None


def from_plane(x: FloatArray, y: FloatArray, part: Part) -> tuple[FloatArray, FloatArray]:
    """Return right ascension and declination of points of the plane; x to the east, y to the north."""
    x, y = x + 0 * y, y + 0 * x
    rho = np.maximum(np.hypot(x, y), 1e-12)
    angle = 2 * np.arcsin(np.clip(rho / 2, 0, 1))
    sine, cosine = np.sin(angle), np.cos(angle)
    dec = np.arcsin(np.clip(cosine * math.sin(part.dec) + y * sine * math.cos(part.dec) / rho, -1, 1))
    ra = part.ra + np.arctan2(x * sine, rho * math.cos(part.dec) * cosine - y * math.sin(part.dec) * sine)
    return ra, dec


def to_plane(ra: FloatArray, dec: FloatArray, part: Part) -> tuple[FloatArray, FloatArray]:
    """Return the points of the plane that belong to places of the sky."""
    turn = ra - part.ra
    cosine = math.sin(part.dec) * np.sin(dec) + math.cos(part.dec) * np.cos(dec) * np.cos(turn)
    scale = np.sqrt(2 / np.maximum(1 + cosine, 1e-12))
    north = math.cos(part.dec) * np.sin(dec) - math.sin(part.dec) * np.cos(dec) * np.cos(turn)
    return scale * np.cos(dec) * np.sin(turn), scale * north
