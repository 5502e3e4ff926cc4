"""The orientations that a pixel's likelihood is summed over."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from stream.types import FloatArray

LANES = 24
"""How many orientations are summed side by side: three vectors of 256 bits. Loops over fewer are unrolled by the
compiler before it could make vectors of them."""


class Orientations(NamedTuple):
    """Orientations that are summed over, u and -u next to each other, filled up to whole vectors with weight 0.

    Attributes
    ----------
    cos_twopsi, sin_twopsi : array of float64, shape (n,)
        Twice the polarisation, evenly over half a turn.
    u, weight : array of float64, shape (n,)
        Cosine of the inclination, and what the orientation counts; the weights add up to 1.
    """

    cos_twopsi: FloatArray
    sin_twopsi: FloatArray
    u: FloatArray
    weight: FloatArray


@cache
def orientations(polarizations: int, inclinations: int) -> Orientations:
    """Return evenly spaced polarisations, and Gauss-Legendre nodes (an even number) in the cosine of inclination."""
    node, weight = np.polynomial.legendre.leggauss(inclinations)
    half = len(node) // 2
    paired = np.stack((np.arange(half), inclinations - 1 - np.arange(half)), axis=1).ravel()
    twopsi = np.repeat(np.pi * np.arange(polarizations) / polarizations, inclinations)
    columns = (np.cos(twopsi), np.sin(twopsi), np.tile(node[paired], polarizations))
    counts = np.tile(weight[paired], polarizations) / (2.0 * polarizations)
    empty = -len(twopsi) % LANES
    cosine, sine, u = (np.pad(c, (0, empty), mode="edge") for c in columns)
    return Orientations(cosine, sine, u, np.pad(counts, (0, empty)))
