"""The whole sky on an ellipse of equal areas: right ascension grows to the left, 12 h is in the middle.

Source: J. P. Snyder, Map Projections, USGS Professional Paper 1395 (1987), page 249.
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from pipelines.show.theme import Theme
from stream.types import BoolArray, FloatArray

_HALF_X, _HALF_Y = 2 * math.sqrt(2), math.sqrt(2)


def grid(width: int) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return right ascension and declination of the points of a picture, and which lie on the sky.

    Each has the shape (width / 2, width), the south first; angles in radians, some declination outside of the sky too.
    """
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = (np.arange(width // 2) + 0.5) / (width // 2) * 2 - 1
    theta = np.arcsin(y)[:, None]
    inside = x**2 + y[:, None] ** 2 < 1
    dec = np.arcsin((2 * theta + np.sin(2 * theta)) / math.pi) + 0 * x
    ra = math.pi - math.pi * x / np.cos(theta)
    return np.where(inside, ra, 0.0), dec, inside


def place(ra_rad: FloatArray, dec_rad: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return where points of the sky are in the picture."""
    theta = np.linspace(-math.pi / 2, math.pi / 2, 2001)
    at = np.interp(dec_rad, np.arcsin((2 * theta + np.sin(2 * theta)) / math.pi), theta)
    east = np.mod(ra_rad, 2 * math.pi) - math.pi
    return -_HALF_X / math.pi * east * np.cos(at), _HALF_Y * np.sin(at)


EXTENT = (-_HALF_X, _HALF_X, -_HALF_Y, _HALF_Y)
"""Of the picture whose points :func:`grid` gives."""


def frame(axes: Axes, theme: Theme) -> Ellipse:
    """Draw the outline, meridians and parallels with their names, and return the outline to clip with."""
    outline = Ellipse((0, 0), 2 * _HALF_X, 2 * _HALF_Y, facecolor=theme.sky, edgecolor=theme.text, lw=1.0, zorder=0)
    axes.add_patch(outline)
    along = np.linspace(-math.pi / 2, math.pi / 2, 91)
    for hour in range(3, 24, 3):
        axes.plot(*place(np.full(91, hour * math.pi / 12), along), color=theme.grid, lw=0.6, zorder=2)
    for dec in range(-60, 90, 30):
        x, y = place(np.linspace(1e-6, 2 * math.pi - 1e-6, 91), np.full(91, math.radians(dec)))
        axes.plot(x, y, color=theme.grid, lw=0.6, zorder=2)
        side = "center" if dec == 0 else "bottom" if dec > 0 else "top"
        name = f"{dec:+d}°" if dec else "0°"
        axes.text(float(x[-1]) - 0.04, float(y[-1]), name, color=theme.dim, fontsize=9, ha="right", va=side)
    for hour in range(3, 24, 3):
        x, y = place(np.array([hour * math.pi / 12]), np.zeros(1))
        axes.text(
            float(x[0]), float(y[0]) + 0.03, f"{hour}h", color=theme.dim, fontsize=9, ha="center", va="bottom", zorder=4
        )
    axes.set_xlim(-_HALF_X * 1.09, _HALF_X * 1.02)
    axes.set_ylim(-_HALF_Y * 1.03, _HALF_Y * 1.03)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return Ellipse((0, 0), 2 * _HALF_X, 2 * _HALF_Y, transform=axes.transData)
