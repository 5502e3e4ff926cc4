"""What a search made of a stretch, in the form in which all searches are judged: ranks, and background counts.

A search that is to be measured is a :class:`Searcher`; nothing else of it is known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pipelines.evaluate.scene import Scene
from stream.types import FloatArray

YEAR_S = 31_557_600.0
FARS_HZ = {"2/day": 2 / 86_400, "1/month": 12 / YEAR_S, "1/year": 1 / YEAR_S}
"""The false-alarm rates that sensitivity is stated at."""
FEWEST = 3.0
"""A background says nothing of a rate of which it expects fewer than this: three years for one a year."""
_KEPT_PER_S = 2 * max(FARS_HZ.values())


@dataclass(frozen=True, slots=True)
class Counts:
    """Background events: their time, and the ranks of the loudest, in descending order.

    Every event above ``complete_above`` is among them.
    """

    duration_s: float
    loudest: FloatArray
    complete_above: float = -np.inf

    @classmethod
    def of(cls, duration_s: float, ranks: Iterable[float] | FloatArray, complete_above: float = -np.inf) -> Counts:
        """Keep of all ranks those that a rate of :data:`FARS_HZ` can ask for."""
        descending = np.sort(np.asarray(ranks, dtype=np.float64))[::-1]
        kept = max(100, int(_KEPT_PER_S * duration_s))
        if len(descending) > kept:
            complete_above = max(complete_above, float(descending[kept]))
        return cls(duration_s, descending[:kept], complete_above)

    @classmethod
    def joined(cls, parts: Sequence[Counts]) -> Counts:
        """Return several backgrounds as one."""
        return cls(
            sum(p.duration_s for p in parts),
            np.sort(np.concatenate([p.loudest for p in parts]))[::-1],
            max(p.complete_above for p in parts),
        )

    def louder(self, far_hz: float) -> int | None:
        """Return how many louder background events an event of a rate may have, by ``FAR = (1 + N) / T``.

        None where the background is too short, never an extrapolation.
        """
        expected = far_hz * self.duration_s
        return int(expected + 1e-9) - 1 if expected >= FEWEST - 1e-9 else None

    def threshold(self, far_hz: float, louder: int | None = None) -> float | None:
        """Return the rank above which an event is at least as rare as a rate.

        Parameters
        ----------
        louder : int or None
            How many background events may be louder; None asks :meth:`louder`.
        """
        n = self.louder(far_hz) if louder is None else louder
        if n is None:
            return None
        if n >= len(self.loudest):  # fewer events than that: whatever is above the incomplete part is rarer
            return None if np.isfinite(self.complete_above) else -np.inf
        found = float(self.loudest[n])
        return found if found >= self.complete_above else None

    def as_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads; JSON knows no infinity."""
        complete = self.complete_above if np.isfinite(self.complete_above) else None
        loudest = [round(float(x), 5) for x in self.loudest]
        return {"duration_s": self.duration_s, "loudest": loudest, "complete_above": complete}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Counts:
        """Read what a file keeps."""
        complete = values["complete_above"]
        return cls(values["duration_s"], np.array(values["loudest"]), -np.inf if complete is None else complete)


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search made of one stretch.

    ``ranks`` is float64, shape (n_injections,): the ranking statistic of the loudest event at each injection, minus
    infinity where there was none.
    """

    ranks: FloatArray
    background: Counts

    def as_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads."""
        ranks = [round(float(r), 5) if np.isfinite(r) else None for r in self.ranks]
        return {"ranks": ranks, "background": self.background.as_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Searched:
        """Read what a file keeps."""
        ranks = np.array([-np.inf if r is None else r for r in values["ranks"]], dtype=np.float64)
        return cls(ranks, Counts.from_dict(values["background"]))


class Searcher(Protocol):
    """A search that can be measured; it is sent to another process, and opens what is heavy in :meth:`search`."""

    @property
    def label(self) -> str:
        """Return its name in the report; also in file names."""
        ...

    def search(self, scene: Scene, background_s: float) -> Searched:
        """Search a stretch with its injections, and measure background on it without them.

        Parameters
        ----------
        scene : Scene
        background_s : float
            Background time that is wanted of this stretch; less where it cannot give as much.
        """
        ...
