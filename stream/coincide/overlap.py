"""How much better two sky maps agree than chance has it: I = integral of p q over 1 / 4 pi, of normalised p and q.

1 where either says nothing, 0 where they have no direction in common. Both maps are constant on nested pixels, and two
such pixels are apart or one lies in the other: the product is constant on the smaller one, and the integral is a sum.
Pixels are ranges of indices at order 29; the two lists, sorted, are cut at all their ends.

What a map may hold that is no density counts as none: a negative or not finite value is 0, and so is what its pixels
do not cover. Each map is divided by its own integral. A point is a map too (:mod:`stream.coincide.draw`): its I is the
other map's density there, times 4 pi.
Sources: Ashton et al., ApJ 860, 6 (2018), equation 12; ligo-raven 3.3 (``skymap_overlap_integral``), which finds the
pixels of a second multi-order map by the nearest centre and is exact only where that is the right one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from stream.healpix import MAX_ORDER, area_sr, split_uniq, uniq_of
from stream.records import SkyMap
from stream.types import FloatArray, IntArray


class Ranges(NamedTuple):
    """A map's pixels in rising order, at order 29: where each begins and ends, its density, its place in the map."""

    first: IntArray
    last: IntArray
    density: FloatArray
    at: IntArray


class Crossing(NamedTuple):
    """The pieces in which both maps have a pixel: where each begins and ends, and its place in either's ranges."""

    first: IntArray
    last: IntArray
    one: IntArray
    other: IntArray


def ranges(skymap: SkyMap) -> Ranges:
    """Return a map's pixels as ranges, its densities cleaned."""
    order, index = split_uniq(skymap.uniq)
    first = index << (2 * (MAX_ORDER - order))
    at = np.argsort(first, kind="stable")
    last = first + np.left_shift(np.int64(1), 2 * (MAX_ORDER - order))
    density = np.where(np.isfinite(skymap.probdensity), np.maximum(skymap.probdensity, 0.0), 0.0)
    return Ranges(first[at], last[at], density[at], at)


def crossing(one: Ranges, other: Ranges) -> Crossing:
    """Return the pieces in which two maps are both constant: each is the smaller of two pixels, one in the other."""
    if len(one.first) == 0 or len(other.first) == 0:
        return Crossing(*(np.zeros(0, dtype=np.int64) for _ in range(4)))
    cuts = np.concatenate([one.first, one.last, other.first, other.last])
    cuts.sort(kind="stable")  # four runs that rise already, which this merges
    cuts = cuts[np.append(True, np.diff(cuts) > 0)]
    at_one, at_other = (np.searchsorted(r.first, cuts[:-1], side="right") - 1 for r in (one, other))
    held = (at_one >= 0) & (at_other >= 0)
    held &= (cuts[:-1] < one.last[at_one]) & (cuts[:-1] < other.last[at_other])
    return Crossing(cuts[:-1][held], cuts[1:][held], at_one[held], at_other[held])


def total(pixels: Ranges) -> float:
    """Return the integral of a map's density."""
    return float(np.sum(pixels.density * solid_angle_sr(pixels.first, pixels.last)))


def solid_angle_sr(first: IntArray, last: IntArray) -> FloatArray:
    """Return the solid angle of ranges."""
    area: FloatArray = (last - first).astype(np.float64) * float(area_sr(np.array(MAX_ORDER)))
    return area


def pixels_of(first: IntArray, last: IntArray) -> IntArray:
    """Return the multi-order pixels that ranges are: each of a pixel's length, at a multiple of it."""
    order = MAX_ORDER - (np.frexp((last - first).astype(np.float64))[1].astype(np.int64) - 1) // 2
    return uniq_of(order, first >> (2 * (MAX_ORDER - order)))


def overlap(one: SkyMap, other: SkyMap) -> float:
    """Return the overlap of two maps; 0 where either has no probability.

    Parameters
    ----------
    one, other : SkyMap
        Of any pixels; in either order.
    """
    first, second = ranges(one), ranges(other)
    norm = total(first) * total(second)
    if norm == 0 or not math.isfinite(norm):
        return 0.0
    both = crossing(first, second)
    product = first.density[both.one] * second.density[both.other]
    return 4.0 * math.pi * float(np.sum(product * solid_angle_sr(both.first, both.last))) / norm
