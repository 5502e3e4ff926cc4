"""Sky maps for tests: a spot on the sky, finer where it is bright, with a distance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from stream.healpix import area_sr, centres, split_uniq, uniq_of
from stream.records import SkyMap
from stream.types import FloatArray, IntArray

GPS_NS = 1_126_259_462_420_000_000


def refined(rounds: int, ra: float, dec: float, width: float, split: int = 16) -> IntArray:
    """Return pixels that cover the sphere, the most probable ones split time and again."""
    uniq = uniq_of(1, np.arange(48))
    for _ in range(rounds):
        order, index = split_uniq(uniq)
        most = np.argsort(-spot(uniq, ra, dec, width) * area_sr(order))[:split]
        fine = uniq_of(np.repeat(order[most] + 1, 4), (4 * index[most, None] + np.arange(4)).ravel())
        uniq = np.sort(np.concatenate([np.delete(uniq, most), fine]))
    return uniq


def spot(uniq: IntArray, ra: float, dec: float, width: float) -> FloatArray:
    """Return a density that falls off from a place, by the distance across the sky."""
    lon, lat = centres(uniq)
    cosine = math.sin(dec) * np.sin(lat) + math.cos(dec) * np.cos(lat) * np.cos(lon - ra)
    density: FloatArray = np.exp((cosine - 1) / width**2) + 1e-30
    return density


def skymap(
    ra: float = 2.0, dec: float = -1.2, width: float = 0.1, *, rounds: int = 6, split: int = 16, distance: bool = True
) -> SkyMap:
    """Return a map around a place, all angles in radians."""
    uniq = refined(rounds, ra, dec, width, split)
    density = spot(uniq, ra, dec, width)
    density /= np.sum(density * area_sr(split_uniq(uniq)[0]))
    mu = np.where(density > density.max() * 1e-9, 420.0 + 50 * np.cos(centres(uniq)[1]), np.inf)
    sigma = np.where(np.isfinite(mu), 120.0, 1.0)
    norm = np.where(np.isfinite(mu), 1.0 / (mu**2 + sigma**2), 0.0)
    whole = SkyMap(uniq, density, mu, sigma, norm, 430.5, 118.25, ("H1", "L1"), GPS_NS, "Tocsin 0.1.0")
    if distance:
        return whole
    return replace(whole, distmu_mpc=None, distsigma_mpc=None, distnorm=None, distmean_mpc=None, diststd_mpc=None)


def same(one: SkyMap, other: SkyMap) -> bool:
    """Whether two maps are equal in everything."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in SkyMap.__slots__]
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)
