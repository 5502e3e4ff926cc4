"""The probability of a sky map in the fields of a telescope.

All fields go down the tree of HEALPix pixels together: a pixel wholly in a field adds its probability, one wholly
outside is left, one at the edge is split into four. Pixels at the edge are split until they are about a quarter of the
field's narrow half, and on while one of them holds more than a small part of what the field may hold. What is left at
the edge counts by the part that the field's sides cut off. A field that holds a thousandth of the map or more comes
out within 0.6 % of its probability, a polygon that is not convex within 1 % (measured: decision 31).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stream.healpix import MAX_ORDER, directions_of, face_x_y, pixel_radius_rad, sides
from stream.records import SkyMap
from stream.sky.edges import Group, Point
from stream.sky.grouping import groups_of
from stream.sky.shapes import Field
from stream.sky.sums import Sums
from stream.types import FloatArray, IntArray

_FIRST_ORDER = 3
_PARTS = 4
_SHARE, _EVEN = 0.003, 0.01
"""The most of a field's probability that a pixel at its edge may hold: where the map varies in it, and where not."""
_TIPLESS = 0.75
_AT_ONCE = 1024
_SPARSE = 8


def field_probabilities(skymap: SkyMap | Sums, fields: Sequence[Field]) -> FloatArray:
    """Return the probability in each field, shape (n,).

    Parameters
    ----------
    skymap : SkyMap or Sums
        :class:`~stream.sky.sums.Sums` of a map serve many calls.
    fields : sequence of Circle, Box or Polygon
        Those without an area hold nothing.
    """
    sums = Sums(skymap) if isinstance(skymap, SkyMap) else skymap
    found = np.zeros(len(fields))
    for group in groups_of(fields):
        for start in range(0, len(group.at), _AT_ONCE):
            part = group.part(slice(start, start + _AT_ONCE))
            found[part.at] = _descend(sums, part)
    return np.clip(found, 0.0, 1.0)


def _descend(sums: Sums, group: Group) -> FloatArray:
    """Return the probability in each field of a group."""
    count = len(group.at)
    inside = np.zeros(count)
    deepest = _deepest(group.narrow_rad)
    field, index = _first(group)
    order = _FIRST_ORDER
    while len(field):
        pixels, which = _distinct(order, index)
        point, (held, uniform) = directions_of(order, pixels), sums.of(order, pixels)
        distances = group.distances(field, _of(point, which))
        nearest = distances[0] if len(distances) == 1 else distances.min(axis=0)
        # Of pixels that are small beside the field the tips are left out: they hold a hundredth of a pixel.
        wide = np.where(order + 2 < deepest, pixel_radius_rad(order), _TIPLESS * _side_rad(order)).take(field)
        near = np.flatnonzero(nearest > -wide)
        field, which, whole = field[near], which[near], nearest[near] >= wide[near]
        value = held.take(which)
        inside += np.bincount(field[whole], value[whole], count)
        edge = ~whole & (value > 0)
        most = inside + np.bincount(field[edge], value[edge], count)
        share = np.where(uniform, _EVEN, _SHARE).take(which)
        split = edge & ((order < deepest.take(field)) | (value > share * most.take(field)))
        last = np.flatnonzero(edge & ~split)
        if len(last):
            at, theirs = which[last], field[last]
            up, along = (side.take(at, axis=1) for side in sides(order, *face_x_y(order, pixels)))
            part = group.parts(theirs, _of(point, at), distances[:, near[last]], (up, along), pixel_radius_rad(order))
            inside += np.bincount(theirs, value[last] * part, count)
        field = np.repeat(field[split], 4)
        index = (4 * pixels[which[split]][:, None] + np.arange(4)).ravel()
        order += 1
    return inside


def _first(group: Group) -> tuple[IntArray, IntArray]:
    """Return where to begin: each field with each of the pixels that it may touch."""
    index = np.arange(12 << (2 * _FIRST_ORDER))
    centre = directions_of(_FIRST_ORDER, index)
    near = np.cos(np.minimum(group.reach_rad + pixel_radius_rad(_FIRST_ORDER), math.pi))
    field, index = np.nonzero(group.middle @ centre >= near[:, None] - 1e-12)
    return field, index


def _deepest(narrow_rad: FloatArray) -> IntArray:
    """Return the order whose pixels are a small part of each field."""
    wanted = np.rint(np.log2(_PARTS * _side_rad(0) / np.maximum(narrow_rad, 1e-9)))
    found: IntArray = np.clip(wanted, _FIRST_ORDER, MAX_ORDER - 2).astype(np.int64)
    return found


def _side_rad(order: int) -> float:
    return math.sqrt(math.pi / 3.0) / (1 << order)


def _distinct(order: int, index: IntArray) -> tuple[IntArray, IntArray]:
    """Return the pixels that there are, each once and in order, and which of them each is: fields share many."""
    every = 12 << (2 * order)
    if every > _SPARSE * len(index):
        return np.unique(index, return_inverse=True)
    there = np.zeros(every, dtype=bool)
    there[index] = True
    pixels = np.flatnonzero(there)
    place = np.empty(every, dtype=np.int64)
    place[pixels] = np.arange(len(pixels))
    return pixels, place[index]


def _of(point: FloatArray, which: IntArray) -> Point:
    return point[0].take(which), point[1].take(which), point[2].take(which)
