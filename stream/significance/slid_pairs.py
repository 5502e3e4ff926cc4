"""Pairs of two detectors' triggers that coincide in any of many time slides, all slides at once.

Two triggers of one template coincide in some slide if their times, each within a step of the slides, do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stream.detect.coincide import expand
from stream.records import Triggers
from stream.types import BoolArray, FloatArray, IntArray

_PAIRS_AT_ONCE = 1_000_000
_TIERS = (0.0, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0, 14.0, 20.0)


@dataclass(frozen=True, slots=True)
class SlidRange:
    """How the second detector moves against the first, and which pairs are wanted.

    Attributes
    ----------
    step_ns : int
        Slide n moves the second detector later by n steps.
    window_ns : int
        How near two triggers have to be.
    slides : int
        Numbers run from -slides to slides, 0 left out.
    least_q : float
        Least sum of squared SNRs, each less what its glitch term takes: r^2 + 2 G.
    """

    step_ns: int
    window_ns: int
    slides: int
    least_q: float


@dataclass(frozen=True, slots=True)
class SlidPairs:
    """Rows of the first and of the second detector's triggers, and the slide in which they coincide, each (n,)."""

    first: IntArray
    second: IntArray
    slide: IntArray

    def take(self, which: BoolArray) -> SlidPairs:
        """Return some of them."""
        return SlidPairs(self.first[which], self.second[which], self.slide[which])


def slid_pairs(first: Triggers, second: Triggers, wanted: SlidRange) -> Iterator[SlidPairs]:
    """Yield all wanted pairs, a bounded number at a time.

    The second detector's triggers are taken in tiers of SNR: of the first's, only those are looked at with which a
    tier can be loud enough.
    """
    one, other = _counted(first), _counted(second)
    for low, high in zip(_TIERS, (*_TIERS[1:], np.inf), strict=True):
        rows = np.flatnonzero(one**2 + high**2 >= wanted.least_q)
        tier = np.flatnonzero((other >= low) & (other < high))
        if not len(rows) or not len(tier):
            continue
        for i, j in _Steps(second, tier, wanted).near(first, rows):
            n = np.rint((first.time_ns[i] - second.time_ns[j]) / wanted.step_ns).astype(np.int64)
            loud = one[i] ** 2 + other[j] ** 2 >= wanted.least_q
            yield SlidPairs(i, j, n).take(loud & (n != 0) & (np.abs(n) <= wanted.slides))


def _counted(own: Triggers) -> FloatArray:
    """Return the SNRs that count in Gaussian noise as much as the triggers count."""
    power = np.abs(own.snr.astype(np.complex128)) ** 2 + 2.0 * own.glitch
    counted: FloatArray = np.sqrt(np.maximum(power, 0.0))
    return counted


class _Steps:
    """A detector's triggers in the order of template and of time within a step, the step's ends twice."""

    def __init__(self, own: Triggers, rows: IntArray, wanted: SlidRange) -> None:
        self._step, self._window = wanted.step_ns, wanted.window_ns
        self._span = self._step + 4 * self._window
        within, template = own.time_ns[rows] % self._step, own.template[rows].astype(np.int64)
        early, late = within < self._window, within >= self._step - self._window
        within = np.concatenate((within, within[early] + self._step, within[late] - self._step))
        key = np.concatenate((template, template[early], template[late])) * self._span + within + 2 * self._window
        order = np.argsort(key)
        self._key = key[order]
        self._rows = np.concatenate((rows, rows[early], rows[late]))[order]

    def near(self, other: Triggers, rows: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield the other detector's triggers of ``rows``, and those of this one within the window of each."""
        key = other.template[rows].astype(np.int64) * self._span + other.time_ns[rows] % self._step + 2 * self._window
        low = np.searchsorted(self._key, key - self._window)
        high = np.searchsorted(self._key, key + self._window, side="right")
        total = np.cumsum(high - low)
        cuts = np.searchsorted(total, np.arange(0, int(total[-1]) + 1, _PAIRS_AT_ONCE)).tolist()
        for start, stop in zip(cuts, [*cuts[1:], len(rows)], strict=True):
            row, at = expand(low[start:stop], high[start:stop])
            yield rows[start + row], self._rows[at]
