"""Counts of background peaks by ranking statistic, over a known time.

Kept as the loudest values exactly and nothing below them, so that memory is bounded and the tail, which is all
that a false-alarm rate of interest needs, is exact.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections.abc import Iterable
from pathlib import Path

from stream.errors import ModelError

KEPT = 4000


class BackgroundCounts:
    """The loudest background peaks of one kind of detector set.

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

    def count(self, statistic: float) -> int:
        """Return how many peaks are at least as loud; at least the kept number below the complete tail."""
        return len(self._sorted) - bisect_left(self._sorted, statistic)

    def far_hz(self, statistic: float) -> tuple[float, bool]:
        """Return the false-alarm rate of a statistic, and whether it stands at its floor of 1/T.

        ``(1 + N) / T``: the candidate itself counts as one, so the rate is never below one over the background's
        time (Usman et al., Class. Quantum Grav. 33, 215004 (2016), eq. 17).
        """
        n = self.count(statistic)
        return (1 + n) / max(self.duration_s, 1.0), n == 0

    def as_dict(self) -> dict[str, object]:
        """Return what :meth:`from_dict` reads."""
        return {"duration_s": self.duration_s, "complete_above": self.complete_above, "loudest": list(self._sorted)}

    @classmethod
    def from_dict(cls, values: dict[str, object], kept: int = KEPT) -> BackgroundCounts:
        """Make counts from a file's or checkpoint's values."""
        loudest = values["loudest"]
        assert isinstance(loudest, list)
        return cls(float(str(values["duration_s"])), loudest, float(str(values["complete_above"])), kept)


def load_shipped(path: Path) -> dict[int, BackgroundCounts]:
    """Read a model's background: counts by number of detectors heard.

    Raises
    ------
    ModelError
        If the file is missing or is not a background.
    """
    try:
        sets = json.loads(path.read_text())["detectors_heard"]
        return {int(n): BackgroundCounts.from_dict(values) for n, values in sets.items()}
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"background file {path} is not usable ({error}): measure it anew") from error
