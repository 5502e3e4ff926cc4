"""A multi-order map with fewer pixels: four neighbours become one where they are equal, or where hardly anything is."""

from __future__ import annotations

import numpy as np

from stream.healpix import area_sr, split_uniq
from stream.types import AnyArray, BoolArray, FloatArray, IntArray


def coarsened(uniq: IntArray, columns: FloatArray, ignored: float) -> tuple[IntArray, FloatArray]:
    """Return a map's pixels in rising order and columns, joined where nothing, or nothing to speak of, is lost.

    Parameters
    ----------
    uniq : array of int64, shape (n,)
        Pixels that cover the sphere once.
    columns : array of float64, shape (n, k)
        The first is the density, of which joined pixels have the mean: no probability is lost. Of the others they
        have those of the densest of the four.
    ignored : float
        So much probability, of the least probable pixels, may be moved within a coarser one.
    """
    order = split_uniq(uniq)[0]
    free = _least_probable(columns[:, 0] * area_sr(order), ignored)
    done: list[tuple[IntArray, FloatArray]] = []
    open_ = (uniq[:0], columns[:0], free[:0])
    for level in range(int(order.max()), 0, -1):
        here = order == level
        open_ = _sorted(uniq[here], columns[here], free[here], open_)
        whole, joined = _join(*open_)
        done.append((open_[0][~whole], open_[1][~whole]))
        open_ = joined
    here = order == 0
    last = _sorted(uniq[here], columns[here], free[here], open_)
    done.append((last[0], last[1]))
    found, values = np.concatenate([u for u, _ in done]), np.concatenate([v for _, v in done])
    rising = np.argsort(found)
    return found[rising], values[rising]


def _sorted(
    uniq: IntArray, columns: FloatArray, free: BoolArray, more: tuple[IntArray, FloatArray, BoolArray]
) -> tuple[IntArray, FloatArray, BoolArray]:
    both: list[AnyArray] = [np.concatenate(pair) for pair in zip((uniq, columns, free), more, strict=True)]
    rising = np.argsort(both[0])
    return both[0][rising], both[1][rising], both[2][rising]


def _join(
    uniq: IntArray, columns: FloatArray, free: BoolArray
) -> tuple[BoolArray, tuple[IntArray, FloatArray, BoolArray]]:
    """Return which pixels of one order were joined, and what became of them."""
    parent = uniq >> 2
    whole = np.zeros(len(uniq), dtype=bool)
    start = np.flatnonzero(uniq & 3 == 0)
    start = start[start + 3 < len(uniq)]
    start = start[parent[start] == parent[start + 3]]
    four = columns[start[:, None] + np.arange(4)]
    all_free = free[start[:, None] + np.arange(4)].all(axis=1)
    alike = (four == four[:, :1]).all(axis=(1, 2)) | all_free
    start, four, all_free = start[alike], four[alike], all_free[alike]
    whole[(start[:, None] + np.arange(4)).ravel()] = True
    densest = four[np.arange(len(start)), np.argmax(four[:, :, 0], axis=1)]
    densest[:, 0] = four[:, :, 0].mean(axis=1)
    return whole, (parent[start], densest, all_free)


def _least_probable(mass: FloatArray, ignored: float) -> BoolArray:
    """Return which pixels together hold no more than a probability, the least probable ones."""
    at = np.argsort(mass, kind="stable")
    free = np.zeros(len(mass), dtype=bool)
    free[at] = np.cumsum(mass[at]) <= ignored
    return free
