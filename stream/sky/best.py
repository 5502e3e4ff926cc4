"""The most probable places of a sky map to point at: circles that do not overlap, the most probable first.

Each in turn is the best that is left, among circles about the centres of pixels of half their radius: first the most
probable pixels of a coarse order, then the best of their parts, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.errors import ConfigurationError
from stream.healpix import centres, directions_of, pixel_radius_rad, uniq_of
from stream.records import SkyMap
from stream.sky.fields import field_probabilities
from stream.sky.shapes import Circle, vectors
from stream.sky.sums import Sums
from stream.types import FloatArray, IntArray

_COARSE_ORDER, _FINEST_ORDER = 5, 20
_KEPT, _MOST_KEPT = 256, 1 << 17
_MOST = 1000
_ALIKE, _NOTHING = 0.7, 1e-3
_TOUCH_DEG = 1e-9


@dataclass(frozen=True, slots=True)
class Place:
    """A circle on the sky and the probability in it.

    Attributes
    ----------
    ra_deg, dec_deg, radius_deg : float
        Of ICRS.
    probability : float
    """

    ra_deg: float
    dec_deg: float
    radius_deg: float
    probability: float


def best(skymap: SkyMap | Sums, n: int = 5, radius_deg: float = 1.0) -> tuple[Place, ...]:
    """Return the most probable circles of a size that do not overlap.

    Parameters
    ----------
    skymap : SkyMap or Sums
    n : int
        How many, at most 1000; fewer come where the next would hold less than a thousandth of the first.
    radius_deg : float
        Half of the telescope's field, 0.001 to 30.

    Raises
    ------
    ConfigurationError
        If a number is out of range.
    """
    if not 1 <= n <= _MOST or not 0.001 <= radius_deg <= 30.0:
        raise ConfigurationError(f"best {n} places of radius {radius_deg:g}: take 1 to {_MOST}, of 0.001 to 30 degrees")
    sums = Sums(skymap) if isinstance(skymap, SkyMap) else skymap
    order = min(max(math.ceil(math.log2(2 * math.sqrt(math.pi / 3) / math.radians(radius_deg))), 0), _FINEST_ORDER)
    found: list[Place] = []
    while len(found) < n:
        more = _next(sums, order, found, radius_deg)
        if not more or (found and more[0].probability < _NOTHING * found[0].probability):
            break
        found += more[: n - len(found)]
    return tuple(sorted(found, key=lambda place: -place.probability))


def _next(sums: Sums, order: int, found: Sequence[Place], radius_deg: float) -> list[Place]:
    """Return the best circles beside those found, and the next best as long as they are nearly as good."""
    kept = _KEPT
    index = _candidates(sums, order, found, radius_deg, kept)
    while len(index) == 0 and kept < _MOST_KEPT:  # the likely pixels may have no room for another circle
        kept *= 8
        index = _candidates(sums, order, found, radius_deg, kept)
    places = [
        Circle("", math.degrees(ra), math.degrees(dec), radius_deg)
        for ra, dec in zip(*centres(uniq_of(order, index)), strict=True)
    ]
    held = field_probabilities(sums, places)
    by_held = np.argsort(-held, kind="stable")
    more: list[Place] = []
    for at in by_held[held[by_held] > _ALIKE * held.max(initial=0.0)]:
        circle = places[at]
        if not more or _apart(_vector(circle)[None], more).min() >= 2 * radius_deg - _TOUCH_DEG:
            more.append(Place(circle.ra_deg, circle.dec_deg, radius_deg, float(held[at])))
    return more


def _candidates(sums: Sums, order: int, found: Sequence[Place], radius_deg: float, kept: int) -> IntArray:
    """Return the pixels of an order with the most probability whose circles touch none of those found."""
    at = min(order, _COARSE_ORDER)
    index = np.arange(12 << (2 * at))
    while True:
        held, _ = sums.of(at, index)
        # A pixel is left out when none of its parts may be a middle.
        spare_deg = math.degrees(pixel_radius_rad(at)) if at < order else _TOUCH_DEG
        good = held > 0
        if found:
            good &= _apart(directions_of(at, index).T, found).min(axis=1) >= 2 * radius_deg - spare_deg
        index, held = index[good], held[good]
        index = np.sort(index[np.argsort(-held, kind="stable")[:kept]])
        if at == order:
            return index
        at += 1
        index = (4 * index[:, None] + np.arange(4)).ravel()


def _vector(place: Circle | Place) -> FloatArray:
    return vectors(*np.radians([place.ra_deg, place.dec_deg]))


def _apart(point: FloatArray, found: Sequence[Place]) -> FloatArray:
    """Return how far points are from places, in degrees, shape (points, places)."""
    chord = np.linalg.norm(point[:, None] - np.stack([_vector(place) for place in found]), axis=-1)
    found_deg: FloatArray = np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1)))
    return found_deg
