"""Counts of background peaks by ranking statistic, over a known time.

Kept as the loudest values exactly and nothing below them, so that memory is bounded and the tail, which is all
that a false-alarm rate of interest needs, is exact.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from stream.significance.rate import MOST_HZ, Rate

KEPT = 4000


class BackgroundCounts:
    """The loudest background peaks of one set of detectors.

    Parameters
    ----------
    duration_s : float
        Background time so far.
    loudest : iterable of float
        Statistics of its peaks.
    complete_above : float
        Every peak above this value is in ``loudest``.
    kept : int
        How many peaks are kept.
    """

    def __init__(
        self,
        duration_s: float = 0.0,
        loudest: Iterable[float] = (),
        complete_above: float = -1e9,
        kept: int = KEPT,
    ) -> None:
        self.duration_s = duration_s
        self._sorted = sorted(loudest)
        self.complete_above = complete_above
        self._kept = kept

    def add(self, statistics: Iterable[float], duration_s: float) -> None:
        """Count peaks found in ``duration_s`` more of background."""
        self.duration_s += duration_s
        for value in statistics:
            if value > self.complete_above:
                insort(self._sorted, float(value))
        if len(self._sorted) > self._kept:
            self.complete_above = self._sorted[-self._kept - 1]
            del self._sorted[: -self._kept]

    @property
    def loudest(self) -> tuple[float, ...]:
        """What is kept, rising."""
        return tuple(self._sorted)

    def count(self, statistic: float) -> int:
        """Return how many peaks are at least as loud; too few up to ``complete_above``, of which nothing is kept."""
        return len(self._sorted) - bisect_left(self._sorted, statistic)

    def rate(self, statistic: float) -> Rate:
        """Return the false-alarm rate of a statistic, its floor 1/T.

        ``(1 + N) / T``: the candidate itself counts as one, so the rate is never below one over the background's
        time (Usman et al., Class. Quantum Grav. 33, 215004 (2016), eq. 17).
        """
        n = self.count(statistic)
        if statistic <= self.complete_above:
            return Rate(MOST_HZ, False, self.duration_s)  # how many there are is not known
        return Rate((1 + n) / max(self.duration_s, 1.0), n == 0, self.duration_s)

    def as_dict(self) -> dict[str, object]:
        """Return what :meth:`from_dict` reads."""
        return {"duration_s": self.duration_s, "complete_above": self.complete_above, "loudest": list(self._sorted)}

    @classmethod
    def from_dict(cls, values: dict[str, object], kept: int = KEPT) -> BackgroundCounts:
        """Make counts from a file's or checkpoint's values."""
        loudest = values["loudest"]
        assert isinstance(loudest, list)
        return cls(float(str(values["duration_s"])), loudest, float(str(values["complete_above"])), kept)
