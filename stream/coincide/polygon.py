"""A region with straight sides: even within, and beyond its sides falling off as a Gaussian of the distance.

How wide: of a convex polygon of area A and perimeter P in a plane, what lies outside is to what lies inside as
P s sqrt(pi / 2) + 2 pi s**2 to A (Steiner's formula, integrated); s follows from the probability inside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stream.coincide.shapes import Point
from stream.types import BoolArray, FloatArray

_LEAST_SR = 1e-14


@dataclass(frozen=True, slots=True)
class Polygon:
    """A polygon whose sides are parts of great circles; its inside is where its corners' middle is."""

    corners: FloatArray  # unit vectors, shape (n, 3)
    area_sr: float
    spread_rad: float
    stretched: float = 1.0

    @classmethod
    def of(cls, corners: tuple[Point, ...], containment: float) -> Polygon | None:
        """Return the one that holds a probability inside; None where the corners have no area."""
        points = _vectors(*np.array(corners).T)
        distinct = np.any(points != np.roll(points, 1, axis=0), axis=1)
        points = points[distinct]
        if len(points) < 3:
            return None
        following = np.roll(points, -1, axis=0)
        perimeter = float(np.sum(np.arccos(np.clip(np.sum(points * following, axis=1), -1, 1))))
        area = _area_sr(points)
        if area < _LEAST_SR:
            return None
        outside = area * (1 - containment) / containment
        # 2 pi s^2 + perimeter sqrt(pi / 2) s - outside = 0
        side = perimeter * math.sqrt(math.pi / 2)
        spread = 2 * outside / (side + math.sqrt(side**2 + 8 * math.pi * outside))
        return cls(points, area, spread)

    def density(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return the density at points."""
        return self._at(self._beyond(ra, dec))

    def bounds(self, ra: FloatArray, dec: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest density within distances of points."""
        beyond = self._beyond(ra, dec)
        return self._at(beyond + radius), self._at(beyond - radius)

    def _at(self, beyond: FloatArray) -> FloatArray:
        found: FloatArray = np.exp(-0.5 * (np.maximum(beyond, 0.0) / self.spread_rad) ** 2) / self.area_sr
        return found

    def _beyond(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return how far points are from the sides, negative inside."""
        points = _vectors(ra, dec)
        nearest = np.full(len(points), math.pi)
        for start, end in zip(self.corners, np.roll(self.corners, -1, axis=0), strict=True):
            nearest = np.minimum(nearest, _from_arc(points, start, end))
        return np.where(self._inside(points), -nearest, nearest)

    def _inside(self, points: FloatArray) -> BoolArray:
        """Return which points the sides turn around once: the angles under which they are seen add up to a turn."""
        turned = np.zeros(len(points))
        for start, end in zip(self.corners, np.roll(self.corners, -1, axis=0), strict=True):
            across = points @ np.cross(start, end)
            along = start @ end - (points @ start) * (points @ end)
            turned += np.arctan2(across, along)
        # Around the point opposite to an inner one the sides turn once too: the nearer half of the sky counts.
        inside: BoolArray = (np.abs(turned) > math.pi) & (points @ self.corners.sum(axis=0) > 0)
        return inside


def _vectors(ra: FloatArray, dec: FloatArray) -> FloatArray:
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _from_arc(points: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """Return how far points are from a part of a great circle."""
    pole = np.cross(start, end)
    length = float(np.linalg.norm(pole))
    to_ends = np.minimum(_apart(points, start), _apart(points, end))
    if length < 1e-15:
        return to_ends
    pole = pole / length
    beside = (points @ np.cross(pole, start) >= 0) & (points @ np.cross(end, pole) >= 0)
    return np.where(beside, np.abs(np.arcsin(np.clip(points @ pole, -1, 1))), to_ends)


def _apart(points: FloatArray, other: FloatArray) -> FloatArray:
    found: FloatArray = 2 * np.arcsin(np.clip(np.linalg.norm(points - other, axis=-1) / 2, 0, 1))
    return found


def _area_sr(corners: FloatArray) -> float:
    """Return the area within corners, as the triangles from one of them (Van Oosterom & Strackee 1983)."""
    area = 0.0
    first = corners[0]
    for second, third in pairwise(corners[1:]):
        volume = float(first @ np.cross(second, third))
        area += 2 * math.atan2(volume, 1 + float(first @ second + second @ third + third @ first))
    return abs(area)
