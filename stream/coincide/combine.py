"""The sky map of what is seen by both: the normalised product of two maps, with the distances of the first.

Given the direction, the other messenger says nothing of the distance: each line of sight keeps the gravitational
waves' (Singer et al., ApJL 829, L15 (2016)). Mean and standard deviation over the whole sky are made anew from them.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from stream.coincide.coarsen import coarsened
from stream.coincide.overlap import Ranges, crossing, pixels_of, ranges
from stream.healpix import MAX_ORDER, area_sr, split_uniq
from stream.records import SkyMap
from stream.types import FloatArray, IntArray

_IGNORED = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
MOST_PIXELS = 50_000
"""2 MB of FITS."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,19}")
_CREATOR = "Tocsin"
_LEAST_RATIO, _FAR_RATIO = -20.0, 9.0


class Combined(NamedTuple):
    """A combined map, or None and why there is none."""

    skymap: SkyMap | None
    reason: str = ""


def combine(gw: SkyMap, external: SkyMap, source: str = "") -> Combined:
    """Return the product of two maps, normalised.

    It has the smaller of two pixels everywhere, joined where nothing is lost, and where all that is left has less than
    1e-6 of the probability; more, where it would have more than 50 000 pixels.

    Parameters
    ----------
    gw : SkyMap
        Whose distances, time and detectors it has.
    external : SkyMap
    source : str
        Named among the detectors.
    """
    uniq, at_gw, density = _product(ranges(gw), ranges(external))
    area = area_sr(split_uniq(uniq)[0])
    peak = float(density.max(initial=0.0))
    if not 0 < peak < np.inf:
        return Combined(None, "the two sky maps have no direction in common")
    density = density / peak
    density /= float(np.sum(density * area))
    layers = [density]
    for layer, nothing in ((gw.distmu_mpc, np.inf), (gw.distsigma_mpc, 1.0), (gw.distnorm, 0.0)):
        if layer is not None:
            layers.append(np.where(at_gw >= 0, layer[at_gw], nothing))
    for ignored in _IGNORED:
        pixels, columns = coarsened(uniq, np.stack(layers, axis=1), ignored)
        if len(pixels) <= MOST_PIXELS:
            return Combined(_with_distance(pixels, columns, gw, source))
    return Combined(None, f"the combined sky map has more than {MOST_PIXELS} pixels")


def _product(gw: Ranges, external: Ranges) -> tuple[IntArray, IntArray, FloatArray]:
    """Return pixels that cover the sphere, whose place in the first map each has (-1: none), and the product."""
    both = crossing(gw, external)
    # A pixel of one map in one of the other: a range of one order, at a multiple of its length.
    uniq = pixels_of(both.first, both.last)
    density = gw.density[both.one] * external.density[both.other]
    at_gw = gw.at[both.one]
    gaps = list(_gaps(both.first, both.last))
    uniq = np.concatenate([uniq, np.array(gaps, dtype=np.int64)])
    at_gw = np.concatenate([at_gw, np.full(len(gaps), -1)])
    return uniq, at_gw, np.concatenate([density, np.zeros(len(gaps))])


def _gaps(first: IntArray, last: IntArray) -> list[int]:
    """Return the largest pixels that cover what ranges leave of the sphere."""
    found = []
    starts = np.concatenate([[0], last])
    ends = np.concatenate([first, [12 << (2 * MAX_ORDER)]])
    for start, end in zip(starts[starts < ends].tolist(), ends[starts < ends].tolist(), strict=True):
        at = start
        while at < end:
            shift = min(((at & -at).bit_length() - 1) // 2 if at else MAX_ORDER, ((end - at).bit_length() - 1) // 2)
            shift = min(shift, MAX_ORDER)
            found.append((4 << (2 * (MAX_ORDER - shift))) + (at >> (2 * shift)))
            at += 1 << (2 * shift)
    return found


def _with_distance(uniq: IntArray, columns: FloatArray, gw: SkyMap, source: str) -> SkyMap:
    density = columns[:, 0] / float(np.sum(columns[:, 0] * area_sr(split_uniq(uniq)[0])))
    detectors = (*gw.detectors, source) if _NAME.fullmatch(source) else gw.detectors
    made = SkyMap(uniq, density, None, None, None, None, None, detectors, gw.gps_ns, _CREATOR)
    if columns.shape[1] != 4:
        return made
    mu, sigma, norm = (np.ascontiguousarray(column) for column in columns[:, 1:].T)
    mean, std = marginal_distance(density * area_sr(split_uniq(uniq)[0]), mu, sigma)
    return replace(made, distmu_mpc=mu, distsigma_mpc=sigma, distnorm=norm, distmean_mpc=mean, diststd_mpc=std)


def marginal_distance(
    held: FloatArray, mu_mpc: FloatArray, sigma_mpc: FloatArray
) -> tuple[float, float] | tuple[None, None]:
    """Return mean and standard deviation of the distance over the whole sky; None where no pixel has one.

    Parameters
    ----------
    held : array, shape (n,)
        Probability of each pixel.
    mu_mpc, sigma_mpc : array, shape (n,)
        Of the ansatz.
    """
    known = np.isfinite(mu_mpc) & (sigma_mpc > 0) & (held > 0)
    if not np.any(known):
        return None, None
    weight = held[known] / held[known].sum()
    mean, std = (of * sigma_mpc[known] for of in _moments(mu_mpc[known] / sigma_mpc[known]))
    over_sky = float(np.sum(weight * mean))
    spread = float(np.sum(weight * (std**2 + (mean - over_sky) ** 2)))
    return over_sky, float(np.sqrt(spread))


def _moments(ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of r^2 N(r; ratio, 1) over r > 0.

    As :func:`stream.localize.ansatz.to_moments` has them, without SciPy, which a telescope has not.
    """
    ratio = np.maximum(ratio, _LEAST_RATIO)
    near = ratio < _FAR_RATIO  # beyond, nothing of the Gaussian is cut off
    hazard = np.zeros(len(ratio))
    below = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in ratio[near].tolist()])
    hazard[near] = np.exp(-0.5 * ratio[near] ** 2) / math.sqrt(2 * math.pi) / below
    second = ratio**2 + 1 + ratio * hazard
    mean = (ratio**3 + 3 * ratio + hazard * (ratio**2 + 2)) / second
    fourth = ratio**4 + 6 * ratio**2 + 3 + hazard * (ratio**3 + 5 * ratio)
    return mean, np.sqrt(np.maximum(fourth / second - mean**2, 0.0))
