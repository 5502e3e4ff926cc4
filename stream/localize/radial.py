"""The integral over distance: as a function of how strongly a source would be seen and how well it fits.

With p^2 = sum |F|^2 / 2 the half squared SNR that a source of an orientation has at the edge (r = 1), kappa =
b^2 / (4 p^2) the half squared SNR that fits it, and prior r^2 (Singer & Price, PRD 93, 024013 (2016))::

    integral_0^1 r^2 exp(-p^2 / r^2) I0(b / r) dr = exp(kappa) exp(G(p, kappa))

In y = p / r and s = sqrt(kappa), exp(G) = p^3 integral_p^inf y^-4 exp(-(y - s)^2) I0e(2 s y) dy. It holds for every
event: one table of 2.7 MB would do. An event needs it at few values of kappa alone, so it is taken there and fitted by
Chebyshev polynomials for each of the rows in p: 2 ms an event, no file, and no bound on the SNR.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from stream.localize.compiled import compiled
from stream.types import Float32Array, FloatArray

DEGREE, MOMENTS_DEGREE = 5, 3
"""Of the polynomials in kappa: of G, and of the moments of r."""

COEFFICIENTS = DEGREE + 1 + 2 * (MOMENTS_DEGREE + 1)

_ROWS = 160
_SPAN = 250.0  # of p; p^3 counts
_NODES = 24


class Fits(NamedTuple):
    """G and the mean of r / p and of (r / p)^2: polynomials in x = (kappa - middle) / half on |x| <= 1, rows in ln p.

    Attributes
    ----------
    rows : array of float32, shape (n_rows, COEFFICIENTS)
        Coefficients of rising powers.
    first, per_row : float
        ln p of the first row, and from row to row.
    middle, half : float
    peak : float
        About the largest kappa + G there is; taken off before the exponential.
    """

    rows: Float32Array
    first: float
    per_row: float
    middle: float
    half: float
    peak: float


def fit(most_p: float, low: float, high: float) -> Fits:
    """Fit the integral where an event needs it.

    Parameters
    ----------
    most_p : float
        Largest p.
    low, high : float
        Range of kappa.
    """
    first, last = float(np.log(most_p / _SPAN)), float(np.log(most_p))
    low = max(low, 0.0)
    middle, half = 0.5 * (low + high), max(0.5 * (high - low), 0.5)
    node, to_powers = _chebyshev()
    log_p = np.linspace(first, last, _ROWS)
    s = np.sqrt(np.maximum(middle + half * node, 0.0))
    values = moments(np.exp(log_p), s, *quadrature())
    coefficients = [value @ matrix for value, matrix in zip(values, to_powers, strict=True)]
    rows = np.concatenate(coefficients, axis=1)
    peak = high + float(values[0, -1, 0])
    return Fits(np.ascontiguousarray(rows, dtype=np.float32), first, (last - first) / (_ROWS - 1), middle, half, peak)


@cache
def _chebyshev() -> tuple[FloatArray, tuple[FloatArray, FloatArray, FloatArray]]:
    """Return the nodes, and for G and each moment the matrix from values at them to coefficients of powers."""
    node = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    series = np.linalg.inv(np.polynomial.chebyshev.chebvander(node, DEGREE))
    powers = np.zeros((DEGREE + 1, DEGREE + 1))
    for order in range(DEGREE + 1):
        powers[: order + 1, order] = np.polynomial.chebyshev.cheb2poly(np.eye(DEGREE + 1)[order])[: order + 1]
    few = MOMENTS_DEGREE + 1
    moment = (powers[:few, :few] @ series[:few]).T
    return node, ((powers @ series).T, moment, moment)


@cache
def quadrature() -> tuple[FloatArray, FloatArray]:
    """Return the nodes and weights that each stretch of the integral is taken with."""
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    return node, weight


@compiled
def scaled_bessel(x: float) -> float:
    """Return exp(-x) I0(x), x >= 0, to 2e-7 (Abramowitz & Stegun 9.8.1 and 9.8.2)."""
    if x < 3.75:
        t = (x / 3.75) ** 2
        even = 1.0 + t * (
            3.5156229 + t * (3.0899424 + t * (1.2067492 + t * (0.2659732 + t * (0.0360768 + t * 0.0045813))))
        )
        return np.exp(-x) * even  # type: ignore[no-any-return]
    t = 3.75 / x
    tail = 0.00916281 + t * (-0.02057706 + t * (0.02635537 + t * (-0.01647633 + t * 0.00392377)))
    return (0.39894228 + t * (0.01328592 + t * (0.00225319 + t * (-0.00157565 + t * tail)))) / np.sqrt(x)  # type: ignore[no-any-return]


@compiled
def moments(p: FloatArray, s: FloatArray, node: FloatArray, weight: FloatArray) -> FloatArray:
    """Return G and the mean of r / p and (r / p)^2, shape (3, len(p), len(s)).

    Two stretches: y from p to where the Gaussian in y begins, in ln y; and the Gaussian.
    """
    out = np.empty((3, len(p), len(s)))
    for i in range(len(p)):
        for j in range(len(s)):
            turn = max(p[i], 0.4 * s[j], s[j] - 5.0, 1.0)
            top = max(turn, s[j]) + 5.0
            total = mean = square = 0.0
            for k in range(len(node)):
                if turn > p[i]:
                    half = 0.5 * np.log(turn / p[i])
                    y = p[i] * np.exp(half * (1.0 + node[k]))
                    w = weight[k] * half * y * np.exp(-((y - s[j]) ** 2)) * scaled_bessel(2.0 * s[j] * y) / y**4
                    total += w
                    mean += w / y
                    square += w / y**2
                y = turn + 0.5 * (top - turn) * (1.0 + node[k])
                w = weight[k] * 0.5 * (top - turn) * np.exp(-((y - s[j]) ** 2)) * scaled_bessel(2.0 * s[j] * y) / y**4
                total += w
                mean += w / y
                square += w / y**2
            out[0, i, j] = 3.0 * np.log(p[i]) + np.log(total)
            out[1, i, j] = mean / total
            out[2, i, j] = square / total
    return out
