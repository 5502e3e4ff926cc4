"""Fields put together by the number of their sides, with the plane of each side: what their edges are asked for in."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from stream.sky.edges import Group
from stream.sky.shapes import Box, Circle, Field, Polygon, outline, vectors
from stream.types import FloatArray, IntArray

_LONGEST = 250.0
"""Fields longer than this many times their narrow half are looked at more coarsely."""
_THINNEST_SR = 1e-18


def groups_of(fields: Sequence[Field]) -> Iterator[Group]:
    """Yield fields in groups; those without an area are in none."""
    circles, boxes = _numbers(fields, Circle), _numbers(fields, Box)
    if len(circles[0]):
        yield _circles(*circles)
    if len(boxes[0]):
        yield _boxes(*boxes)
    alike: dict[int, list[int]] = defaultdict(list)
    outlines = [outline(field) if isinstance(field, Polygon) else () for field in fields]
    for at, corners in enumerate(outlines):
        if len(corners) >= 3:
            alike[len(corners)].append(at)
    for some in alike.values():
        yield from _polygons(np.array(some, dtype=np.int64), np.array([outlines[at] for at in some], dtype=float))


def _numbers(fields: Sequence[Field], kind: type[Circle] | type[Box]) -> tuple[IntArray, FloatArray]:
    """Return which fields are of a kind and have an area, and their numbers in radians, shape (numbers, n)."""
    at: list[int] = []
    rows: list[tuple[float, ...]] = []
    for k, field in enumerate(fields):
        if isinstance(field, Circle) and kind is Circle and field.radius_deg > 0:
            at.append(k)
            rows.append((field.ra_deg, field.dec_deg, field.radius_deg))
        elif isinstance(field, Box) and kind is Box and min(field.width_deg, field.height_deg) > 0:
            at.append(k)
            rows.append((field.ra_deg, field.dec_deg, field.width_deg, field.height_deg, field.angle_deg))
    return np.array(at, dtype=np.int64), np.radians(np.array(rows, dtype=float)).T


def _circles(at: IntArray, numbers: FloatArray) -> Group:
    ra, dec, radius = numbers
    middle = vectors(ra, dec)
    narrow = np.minimum(radius, 0.5)
    return Group(at, middle.T[None], (math.pi / 2 - radius)[None], middle, radius, narrow, 1 / np.tan(radius))


def _boxes(at: IntArray, numbers: FloatArray) -> Group:
    ra, dec, width, height, angle = numbers
    middle = vectors(ra, dec)
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], axis=-1)
    east = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)], axis=-1)
    up = np.cos(angle)[:, None] * north + np.sin(angle)[:, None] * east
    along = np.cos(angle)[:, None] * east - np.sin(angle)[:, None] * north
    sides = []
    for axis, full in ((along, width), (up, height)):
        inward, outward = np.sin(full / 2)[:, None] * middle, np.cos(full / 2)[:, None] * axis
        sides += [(inward - outward).T, (inward + outward).T]
    reach = np.arctan(np.hypot(np.tan(width / 2), np.tan(height / 2)))
    narrow = _narrow(width * height, 2 * (width + height))
    return Group(at, np.stack(sides), np.zeros((4, len(at))), middle, reach, narrow, np.zeros(len(at)))


def _polygons(at: IntArray, corners_deg: FloatArray) -> Iterator[Group]:
    """Yield the convex ones of polygons, corners of shape (n, sides, 2), and the others."""
    corners = vectors(*np.moveaxis(np.radians(corners_deg), -1, 0))
    area = _area_sr(corners)
    corners = np.where(area[:, None, None] < 0, corners[:, ::-1], corners)  # now the inside is to the left
    after = np.roll(corners, -1, axis=1)
    normal = np.cross(corners, after)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-300)
    convex = (corners @ normal.transpose(0, 2, 1) >= -1e-12).all(axis=(1, 2))
    middle = corners.sum(axis=1)
    middle /= np.linalg.norm(middle, axis=-1, keepdims=True)
    reach = np.arccos(np.einsum("nsi,ni->ns", corners, middle).clip(-1, 1)).max(axis=1)
    narrow = _narrow(np.abs(area), np.linalg.norm(corners - after, axis=-1).sum(axis=1))
    inward, begin = (np.moveaxis(a, 0, -1).copy() for a in (normal, corners))
    flat = np.zeros((corners.shape[1], len(at)))
    whole = Group(at, inward, flat, middle, reach, narrow, flat[0], begin)
    solid = np.abs(area) > _THINNEST_SR
    if (convex & solid).any():
        yield replace(whole.part(np.flatnonzero(convex & solid)), corner=None)
    if (~convex & solid).any():
        yield whole.part(np.flatnonzero(~convex & solid))


def _narrow(area: FloatArray, length: FloatArray) -> FloatArray:
    found: FloatArray = np.maximum(2 * area / length, length / _LONGEST)
    return found


def _area_sr(corners: FloatArray) -> FloatArray:
    """Return the areas of polygons, corners of shape (n, sides, 3); negative if they run towards the west.

    Sum of the triangles from the middle: A. Van Oosterom and J. Strackee, IEEE Trans. Biomed. Eng. 30, 125 (1983).
    """
    middle = corners.sum(axis=1, keepdims=True)
    middle = middle / np.linalg.norm(middle, axis=-1, keepdims=True)
    after = np.roll(corners, -1, axis=1)
    triple = np.sum(np.cross(corners, after) * middle, axis=-1)
    under = 1 + np.sum(corners * middle, axis=-1) + np.sum(after * middle, axis=-1) + np.sum(corners * after, axis=-1)
    found: FloatArray = 2 * np.arctan2(triple, under).sum(axis=-1)
    return found
