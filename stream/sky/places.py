"""A sky map as places with a probability, few enough to ask each of many sites about each of them.

What lies in pixels that matter little is gathered into wider ones; the probability is kept to the last bit of its sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stream.healpix import area_sr, centres, directions, split_uniq, uniq_of
from stream.records import SkyMap
from stream.types import BoolArray, FloatArray, IntArray

_LEAST = 1e-4
"""Pixels that hold less than this together become one; so does what is near by, until it holds as much."""
_WIDEST_ORDER = 5
"""Of 1.8 degrees: nothing becomes wider."""


@dataclass(frozen=True)
class Places:
    """Pixels of a map, some of them gathered; what else is asked of them is computed once.

    Attributes
    ----------
    uniq : array of int64, shape (n,)
    probability : array of float64, shape (n,)
        Adds up to 1, or to 0 where the map holds nothing.
    """

    uniq: IntArray
    probability: FloatArray

    @cached_property
    def direction(self) -> FloatArray:
        """Unit vectors of ICRS, shape (3, n)."""
        return directions(self.uniq)

    @cached_property
    def ra_dec_rad(self) -> tuple[FloatArray, FloatArray]:
        """Right ascension and declination of ICRS, each of shape (n,)."""
        return centres(self.uniq)

    @cached_property
    def density(self) -> FloatArray:
        """Probability per steradian, shape (n,)."""
        found: FloatArray = self.probability / area_sr(split_uniq(self.uniq)[0])
        return found

    @cached_property
    def level(self) -> FloatArray:
        """Probability of the smallest region that just holds a place, shape (n,)."""
        by_density = np.argsort(-self.density, kind="stable")
        found = np.empty(len(by_density))
        found[by_density] = np.cumsum(self.probability[by_density])
        return found


def places_of(skymap: SkyMap) -> Places:
    """Return the places of a map; of 20 000 pixels usually a quarter, and at most some 60 000 of any map."""
    order, index = split_uniq(skymap.uniq)
    held = skymap.probdensity * area_sr(order)
    total = float(held.sum())
    held = held / total if total > 0 else np.zeros_like(held)
    finest = int(order.max())
    if finest <= _WIDEST_ORDER:
        return Places(skymap.uniq, held)
    found: list[IntArray] = []
    values: list[FloatArray] = []
    gathered, their = index[:0], held[:0]
    for level in range(finest, -1, -1):
        at = order == level
        here, value = np.concatenate([index[at], gathered]), np.concatenate([held[at], their])
        if len(here) == 0:
            continue
        if level <= _WIDEST_ORDER:
            found.append(uniq_of(level, here))
            values.append(value)
            gathered, their = index[:0], held[:0]
            continue
        parent, member = np.unique(here >> 2, return_inverse=True)
        together: FloatArray = np.bincount(member, value).astype(np.float64)
        joined: BoolArray = together < _LEAST
        kept = ~joined[member]
        found.append(uniq_of(level, here[kept]))
        values.append(value[kept])
        gathered, their = parent[joined], together[joined]
    return Places(np.concatenate(found), np.concatenate(values))
