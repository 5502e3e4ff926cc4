"""The probability of any HEALPix pixel, wider or finer than a map's own: differences of one running sum."""

from __future__ import annotations

import numpy as np

from stream.healpix import MAX_ORDER, area_sr, split_uniq
from stream.records import SkyMap
from stream.types import BoolArray, FloatArray, IntArray


class Sums:
    """A map's probability summed along the nested order, in which every pixel is one stretch.

    The same for flat and multi-order maps, of any order; 40 bytes for each pixel.
    """

    def __init__(self, skymap: SkyMap) -> None:
        order, index = split_uniq(skymap.uniq)
        first = index << (2 * (MAX_ORDER - order))
        by_place = np.argsort(first, kind="stable")
        self._first = first[by_place]
        order = order[by_place]
        density = skymap.probdensity[by_place]
        self._end = self._first + (np.int64(1) << (2 * (MAX_ORDER - order)))
        self._per_step = density * float(area_sr(np.array(MAX_ORDER)))
        self._before = np.concatenate([[0.0], np.cumsum(density * area_sr(order))[:-1]])
        self.finest = int(order.max())

    def of(self, order: int, index: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return the probability of nested pixels of one order, and which of them lie in one pixel of the map."""
        first = index << (2 * (MAX_ORDER - order))
        last = first + (1 << (2 * (MAX_ORDER - order)))
        at = np.searchsorted(self._first, first, side="right") - 1
        uniform = self._end[at] >= last
        inner = self._per_step[at] * (last - first)
        if bool(uniform.all()):
            return inner, uniform
        start, until = first[~uniform], last[~uniform]
        inner[~uniform] = self._until(until, np.searchsorted(self._first, until, side="left") - 1) - self._until(
            start, at[~uniform]
        )
        return inner, uniform

    def _until(self, step: IntArray, at: IntArray) -> FloatArray:
        found: FloatArray = self._before[at] + (step - self._first[at]) * self._per_step[at]
        return found
