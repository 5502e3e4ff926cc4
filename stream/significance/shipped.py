"""A model's own background: ``background.json``, for each set of detectors by name.

A set's background is one or more curves: the longest is complete only in its tail, the next reaches further down. Only
what the model's card gives the hash of is read, and only if it was measured with this very network.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream.errors import ModelError
from stream.infer.model import BACKGROUND, ModelCard
from stream.significance.rate import MOST_HZ, Rate


def set_name(detectors: Sequence[str]) -> str:
    """Return a set's name, for example ``H1+L1``; the order does not matter."""
    return "+".join(sorted(detectors))


@dataclass(frozen=True, slots=True)
class Curve:
    """How many background events are at least as loud, at some statistics.

    Attributes
    ----------
    duration_s : float
        Time that was looked at.
    statistics : tuple of float
        Rising. Nothing is known below the first.
    counts : tuple of int
        Falling: so many events are at least as loud. Between two entries the larger number holds.
    """

    duration_s: float
    statistics: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def complete_above(self) -> float:
        """From this statistic on the curve knows."""
        return self.statistics[0] if self.statistics else float("-inf")

    def rate(self, statistic: float) -> Rate:
        """Return ``(1 + N) / T``; the most there can be where the curve knows nothing."""
        if statistic < self.complete_above:
            return Rate(MOST_HZ, False, self.duration_s)
        n = self._count(statistic)
        return Rate((1 + n) / max(self.duration_s, 1.0), n == 0, self.duration_s)

    def _count(self, statistic: float) -> int:
        k = bisect_left(self.statistics, statistic)
        if k == len(self.statistics):
            return 0
        # The entry before is quieter than this: all of its events but one may be as loud.
        return self.counts[k] if k == 0 or self.statistics[k] == statistic else self.counts[k - 1] - 1


@dataclass(frozen=True, slots=True)
class Shipped:
    """The background of one set of detectors: its curves, the longest first."""

    curves: tuple[Curve, ...]

    @property
    def duration_s(self) -> float:
        """How long the tail's background is."""
        return self.curves[0].duration_s

    def rate(self, statistic: float) -> Rate:
        """Return the rate of the longest curve that knows; never below what a longer one says of louder events."""
        found = Rate(0.0, False, 0.0)
        for curve in self.curves:
            known = curve.rate(max(statistic, curve.complete_above))
            if known.far_hz > found.far_hz:
                found = known
            if statistic >= curve.complete_above:
                return found
        return Rate(MOST_HZ, False, self.duration_s)


def load_shipped(card: ModelCard) -> dict[str, Shipped]:
    """Read a model's background: by name of each set of detectors that was measured; none if none ships.

    Raises
    ------
    ModelError
        If it is not the one that the card speaks of, or of another network, or damaged.
    """
    if not card.is_measured:
        return {}
    again = f"measure it anew: tocsin evaluate background --measure {card.folder}/"
    try:
        content = json.loads(card.read(BACKGROUND))
        of, sets = content["network"], {str(name): _shipped(values) for name, values in content["sets"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{card.folder / BACKGROUND} is no background ({error!r}): {again}") from error
    if of != card.network:
        raise ModelError(f"{card.folder / BACKGROUND} was measured with another network than {card.label}'s: {again}")
    return sets


def _shipped(values: Mapping[str, Any]) -> Shipped:
    curves = tuple(
        Curve(float(c["duration_s"]), tuple(map(float, c["statistics"])), tuple(map(int, c["counts"])))
        for c in values["curves"]
    )
    for curve in curves:
        rising = all(a < b for a, b in zip(curve.statistics, curve.statistics[1:], strict=False))
        falling = all(a > b for a, b in zip(curve.counts, curve.counts[1:], strict=False))
        if not (rising and falling and len(curve.counts) == len(curve.statistics) and curve.duration_s > 0):
            raise ValueError("a curve that is not monotone")
    if not curves:
        raise ValueError("a set without a curve")
    return Shipped(curves)
