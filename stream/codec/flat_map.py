"""A flat HEALPix map made multi-order without loss: one pixel for four neighbours that are equal in every column.

LVK's flat maps come from adaptive ones: GW170817's 12.6 million pixels are 13 000 different ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stream.healpix import ring_index, uniq_of
from stream.types import AnyArray, BoolArray, FloatArray, IntArray

_MOST_LEVELS = 9
"""Levels that are joined: so much of the sky is looked at at once, 4 ** 9 pixels."""


def multi_order(
    order: int, columns: Sequence[AnyArray], *, ring: bool, sound: Callable[[list[FloatArray]], list[FloatArray]],
    most: int, coarser: int = 0,
) -> tuple[IntArray, list[FloatArray]] | None:  # fmt: skip
    """Return the pixels (UNIQ, shape (m,)) and columns, each of shape (m,), of a flat map; None if they are too many.

    The map is gone through a part at a time: it need not fit the memory.

    Parameters
    ----------
    order : int
        Of the flat map.
    columns : sequence of array, each of shape (rows, values in a row), 12 * 4 ** order in all
        The first is a probability or its density.
    ring : bool
        Whether they are in RING order and not NESTED.
    sound : callable
        Makes of the columns of a part those that count, without NaN.
    most : int
        Most pixels.
    coarser : int
        By how many orders to make the map coarser at first: the mean of the first column, of the others what the most
        probable pixel has.
    """
    levels = min(order, _MOST_LEVELS)
    pieces: list[tuple[IntArray, list[FloatArray]]] = []
    held = 0
    for start in range(0, 12 << (2 * order), 1 << (2 * levels)):
        index = start + np.arange(1 << (2 * levels))
        at = ring_index(order, index) if ring else index
        values = [column[np.divmod(at, column.shape[1])].astype(np.float64) for column in columns]
        values = _coarser(sound(values), coarser)
        found = _joined(order - coarser, levels - coarser, start >> (2 * coarser), values)
        pieces += found
        held += sum(len(uniq) for uniq, _ in found)
        if held > most:
            return None
    uniq = np.concatenate([piece for piece, _ in pieces])
    return uniq, [np.concatenate([values[k] for _, values in pieces]) for k in range(len(columns))]


def _coarser(columns: list[FloatArray], orders: int) -> list[FloatArray]:
    if orders == 0:
        return columns
    wide = [column.reshape(-1, 1 << (2 * orders)) for column in columns]
    at = np.argmax(wide[0], axis=1)[:, None]
    return [wide[0].mean(axis=1), *(np.take_along_axis(column, at, axis=1)[:, 0] for column in wide[1:])]


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
