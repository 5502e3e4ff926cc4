"""What a sky map says in a few numbers: the smallest regions that hold a probability, and the most probable place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.healpix import DEG2_PER_SR, area_sr, centres, split_uniq
from stream.records import SkyMap
from stream.types import FloatArray


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
    at = np.argsort(-skymap.probdensity, kind="stable")
    area = area_sr(split_uniq(skymap.uniq)[0])[at] * DEG2_PER_SR
    held = np.concatenate([[0.0], np.cumsum(skymap.probdensity[at] * area / DEG2_PER_SR)])
    covered = np.concatenate([[0.0], np.cumsum(area)])
    return tuple(float(found) for found in np.interp(levels, held, covered))


def most_probable_deg(skymap: SkyMap) -> tuple[float, float]:
    """Return right ascension and declination of the pixel with the highest density."""
    ra, dec = centres(skymap.uniq[[np.argmax(skymap.probdensity)]])
    return float(np.degrees(ra[0])), float(np.degrees(dec[0]))
