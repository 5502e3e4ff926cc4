"""A live background that forgets: counts over the last stretch of data time, in parts of a twenty-fourth of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stream.significance.background import BackgroundCounts
from stream.significance.rate import MOST_HZ, Rate
from stream.timebase import NS_PER_S

_PARTS = 24
EVERYTHING = -1e9
"""No peak is quieter."""

KEPT_IN_PART = 1000


@dataclass(slots=True)
class Part:
    """What was counted of the data from ``start_ns`` to ``end_ns`` (GPS)."""

    start_ns: int
    end_ns: int
    counts: BackgroundCounts


class RollingCounts:
    """Background peaks of the last ``window_s`` of data time.

    A part is forgotten as soon as all of it is older, so that between 1 and 1 + 1/24 windows are covered. Bounded: 25
    parts, the thousand loudest peaks of each.

    Parameters
    ----------
    window_s : float
    parts : iterable of Part
        What is known already, from a checkpoint; of any length, oldest first.
    kept : int
        How many peaks of a part are kept.
    complete_above : float
        Every peak above this value is counted.
    """

    def __init__(
        self,
        window_s: float,
        parts: Iterable[Part] = (),
        kept: int = KEPT_IN_PART,
        *,
        complete_above: float = EVERYTHING,
    ) -> None:
        self.window_s = window_s
        self._window_ns = round(window_s * NS_PER_S)
        self._part_ns = max(1, self._window_ns // _PARTS)
        self._kept = kept
        self._complete_above = complete_above
        self.parts = list(parts)

    def add(self, statistics: Iterable[float], duration_s: float, gps_ns: int) -> None:
        """Count peaks found in ``duration_s`` more of background, made of data at ``gps_ns`` or before."""
        if self.parts and gps_ns < self.parts[-1].start_ns - self._window_ns:
            self.parts.clear()  # of a clock that was far ahead
        if not self.parts or gps_ns >= self.parts[-1].end_ns:
            start_ns = gps_ns // self._part_ns * self._part_ns
            counts = BackgroundCounts(complete_above=self._complete_above, kept=self._kept)
            self.parts.append(Part(start_ns, start_ns + self._part_ns, counts))
            self.parts = [part for part in self.parts if part.end_ns > gps_ns - self._window_ns]
        self.parts[-1].counts.add(statistics, duration_s)

    @property
    def duration_s(self) -> float:
        """Background time within the window."""
        return sum(part.counts.duration_s for part in self.parts)

    def count(self, statistic: float) -> int:
        """Return how many peaks are at least as loud; too few where a part has not kept so quiet ones."""
        return sum(part.counts.count(statistic) for part in self.parts)

    def loudest(self, rank: int) -> float:
        """Return the statistic that so many peaks reach; the quietest that is kept if there are fewer."""
        peaks = sorted((value for part in self.parts for value in part.counts.loudest), reverse=True)
        return peaks[min(rank, len(peaks)) - 1]

    def rate(self, statistic: float) -> Rate:
        """Return ``(1 + N) / T``; the most there can be where a part kept no more (:meth:`BackgroundCounts.rate`)."""
        n, duration_s = self.count(statistic), self.duration_s
        if any(statistic <= part.counts.complete_above for part in self.parts):
            return Rate(MOST_HZ, False, duration_s)
        return Rate((1 + n) / max(duration_s, 1.0), n == 0, duration_s)

    def copy(self) -> RollingCounts:
        """Return counts that no longer change with these; only the newest part does."""
        newest = [
            Part(p.start_ns, p.end_ns, BackgroundCounts.from_dict(p.counts.as_dict(), self._kept))
            for p in self.parts[-1:]
        ]
        parts = self.parts[:-1] + newest
        return RollingCounts(self.window_s, parts, self._kept, complete_above=self._complete_above)

    def as_list(self) -> list[dict[str, object]]:
        """Return what :meth:`from_list` reads."""
        return [{"start_ns": p.start_ns, "end_ns": p.end_ns, **p.counts.as_dict()} for p in self.parts]

    @classmethod
    def from_list(cls, window_s: float, values: list[dict[str, object]]) -> RollingCounts:
        """Take up a checkpoint's values under this run's window."""
        return cls(
            window_s,
            [
                Part(int(str(v["start_ns"])), int(str(v["end_ns"])), BackgroundCounts.from_dict(v, KEPT_IN_PART))
                for v in values
            ],
        )
