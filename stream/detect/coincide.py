"""Coincidences: triggers of one template in one to four detectors, as near in time as light and noise let them be.

Stands between ``infer`` and the ranking. Every set of detectors counts by itself: three triggers that fit together are
three single ones, three pairs and one triple, of which the ranking decides what they are most likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.detect.extrinsic import ExtrinsicTerm, Seen
from stream.records import Triggers
from stream.types import BoolArray, Float32Array, FloatArray, Int32Array, IntArray

SINGLE_FLOOR = 5.5
"""A detector alone says nothing below: such a trigger comes several times a minute."""


@dataclass(frozen=True, slots=True)
class Coincidences:
    """Triggers that could be of one source, in the order of time.

    Attributes
    ----------
    template : array of int32, shape (n,)
    time_ns : array of int64, shape (n,)
        Mean of the triggers' times, GPS, rounded down.
    seen : Seen
        Which detectors take part, with SNR and time of each.
    chisq : array of float32, shape (n, n_detectors, 2)
        Zero where a detector takes no part.
    glitch : array of float64, shape (n, n_detectors)
        The triggers' glitch terms; zero where a detector takes no part.
    """

    template: Int32Array
    time_ns: IntArray
    seen: Seen
    chisq: Float32Array
    glitch: FloatArray

    def __len__(self) -> int:
        """Return how many."""
        return len(self.template)

    def take(self, rows: IntArray) -> Coincidences:
        """Return some of them."""
        return Coincidences(
            self.template[rows], self.time_ns[rows], self.seen.take(rows), self.chisq[rows], self.glitch[rows]
        )


def coincide(triggers: Sequence[Triggers], term: ExtrinsicTerm, single_floor: float = SINGLE_FLOOR) -> Coincidences:
    """Return all coincidences of detectors' triggers over one stretch of time.

    Parameters
    ----------
    triggers : sequence of Triggers
        One per detector.
    term : ExtrinsicTerm
        Knows how far apart two detectors' triggers may lie.
    single_floor : float
        SNR from which a detector alone counts.
    """
    names = tuple(t.detector for t in triggers)
    windows = np.array([[0 if a == b else term.window_ns(a, b) for b in names] for a in names], dtype=np.int64)
    keys = _Keys(triggers, int(windows.max(initial=0)))
    found = []
    for d, own in enumerate(triggers):
        everything = np.arange(len(own.template))
        loud = everything[np.abs(own.snr) >= single_floor]
        found.append(_rows(loud[:, None], (d,), len(names)))
        found += _extended(everything[:, None], (d,), keys, windows)
    rows = np.concatenate(found)
    return _joined(triggers, rows) if len(rows) else _none(names)


class _Keys:
    """Each detector's triggers in one order: template, then time."""

    def __init__(self, triggers: Sequence[Triggers], window_ns: int) -> None:
        self.count = len(triggers)
        filled = [t.time_ns for t in triggers if len(t.time_ns)]
        start = min((int(t.min()) for t in filled), default=0)
        span = max((int(t.max()) for t in filled), default=0) - start + window_ns + 1
        self.plain = [t.template.astype(np.int64) * span + (t.time_ns - start) for t in triggers]
        self.order = [np.argsort(k, kind="stable") for k in self.plain]
        self.ordered = [k[o] for k, o in zip(self.plain, self.order, strict=True)]


def _extended(members: IntArray, columns: tuple[int, ...], keys: _Keys, windows: IntArray) -> list[IntArray]:
    """Return all coincidences that begin with the ones given, as rows of trigger numbers, -1 for none."""
    found = []
    for d in range(columns[-1] + 1, keys.count):
        anchor = keys.plain[columns[0]][members[:, 0]]
        reach = windows[columns[0], d]
        low = np.searchsorted(keys.ordered[d], anchor - reach)
        high = np.searchsorted(keys.ordered[d], anchor + reach, side="right")
        row, at = expand(low, high)
        other = keys.order[d][at]
        near = np.ones(len(row), dtype=np.bool_)
        for k, column in enumerate(columns[1:], 1):
            apart = keys.plain[column][members[row, k]] - keys.plain[d][other]
            near &= np.abs(apart) <= windows[column, d]
        grown = np.concatenate((members[row[near]], other[near, None]), axis=1)
        found.append(_rows(grown, (*columns, d), keys.count))
        if len(grown):
            found += _extended(grown, (*columns, d), keys, windows)
    return found


def expand(low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """Return, for ranges ``low`` to ``high`` (left out), the number of the range and each member of it."""
    count = np.maximum(high - low, 0)
    row = np.repeat(np.arange(len(low)), count)
    first = np.cumsum(count) - count
    return row, np.arange(len(row)) - first[row] + low[row]


def _rows(members: IntArray, columns: tuple[int, ...], n_detectors: int) -> IntArray:
    rows = np.full((len(members), n_detectors), -1, dtype=np.int64)
    rows[:, list(columns)] = members
    return rows


def _joined(triggers: Sequence[Triggers], rows: IntArray) -> Coincidences:
    """Gather what the triggers of each coincidence say, in the order of time, template and detectors."""
    members: BoolArray = rows >= 0
    snr = np.zeros(rows.shape, dtype=np.complex128)
    time_ns = np.zeros(rows.shape, dtype=np.int64)
    chisq = np.zeros((*rows.shape, 2), dtype=np.float32)
    glitch = np.zeros(rows.shape)
    template = np.zeros(len(rows), dtype=np.int32)
    for d, own in enumerate(triggers):
        at = rows[members[:, d], d]
        snr[members[:, d], d] = own.snr[at]
        time_ns[members[:, d], d] = own.time_ns[at]
        chisq[members[:, d], d] = own.chisq[at]
        glitch[members[:, d], d] = own.glitch[at]
        template[members[:, d]] = own.template[at]
    mean_ns = _mean_ns(time_ns, members)
    pattern = members @ (1 << np.arange(members.shape[1]))
    keys = (*time_ns.T, pattern, template, mean_ns)
    seen = Seen(tuple(t.detector for t in triggers), members, snr, time_ns)
    return Coincidences(template, mean_ns, seen, chisq, glitch).take(np.lexsort(keys))


def _none(names: tuple[str, ...]) -> Coincidences:
    """Return no coincidences, which is what most spans of live data hold."""
    shape = (0, len(names))
    nobody = Seen(names, np.zeros(shape, np.bool_), np.zeros(shape, np.complex128), np.zeros(shape, np.int64))
    chisq, glitch = np.zeros((*shape, 2), np.float32), np.zeros(shape)
    return Coincidences(np.zeros(0, np.int32), np.zeros(0, np.int64), nobody, chisq, glitch)


def _mean_ns(time_ns: IntArray, members: BoolArray) -> IntArray:
    """Return mean times, rounded down; GPS nanoseconds of four detectors do not add up to more than 63 bits hold."""
    mean: IntArray = (time_ns * members).sum(axis=1) // np.maximum(members.sum(axis=1), 1)
    return mean
