"""HEALPix pixels (NESTED) as the map needs them: centres, sizes, children, UNIQ."""

from __future__ import annotations

import numpy as np
from astropy import units
from astropy_healpix import healpix_to_lonlat

from stream.types import FloatArray, IntArray

_RADIUS = 1.05
"""No point of a pixel is farther from its centre than this times sqrt(pi / 3) / nside."""


def directions(order: IntArray, index: IntArray) -> FloatArray:
    """Return the unit vectors of pixels' centres, shape (n, 3)."""
    out = np.empty((len(index), 3))
    for one in np.unique(order):
        which = order == one
        lon, lat = healpix_to_lonlat(index[which], 1 << int(one), order="nested")
        ra, dec = lon.to_value(units.rad), lat.to_value(units.rad)
        out[which] = np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)), axis=1)
    return out


def children(index: IntArray) -> IntArray:
    """Return the four pixels of the next order within each, shape (4 n,)."""
    out: IntArray = (4 * index[:, None] + np.arange(4)).ravel()
    return out


def area_sr(order: IntArray) -> FloatArray:
    """Return the area of pixels of an order."""
    out: FloatArray = np.pi / 3.0 * np.exp2(-2.0 * order)
    return out


def radius_rad(order: int) -> float:
    """Return how far the farthest point of a pixel can be from its centre."""
    return float(_RADIUS * np.sqrt(np.pi / 3.0) / (1 << order))


def to_uniq(order: IntArray, index: IntArray) -> IntArray:
    """Return UNIQ: 4 ** (order + 1) + index."""
    out: IntArray = (np.int64(4) << (2 * order)) + index
    return out


def from_uniq(uniq: IntArray) -> tuple[IntArray, IntArray]:
    """Return order and index."""
    order: IntArray = ((np.frexp(uniq.astype(np.float64))[1] - 3) // 2).astype(np.int64)
    return order, uniq - (np.int64(4) << (2 * order))
