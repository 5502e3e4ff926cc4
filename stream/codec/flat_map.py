"""A flat HEALPix map made multi-order without loss: one pixel for four neighbours that are equal in every column.

LVK's flat maps come from adaptive ones: GW170817's 12.6 million pixels are 13 000 different ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.healpix import ring_index, uniq_of
from stream.types import BoolArray, FloatArray, IntArray

_MOST_LEVELS = 9
"""Levels that are joined: so much of the sky is looked at at once, 4 ** 9 pixels."""


def multi_order(order: int, columns: Sequence[FloatArray], *, ring: bool) -> tuple[IntArray, list[FloatArray]]:
    """Return the pixels (UNIQ, shape (m,)) and columns, each of shape (m,), of a flat map.

    Parameters
    ----------
    order : int
        Of the flat map.
    columns : sequence of array, each of shape (12 * 4 ** order,)
        Without NaN.
    ring : bool
        Whether they are in RING order and not NESTED.
    """
    levels = min(order, _MOST_LEVELS)
    pieces: list[tuple[IntArray, list[FloatArray]]] = []
    for start in range(0, 12 << (2 * order), 1 << (2 * levels)):
        index = start + np.arange(1 << (2 * levels))
        at = ring_index(order, index) if ring else index
        pieces += _joined(order, levels, start, [column[at] for column in columns])
    uniq = np.concatenate([piece for piece, _ in pieces])
    return uniq, [np.concatenate([values[k] for _, values in pieces]) for k in range(len(columns))]


def _joined(order: int, levels: int, start: int, columns: list[FloatArray]) -> list[tuple[IntArray, list[FloatArray]]]:
    """Return the pixels of one tree, level by level: those that are uniform and whose parent is not."""
    found = []
    uniform: BoolArray = np.ones(len(columns[0]), dtype=bool)
    for level in range(levels + 1):
        parent: BoolArray = np.zeros(1, dtype=bool)
        if level < levels:
            parent = np.logical_and.reduce(uniform.reshape(-1, 4), axis=1)
            for column in columns:
                children = column.reshape(-1, 4)
                parent = np.logical_and(parent, (children == children[:, :1]).all(axis=1))
        kept = np.flatnonzero(uniform & ~np.repeat(parent, 4 if level < levels else 1))
        found.append((uniq_of(order - level, (start >> (2 * level)) + kept), [column[kept] for column in columns]))
        uniform, columns = parent, [column[::4] for column in columns]
    return found
