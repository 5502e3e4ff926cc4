"""Distance along a line of sight: the ansatz r^2 N(mu, sigma) of multi-order maps, from its moments and back.

Singer et al., ApJL 829, L15 (2016), eqs. (1) to (3); its mean and standard deviation in units of sigma depend on
mu / sigma alone.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import erfcx

from stream.types import FloatArray

_LOWEST, _HIGHEST = -8.0, 400.0
"""Of mu / sigma. Below, the ratio of mean to standard deviation is that of an exponential times r^2 within 2 %."""
_ROWS = 20_000


def to_moments(ratio: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return, for mu / sigma: mean and standard deviation in units of sigma, and the integral of r^2 N in sigma^2."""
    # phi / Phi, without underflow
    hazard = np.sqrt(2.0 / np.pi) / erfcx(-ratio / np.sqrt(2.0))
    first = ratio + hazard
    second = ratio * first + 1.0
    third = ratio * second + 2.0 * first
    fourth = ratio * third + 3.0 * second
    mean = third / second
    std = np.sqrt(np.maximum(fourth / second - np.square(mean), 0.0))
    inside = 0.5 * erfcx(-ratio / np.sqrt(2.0)) * np.exp(-0.5 * np.square(np.minimum(ratio, 0.0)))
    inside = np.where(ratio > 0, 1.0 - 0.5 * erfcx(np.abs(ratio) / np.sqrt(2.0)) * np.exp(-0.5 * ratio**2), inside)
    return mean, std, second * inside


@cache
def _table() -> tuple[FloatArray, FloatArray]:
    """Return first, last and step of ln(mean / std), and mu / sigma with its mean and integral, shape (n, 3)."""
    ratio = np.concatenate((np.linspace(_LOWEST, 12.0, 6000), np.geomspace(12.01, _HIGHEST, 3000)))
    mean, std, inside = to_moments(ratio)
    known = np.log(mean / std)
    even = np.linspace(known[0], known[-1], _ROWS)
    rows = np.stack([np.interp(even, known, value) for value in (ratio, mean, inside)], axis=1)
    return np.array([even[0], even[-1], even[1] - even[0]]), rows


def from_moments(mean: FloatArray, std: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mu, sigma and norm of the ansatz with a mean and standard deviation.

    Where there is no such (not finite, or narrower or wider than it can be), mu is infinite, sigma 1 and norm 0.
    """
    (first, last, step), rows = _table()
    with np.errstate(all="ignore"):
        wanted = np.log(mean / std)
    good = (mean > 0) & (wanted > first) & (wanted < last)
    place = (np.where(good, wanted, first) - first) / step
    row = np.minimum(place.astype(np.int64), len(rows) - 2)
    ratio, at, inside = (rows[row] + (place - row)[:, None] * (rows[row + 1] - rows[row])).T
    sigma = np.where(good, mean / at, 1.0)
    norm = np.where(good, 1.0 / (np.square(sigma) * inside), 0.0)
    return np.where(good, ratio * sigma, np.inf), sigma, norm
