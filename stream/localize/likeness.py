"""How alike two sky maps are, and where a position stands in one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream.healpix import DEG2_PER_SR, MAX_ORDER, area_sr, split_uniq
from stream.records.followup import SkyMap
from stream.regions import pixels_at, probability
from stream.types import FloatArray, IntArray


class Searched(NamedTuple):
    """What is searched, the densest pixels first, until a position is found: its probability and area."""

    level: float
    area_deg2: float


def searched(skymap: SkyMap, ra_rad: float, dec_rad: float) -> Searched:
    """Return what is searched until a position is found; of its own pixel, half."""
    at = int(pixels_at(skymap, np.array([ra_rad]), np.array([dec_rad]))[0])
    held, area = probability(skymap), area_sr(split_uniq(skymap.uniq)[0])
    denser = skymap.probdensity > skymap.probdensity[at]
    level = float(held[denser].sum() + 0.5 * held[at]) / float(held.sum())
    return Searched(level, float(area[denser].sum() + 0.5 * area[at]) * DEG2_PER_SR)


def overlap(one: SkyMap, other: SkyMap) -> float:
    """Return the Bhattacharyya coefficient of two maps: 1 if they are alike, 0 if they share no direction."""
    (first, density), (other_first, other_density) = _in_order(one), _in_order(other)
    cuts = np.union1d(first, other_first)
    both = density[_holding(first, cuts)] * other_density[_holding(other_first, cuts)]
    size = np.diff(np.append(cuts, np.int64(12) << (2 * MAX_ORDER)))
    return float((np.sqrt(both) * size).sum() * area_sr(np.array([MAX_ORDER]))[0])


def _in_order(skymap: SkyMap) -> tuple[IntArray, FloatArray]:
    """Return where pixels begin, at the finest order and rising, and their density."""
    order, index = split_uniq(skymap.uniq)
    first = index << (2 * (MAX_ORDER - order))
    rising = np.argsort(first)
    return first[rising], skymap.probdensity[rising] / float(probability(skymap).sum())


def _holding(first: IntArray, cuts: IntArray) -> IntArray:
    return np.searchsorted(first, cuts, side="right") - 1
