"""How far a point lies within a field: the distance to the sides of many fields at once.

Circles, rectangles and convex polygons are what several half-spaces have in common, each ``point . normal >= sine``;
fields with as many sides go together. A polygon that is not convex has its distance from each side, and whether a
point lies inside from how often a ray crosses its sides on the tangent plane, where great circles are straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from stream.types import BoolArray, FloatArray, IntArray

Point: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]
Sides: TypeAlias = tuple[FloatArray, FloatArray]
"""Of pixels: how far their two sides go in z and in longitude."""

_ANOTHER_WAY = 0.7
"""Sides whose directions have a cosine below this make a corner; others are parts of a bend."""


@dataclass(frozen=True, slots=True)
class Group:
    """Fields with as many sides.

    Attributes
    ----------
    at : array of int64, shape (n,)
        Which of the fields asked for they are.
    normal : array of float64, shape (sides, 3, n)
        Of the plane of each side, into the field.
    offset_rad : array of float64, shape (sides, n)
        How far each side lies from that plane.
    middle : array of float64, shape (n, 3)
    reach_rad : array of float64, shape (n,)
        All of a field is within this distance of its middle.
    narrow_rad : array of float64, shape (n,)
        Twice the area over the length of the edge: the radius of a circle, half the side of a square.
    bend : array of float64, shape (n,)
        By which the edge is curved, 1 over radians: 0 of great circles.
    corner : array of float64, shape (sides, 3, n), or None
        Where each side begins, if the fields are not convex.
    """

    at: IntArray
    normal: FloatArray
    offset_rad: FloatArray
    middle: FloatArray
    reach_rad: FloatArray
    narrow_rad: FloatArray
    bend: FloatArray
    corner: FloatArray | None = None

    def part(self, some: slice | IntArray) -> Group:
        """Return some of the fields."""
        return replace(
            self, at=self.at[some], normal=self.normal[..., some], offset_rad=self.offset_rad[:, some],
            middle=self.middle[some], reach_rad=self.reach_rad[some], narrow_rad=self.narrow_rad[some],
            bend=self.bend[some],
            corner=None if self.corner is None else self.corner[..., some],
        )  # fmt: skip

    def distances(self, field: IntArray, point: Point) -> FloatArray:
        """Return how far points lie within a field, by each of its sides; in radians, shape (sides or 1, points)."""
        if self.corner is not None:
            return self._from_outline(field, point, self.corner)
        found = np.empty((len(self.normal), len(field)))
        for normal, offset, distance in zip(self.normal, self.offset_rad, found, strict=True):
            np.subtract(np.arcsin(_dot(normal, field, point).clip(-1.0, 1.0)), offset.take(field), out=distance)
        return found

    def parts(
        self, field: IntArray, point: Point, distances: FloatArray, pixel: Sides, radius_rad: float
    ) -> FloatArray:
        """Return about which part of pixels of a radius lies within fields, shape (points,).

        A pixel is small and has four straight sides: what a side of the field at some distance cuts off it follows
        from how far each of the pixel's two sides goes towards it. The nearest side of the field counts, and at a
        corner the one that cuts most of those that run another way.
        """
        if self.corner is not None:
            across = np.sqrt(2 * np.abs(pixel[0][0] * pixel[1][0]))
            return _cut(distances[0], across, 0.0 * across)
        # The middle of a cut lies off its ends by its curvature; its length is that of the pixel's side.
        sag = self.bend.take(field) * np.abs(pixel[0][0] * pixel[1][0]) / 12
        if len(distances) == 1:
            return _cuts([component.take(field) for component in self.normal[0]], point, distances[0] - sag, pixel)
        nearest, points = distances.argmin(axis=0), np.arange(len(field))
        towards = self.normal.transpose(1, 0, 2)[:, nearest, field]
        found = _cuts(towards, point, distances[nearest, points] - sag, pixel)
        other = np.ones(len(field))
        for k, normal in enumerate(self.normal):
            at = np.flatnonzero((distances[k] < 2 * radius_rad) & (nearest != k))  # from farther off nothing is cut
            side = normal[:, field[at]]
            turned = np.sum(side * towards[:, at], axis=0) < _ANOTHER_WAY
            at, side = at[turned], side[:, turned]
            there, parts = (point[0][at], point[1][at], point[2][at]), (pixel[0][:, at], pixel[1][:, at])
            other[at] = np.minimum(other[at], _cuts(side, there, distances[k, at] - sag[at], parts))
        found *= other
        return found

    def _from_outline(self, field: IntArray, point: Point, corners: FloatArray) -> FloatArray:
        nearest = np.full(len(field), np.inf)
        inside: BoolArray = np.zeros(len(field), dtype=bool)
        middle = self.middle.T
        beside, above = _tangents(middle)
        ahead = _dot(middle, field, point)
        safe = np.where(ahead > 1e-6, ahead, 1.0)
        px, py = _dot(beside, field, point) / safe, _dot(above, field, point) / safe
        for normal, a, b in zip(self.normal, corners, np.roll(corners, -1, axis=0), strict=True):
            onward = _dot(_cross(normal, a), field, point) >= 0
            within = onward & (_dot(_cross(b, normal), field, point) >= 0)
            across = np.abs(np.arcsin(np.clip(_dot(normal, field, point), -1.0, 1.0)))
            end = np.where(onward, _dot(b, field, point), _dot(a, field, point))
            nearest = np.minimum(nearest, np.where(within, across, np.arccos(np.clip(end, -1.0, 1.0))))
            ends = [_on_plane(corner, beside, above, middle)[:, field] for corner in (a, b)]
            (ax, ay), (bx, by) = ends
            spans = (ay > py) != (by > py)
            inside ^= spans & (px < (bx - ax) * (py - ay) / np.where(spans, by - ay, 1.0) + ax)
        inside &= ahead > 1e-6
        return np.where(inside, nearest, -nearest)[None]


def _cuts(normal: Sequence[FloatArray] | FloatArray, point: Point, distance: FloatArray, pixel: Sides) -> FloatArray:
    (x, y, z), (a, b, c) = point, normal
    flat = x * a + y * b
    by_longitude, by_z = x * b - y * a, c - z * flat / (x * x + y * y)
    slope = np.sqrt(np.maximum(1.0 - (flat + z * c) ** 2, 1e-30))
    one, two = (np.abs(up * by_z + along * by_longitude) / slope for up, along in zip(*pixel, strict=True))
    return _cut(distance, np.maximum(one, two), np.minimum(one, two))


def _cut(distance: FloatArray, wide: FloatArray, narrow: FloatArray) -> FloatArray:
    """Return which part of a parallelogram lies within a line at a distance from its middle, on the positive side.

    Across the line the sides of the parallelogram go ``wide`` and ``narrow`` far: its area over the distance is a
    trapezium, even over ``wide - narrow``, and falls to nothing at ``(wide + narrow) / 2``.
    """
    far = np.abs(distance)
    beyond = np.maximum((wide + narrow) / 2 - far, 0.0)
    sloping = 0.5 - beyond**2 / np.maximum(2 * wide * narrow, 1e-300)
    half = np.where(far <= (wide - narrow) / 2, far / np.maximum(wide, 1e-300), sloping)
    found: FloatArray = 0.5 + np.copysign(half, distance)
    return found


def _dot(a: FloatArray, field: IntArray, point: Point) -> FloatArray:
    found: FloatArray = a[0].take(field) * point[0]
    for component, along in ((a[1], point[1]), (a[2], point[2])):
        found += component.take(field) * along
    return found


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    found: FloatArray = np.cross(a, b, axis=0)
    return found


def _tangents(middle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return two directions on the tangent plane of each middle, shape (3, n)."""
    away = np.where(np.abs(middle[2]) < 0.9, np.array([[0.0], [0.0], [1.0]]), np.array([[1.0], [0.0], [0.0]]))
    beside = _cross(away, middle)
    beside /= np.linalg.norm(beside, axis=0)
    return beside, _cross(middle, beside)


def _on_plane(corner: FloatArray, beside: FloatArray, above: FloatArray, middle: FloatArray) -> FloatArray:
    """Return corners on the tangent plane, shape (2, n)."""
    place = np.stack([(corner * beside).sum(axis=0), (corner * above).sum(axis=0)])
    found: FloatArray = place / (corner * middle).sum(axis=0)
    return found
