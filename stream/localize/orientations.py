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
def orientations(polarizations: int, inclinations: int, edge_on: bool = False) -> Orientations:
    """Return evenly spaced polarisations, and an even number of nodes in the cosine of inclination.

    They are Gauss-Legendre's in u; or, for ``edge_on``, in the root of |u|, so that they lie closer at u = 0: of a loud
    binary seen from its edge the likelihood changes fastest there. Of few nodes too many would lie there for distances.
    """
    if edge_on:
        x, share = np.polynomial.legendre.leggauss(inclinations // 2)
        half, part = np.square(0.5 * (x + 1.0)), share * 0.5 * (x + 1.0)  # du = 2 v dv, and dv = dx / 2
    else:
        x, share = np.polynomial.legendre.leggauss(inclinations)
        half, part = x[inclinations // 2 :], share[inclinations // 2 :]
    node, weight = np.stack((half, -half), axis=1).ravel(), np.repeat(part, 2)
    twopsi = np.repeat(np.pi * np.arange(polarizations) / polarizations, inclinations)
    columns = (np.cos(twopsi), np.sin(twopsi), np.tile(node, polarizations))
    counts = np.tile(weight, polarizations) / (2.0 * polarizations)
    empty = -len(twopsi) % LANES
    cosine, sine, u = (np.pad(c, (0, empty), mode="edge") for c in columns)
    return Orientations(cosine, sine, u, np.pad(counts, (0, empty)))
