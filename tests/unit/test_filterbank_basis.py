"""Rows as mixes of few filters: as few as all eigenvectors give, and none that loses more than is allowed."""

from __future__ import annotations

import numpy as np
import pytest

from stream.infer.filterbank.basis import TOLERANCE, reduce
from stream.types import Float32Array


def decaying(n_rows: int, n_taps: int, scale: float) -> Float32Array:
    """Rows of unit norm whose singular values fall off as a chirp's do."""
    rng = np.random.default_rng(1)
    fall = np.exp(-np.arange(n_taps) / scale)
    turned = np.linalg.qr(rng.standard_normal((n_taps, n_taps)))[0]
    rows = (rng.standard_normal((n_rows, n_taps)) * fall) @ turned
    unit: Float32Array = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def lost(rows: Float32Array, density: float) -> tuple[int, float]:
    basis, coordinates = reduce(rows.reshape(len(rows) // 2, 2, -1), density)
    left = rows - coordinates.reshape(len(rows), -1) @ basis
    return len(basis), float((left**2).sum(axis=1).max() * density)


@pytest.mark.parametrize("scale", [4.0, 12.0])
def test_as_many_as_the_singular_values_ask_for(scale: float) -> None:
    rows = decaying(600, 300, scale)
    count, worst = lost(rows, 3.0)
    _, _, vectors = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    coordinates = rows @ vectors.T
    enough = ((1.0 - np.cumsum(coordinates**2, axis=1)) * 3.0).max(axis=0) < TOLERANCE
    assert worst < 1.01 * TOLERANCE
    assert abs(count - (int(np.argmax(enough)) + 1)) <= 1


def test_rows_that_need_more_than_is_looked_for_at_first_get_it() -> None:
    count, worst = lost(decaying(600, 300, 1e9), 3.0)
    assert count > 128
    assert worst < 1.01 * TOLERANCE
