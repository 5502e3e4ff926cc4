"""What is read off a sky map: areas, where a position stands, likeness of two maps."""

from __future__ import annotations

import numpy as np

from stream.localize.healpix import area_sr, from_uniq
from stream.records.followup import SkyMap
from stream.types import FloatArray

_DEG2 = float(np.degrees(1.0) ** 2)


def probability(skymap: SkyMap) -> FloatArray:
    """Return the probability of each pixel, shape (n,)."""
    return skymap.probdensity * area_sr(from_uniq(skymap.uniq)[0])


def area_deg2(skymap: SkyMap, level: float) -> float:
    """Return the area of the smallest region that holds a probability; its last pixel counts in part."""
    densest = np.argsort(-skymap.probdensity)
    held = np.cumsum(probability(skymap)[densest])
    area = np.cumsum(area_sr(from_uniq(skymap.uniq)[0])[densest])
    wanted = min(level * float(held[-1]), float(held[-1]))
    return float(np.interp(wanted, np.append(0.0, held), np.append(0.0, area))) * _DEG2


def overlap(one: SkyMap, other: SkyMap) -> float:
    """Return the Bhattacharyya coefficient of two maps: 1 if they are alike, 0 if they share no direction."""
    starts, density = [], []
    for skymap in (one, other):
        order, index = from_uniq(skymap.uniq)
        first = index << (2 * (_FINEST - order))
        rising = np.argsort(first)
        starts.append(first[rising])
        density.append(skymap.probdensity[rising] / float(probability(skymap).sum()))
    cuts = np.union1d(*starts)
    shared = [d[np.searchsorted(s, cuts, side="right") - 1] for s, d in zip(starts, density, strict=True)]
    size = np.diff(np.append(cuts, np.int64(12) << (2 * _FINEST)))
    area = size * (np.pi / 3.0 / 4.0**_FINEST)
    return float((np.sqrt(shared[0] * shared[1]) * area).sum())


_FINEST = 29
