"""Sky maps for the tests of coincidences: any pixels, any densities."""

from __future__ import annotations

import numpy as np

from stream.healpix import area_sr, split_uniq
from stream.records import SkyMap
from stream.types import FloatArray, IntArray


def random_map(seed: int, divisions: int = 30, most: int = 6, distance: bool = False) -> SkyMap:
    """Return a map of the sphere of pixels divided at random, with densities over many decades."""
    rng = np.random.default_rng(seed)
    pixels = list(range(4, 16))
    for _ in range(divisions):
        at = int(rng.integers(len(pixels)))
        if split_uniq(np.array([pixels[at]]))[0][0] < most:
            divided = pixels.pop(at)
            pixels += [4 * divided + k for k in range(4)]
    uniq = np.sort(np.array(pixels, dtype=np.int64))
    return of(uniq, 10 ** rng.uniform(-8, 2, len(uniq)), rng if distance else None)


def of(uniq: IntArray, density: FloatArray, rng: np.random.Generator | None = None) -> SkyMap:
    """Return a normalised map; with distances where there is a generator of them."""
    density = density / float(np.sum(density * area_sr(split_uniq(uniq)[0])))
    if rng is None:
        return SkyMap(uniq, density, None, None, None, None, None, (), None, "test")
    mu, sigma = rng.uniform(20, 80, len(uniq)), rng.uniform(5, 20, len(uniq))
    return SkyMap(uniq, density, mu, sigma, np.ones(len(uniq)), None, None, ("H1", "L1"), 10**18, "test")


def flat(skymap: SkyMap, order: int) -> FloatArray:
    """Return the densities on all pixels of one order, no coarser than any of the map's, NESTED."""
    own, index = split_uniq(skymap.uniq)
    found = np.full(12 << (2 * order), np.nan)
    for level, place, density in zip(own.tolist(), index.tolist(), skymap.probdensity.tolist(), strict=True):
        size = 1 << (2 * (order - level))
        found[place * size : (place + 1) * size] = density
    return found
