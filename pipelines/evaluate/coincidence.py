"""Triggers of two detectors, template by template: coincidences in true time, and in all slides by whole seconds.

For the searches that are measured beside the models: a known template, and a bank. Two triggers of one template within
the light's travel time and what the noise adds to it (15 ms) are an event; it ranks by its SNRs added in squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.evaluate.searched import Counts
from stream.types import FloatArray, IntArray

WITHIN_S = 0.015
_PAIRS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class TriggerList:
    """One detector's triggers: template, time from the stretch's start, and rank (SNR, or what became of it)."""

    template: IntArray
    time_s: FloatArray
    rank: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[TriggerList]) -> TriggerList:
        """Return several lists as one."""
        return cls(
            np.concatenate([p.template for p in parts]),
            np.concatenate([p.time_s for p in parts]),
            np.concatenate([p.rank for p in parts]),
        )

    def between(self, start_s: float, end_s: float) -> TriggerList:
        """Return the triggers of a stretch of time."""
        at = (self.time_s >= start_s) & (self.time_s < end_s)
        return TriggerList(self.template[at], self.time_s[at], self.rank[at])

    def of_template(self, template: int) -> TriggerList:
        """Return one template's triggers, the loudest first."""
        at = np.flatnonzero(self.template == template)
        at = at[np.argsort(-self.rank[at])]
        return TriggerList(self.template[at], self.time_s[at], self.rank[at])


def local_maxima(z: FloatArray, floor: float) -> IntArray:
    """Return where a series stands above a floor and above both its neighbours."""
    inner = z[1:-1]
    return np.flatnonzero((inner >= floor) & (inner > z[:-2]) & (inner >= z[2:])) + 1


def coincident(first: TriggerList, second: TriggerList) -> tuple[FloatArray, FloatArray]:
    """Return mean time and rank of every coincidence in true time."""
    times, ranks = [np.zeros(0)], [np.zeros(0)]
    for template in np.intersect1d(first.template, second.template):
        one, other = first.of_template(template), second.of_template(template)
        i, j = np.nonzero(np.abs(one.time_s[:, None] - other.time_s) <= WITHIN_S)
        times.append((one.time_s[i] + other.time_s[j]) / 2)
        ranks.append(np.hypot(one.rank[i], other.rank[j]))
    return np.concatenate(times), np.concatenate(ranks)


@dataclass(frozen=True, slots=True)
class Slid:
    """Slides of a stretch in a ring: which seconds it has, and the ranks that are looked for.

    ``heard_s`` is the ring's length in whole seconds, from ``start_s`` of the stretch on.
    """

    start_s: int
    heard_s: int
    least_rank: float

    def count(self, first: TriggerList, second: TriggerList, slides: int, *, separate: bool = False) -> Counts:
        """Count events in slides: the second detector is moved later by each whole number of seconds.

        What happens in one second of one slide is one event. With ``separate`` every template is a search of its own,
        whose time counts again; otherwise all are one search.
        """
        templates = np.intersect1d(first.template, second.template)
        found = [self._pairs(first.of_template(t), second.of_template(t), slides) for t in templates]
        time_s = float(self.heard_s) * slides * (max(1, len(templates)) if separate else 1)
        groups = found if separate else [np.concatenate(found)] if found else []
        ranks = [self._loudest_of_each(group) for group in groups]
        return Counts.of(time_s, np.concatenate(ranks) if ranks else [], self.least_rank)

    def _pairs(self, one: TriggerList, other: TriggerList, slides: int) -> FloatArray:
        """Return cell (slide and second) and rank of each slid pair that is loud enough, shape (n, 2)."""
        found = [np.zeros((0, 2))]
        # Loudest first: of the other detector's, only the first few can make a pair loud enough.
        wanted = np.sqrt(np.maximum(self.least_rank**2 - one.rank**2, 0.0))
        reach = np.searchsorted(-other.rank, -wanted, side="right")
        start = 0
        while start < len(one.rank):
            stop = start + 1
            while stop < len(one.rank) and (stop + 1 - start) * max(1, reach[start]) <= _PAIRS_AT_ONCE:
                stop += 1
            m = int(reach[start:stop].max(initial=0))
            rank2 = one.rank[start:stop, None] ** 2 + other.rank[:m] ** 2
            lag = one.time_s[start:stop, None] - other.time_s[:m]
            whole = np.rint(lag)
            slide = np.mod(whole, self.heard_s)
            good = (np.abs(lag - whole) <= WITHIN_S) & (rank2 >= self.least_rank**2) & (slide >= 1) & (slide <= slides)
            i, j = np.nonzero(good)
            second = np.floor(one.time_s[start + i]) - self.start_s
            found.append(np.stack([slide[i, j] * self.heard_s + second, np.sqrt(rank2[i, j])], axis=1))
            start = stop
        return np.concatenate(found)

    @staticmethod
    def _loudest_of_each(pairs: FloatArray) -> FloatArray:
        """Return the loudest rank of each cell."""
        order = np.lexsort((-pairs[:, 1], pairs[:, 0]))
        cell, rank = pairs[order].T
        loudest: FloatArray = rank[np.flatnonzero(np.diff(cell, prepend=-1.0))]
        return loudest
