"""The false-alarm rate of a peak: the larger of what the shipped and the live background say.

Each is a background of just the detectors that were heard, by name; a class is never judged by another's. A background
says ``(1 + N) / T`` (Usman et al., Class. Quantum Grav. 33, 215004 (2016), eq. 17): N of its events are at least as
loud, T is how long it is. The shipped one always speaks. The live one speaks

- where it has counted (N > 0), once it is ten times as long as the time between alerts, ``10 / far_threshold_hz``;
- where it has not (N = 0), once it is ``1 / significant_far_hz`` long: until then "less than 1/T" would say no more
  than that the run is young, and would leave no candidate significant.

For a set that the model has no background of, live speaks alone, N = 0 or not, once it is ``10 / far_threshold_hz``
long. Until then nothing is known: the rate is the most that there can be, one event a second, and the source says
``unmeasured``.

Where a peak's class (:mod:`stream.significance.classes`) has only a share of the false-alarm rate, rates are divided by
it, and live has to be longer by as much.

Each of the two never rises with the statistic, so their maximum does not either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from stream.records import Background, Candidate, Peak
from stream.settings import SignificanceSettings
from stream.significance.classes import BackgroundClass, class_of
from stream.significance.rate import MOST_HZ, Counts, Rate


class Live(Protocol):
    """A background that grows; the key is that of a :class:`~stream.significance.classes.BackgroundClass`."""

    def counts_at(self, gps_ns: int) -> Mapping[tuple[str, ...], Counts]:
        """Return what counts for a peak at a time, by class; peaks are asked for in the order of time."""
        ...


class Significance:
    """Turn peaks into candidates.

    Parameters
    ----------
    settings : SignificanceSettings
    shipped : mapping of str to Counts
        The model's background by name of the class.
    live : Live or None
        This run's slides.
    model : str
        Label of the model, carried into the candidate.
    ranks_alone : bool
        Whether the model ranks a detector alone beside coincidences.
    """

    def __init__(
        self,
        settings: SignificanceSettings,
        shipped: Mapping[str, Counts],
        live: Live | None,
        model: str,
        *,
        ranks_alone: bool = False,
    ) -> None:
        self._counted_s = 10.0 / settings.far_threshold_hz
        self._limit_s = max(self._counted_s, 1.0 / settings.significant_far_hz)
        self._shipped = shipped
        self._live = live
        self._model = model
        self._ranks_alone = ranks_alone

    def assess(self, peak: Peak) -> Candidate:
        """Return the candidate of a peak."""
        of = class_of(peak, ranks_alone=self._ranks_alone)
        shipped, live = self._shipped_rate(peak.statistic, of), self._live_rate(peak, of)
        if shipped is not None and (live is None or live.far_hz <= shipped.far_hz):
            rate, source = shipped, "shipped"
        elif live is not None:
            rate, source = live, "live"
        else:
            rate, source = Rate(MOST_HZ, False, 0.0), "unmeasured"
        background = Background(source, rate.duration_s, peak.heard or peak.detectors)
        return Candidate(peak, min(MOST_HZ, rate.far_hz / of.share), rate.is_limit, background, self._model)

    def _shipped_rate(self, statistic: float, of: BackgroundClass) -> Rate | None:
        counts = self._shipped.get(of.name)
        return None if counts is None else counts.rate(statistic)

    def _live_rate(self, peak: Peak, of: BackgroundClass) -> Rate | None:
        """Return what live says, or None where it has nothing to say."""
        counts = self._live.counts_at(peak.gps_ns).get(of.key) if self._live is not None else None
        if counts is None:
            return None
        rate = counts.rate(peak.statistic)
        enough_s = self._limit_s if rate.is_limit and of.name in self._shipped else self._counted_s
        return rate if rate.duration_s >= enough_s / of.share else None
