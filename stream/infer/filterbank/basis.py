"""Rows of filters as mixes of few basis filters (singular values: Cannon et al., Phys. Rev. D 82, 044025 (2010)).

The number of filters is set by the row that is worst off, not by the mean: a bank whose mean is fine can hold a
template that keeps half its SNR.
"""

from __future__ import annotations

import numpy as np

from stream.types import Float32Array

TOLERANCE = 0.01
"""Largest part of its SNR's square that any row may lose in any slice."""

_LEADING = 128
"""Basis filters that are looked for at first; the shipped bank needs at most 80 in a slice."""
_ITERATIONS = 2


def reduce(rows: Float32Array, density: float) -> tuple[Float32Array, Float32Array]:
    """Return basis filters, and what each row has of them.

    Parameters
    ----------
    rows : array of float32, shape (n_rows, phases, n_taps)
    density : float
        SNR's square of a row whose taps' squares add up to 1.

    Returns
    -------
    basis : array of float32, shape (n_basis, n_taps)
    coordinates : array of float32, shape (n_rows, phases, n_basis)
    """
    flat = rows.reshape(-1, rows.shape[2])
    covariance, whole = flat.T @ flat, np.square(flat).sum(axis=1, keepdims=True)
    for vectors_of in (_leading, _all):
        vectors = vectors_of(covariance)
        coordinates = flat @ vectors
        enough = ((whole - np.cumsum(coordinates**2, axis=1)) * density).max(axis=0) < TOLERANCE
        if enough.any():
            break
    count = int(np.argmax(enough)) + 1
    basis = np.ascontiguousarray(vectors[:, :count].T)
    return basis, np.ascontiguousarray(coordinates[:, :count]).reshape(*rows.shape[:2], count)


def _leading(covariance: Float32Array) -> Float32Array:
    """Return the eigenvectors of the largest eigenvalues, in their order, shape (n, up to _LEADING).

    By iteration of a random subspace (Halko, Martinsson and Tropp, SIAM Rev. 53, 217 (2011), algorithm 4.4): seven
    times as fast as all of 825, and what the rows then lack is asked, not assumed.
    """
    shape = len(covariance), min(_LEADING, len(covariance))
    drawn: Float32Array = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    for _ in range(_ITERATIONS):
        drawn = np.linalg.qr(covariance @ drawn)[0]
    seen: Float32Array = covariance @ drawn
    vectors: Float32Array = drawn @ _all(drawn.T @ seen)
    return vectors


def _all(covariance: Float32Array) -> Float32Array:
    vectors: Float32Array = np.linalg.eigh(covariance)[1][:, ::-1]
    return vectors
