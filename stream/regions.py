"""What a sky map says in a few numbers: the smallest regions that hold a probability, and the most probable place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.healpix import DEG2_PER_SR, MAX_ORDER, area_sr, centres, nested_at, split_uniq
from stream.records import SkyMap
from stream.types import FloatArray, IntArray

_MOST_SIGHTS = 50_000
"""Most lines of sight that a distance is summed over, the most probable first."""


def probability(skymap: SkyMap) -> FloatArray:
    """Return the probability of each pixel, shape (n,)."""
    found: FloatArray = skymap.probdensity * area_sr(split_uniq(skymap.uniq)[0])
    return found


def credible_levels(skymap: SkyMap) -> FloatArray:
    """Return, for each pixel, the probability of the smallest region that just holds it whole, shape (n,)."""
    at = np.argsort(-skymap.probdensity, kind="stable")
    levels = np.empty(len(at))
    levels[at] = np.cumsum(probability(skymap)[at])
    return levels


def credible_areas_deg2(skymap: SkyMap, levels: Sequence[float]) -> tuple[float, ...]:
    """Return the areas of the smallest regions that hold these probabilities.

    A pixel counts in part where it is not needed whole, as ligo-skymap-stats has it.
    """
    at = np.argsort(skymap.probdensity)[::-1]  # in which order equal ones come is all the same
    area = area_sr(split_uniq(skymap.uniq)[0])[at]
    held, covered = np.zeros(len(at) + 1), np.zeros(len(at) + 1)
    np.cumsum(skymap.probdensity[at] * area, out=held[1:])
    np.cumsum(area, out=covered[1:])
    return tuple(float(found) * DEG2_PER_SR for found in np.interp(levels, held, covered))


def pixels_at(skymap: SkyMap, ra_rad: FloatArray, dec_rad: FloatArray) -> IntArray:
    """Return which of a map's pixels each point lies in, as a place in its arrays, shape as theirs."""
    order, index = split_uniq(skymap.uniq)
    first = index << (2 * (MAX_ORDER - order))
    by_place = np.argsort(first)
    finest = int(order.max())
    wanted = nested_at(finest, ra_rad, dec_rad) << (2 * (MAX_ORDER - finest))
    found: IntArray = by_place[np.searchsorted(first[by_place], wanted, side="right") - 1]
    return found


def distance_density(skymap: SkyMap, distance_mpc: FloatArray) -> FloatArray | None:
    """Return the probability density over the whole sky at distances, per Mpc; None if the map has no distance.

    Of each line of sight it is norm r**2 N(r; mu, sigma): Singer et al., ApJL 829, L15 (2016), equation 2.
    """
    if skymap.distmu_mpc is None or skymap.distsigma_mpc is None or skymap.distnorm is None:
        return None
    held = probability(skymap)
    at = np.flatnonzero(np.isfinite(skymap.distmu_mpc) & (held > 0))
    at = at[np.argsort(-held[at])][:_MOST_SIGHTS]
    weight = held[at] * skymap.distnorm[at] / (skymap.distsigma_mpc[at] * np.sqrt(2 * np.pi))
    mu, sigma = skymap.distmu_mpc[at], skymap.distsigma_mpc[at]
    scaled = [np.sum(weight * np.exp(-0.5 * ((r - mu) / sigma) ** 2)) for r in distance_mpc]
    density: FloatArray = distance_mpc**2 * np.array(scaled)
    return density


def distance_interval_mpc(skymap: SkyMap, level: float) -> tuple[float, float] | None:
    """Return the distances between which a probability lies, as much of the rest below as above; None if unknown."""
    if skymap.distmu_mpc is None or skymap.distsigma_mpc is None:
        return None
    known = np.isfinite(skymap.distmu_mpc) & (probability(skymap) > 0)
    if not np.any(known):
        return None
    held, mu, sigma = probability(skymap)[known], skymap.distmu_mpc[known], skymap.distsigma_mpc[known]
    likely = held > 1e-4 * held.max()
    distance_mpc = np.linspace(0, max(float(np.max((mu + 6 * sigma)[likely])), 1.0), 1000)
    density = distance_density(skymap, distance_mpc)
    assert density is not None
    below = np.cumsum(density)
    if not 0 < below[-1] < np.inf:
        return None
    low, high = np.interp([(1 - level) / 2, (1 + level) / 2], below / below[-1], distance_mpc)
    return float(low), float(high)


def most_probable_deg(skymap: SkyMap) -> tuple[float, float]:
    """Return right ascension and declination of the pixel with the highest density."""
    ra, dec = centres(skymap.uniq[[np.argmax(skymap.probdensity)]])
    return float(np.degrees(ra[0])), float(np.degrees(dec[0]))


def area_text(area_deg2: float) -> str:
    """Return an area as people read it."""
    return f"{area_deg2:,.0f} deg²" if area_deg2 >= 10 else f"{area_deg2:.2g} deg²"


def distance_text(skymap: SkyMap) -> str:
    """Return the distance of a map as people read it."""
    if skymap.distmean_mpc is None or skymap.diststd_mpc is None:
        return "distance not told"
    return f"{skymap.distmean_mpc:.0f} ± {skymap.diststd_mpc:.0f} Mpc"
