"""The false-alarm rate of a peak: the larger of what the shipped and the live background say.

Each is a background of just the detectors that were heard, by name; a set is never judged by another's. A background
says ``(1 + N) / T`` (Usman et al., Class. Quantum Grav. 33, 215004 (2016), eq. 17): N of its events are at least as
loud, T is how long it is. The shipped one always speaks. The live one speaks

- where it has counted (N > 0), once it is ten times as long as the time between alerts, ``10 / far_threshold_hz``;
- where it has not (N = 0), once it is ``1 / significant_far_hz`` long: until then "less than 1/T" would say no more
  than that the run is young, and would leave no candidate significant.

For a set that the model has no background of, live speaks alone, N = 0 or not, once it is ``10 / far_threshold_hz``
long. Until then nothing is known: the rate is the most that there can be, one event a second, and the source says
``unmeasured``.

Each of the two never rises with the statistic, so their maximum does not either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from stream.records import Background, Candidate, Peak
from stream.settings import SignificanceSettings
from stream.significance.rate import MOST_HZ, Counts, Rate
from stream.significance.shipped import set_name


class Live(Protocol):
    """A background that grows; the key is sorted names of detectors."""

    @property
    def counts(self) -> Mapping[tuple[str, ...], Counts]:
        """Counts by set of detectors."""
        ...


class Significance:
    """Turn peaks into candidates.

    Parameters
    ----------
    settings : SignificanceSettings
    shipped : mapping of str to Counts
        The model's background by name of the set of detectors.
    live : Live or None
        This run's slides.
    model : str
        Label of the model, carried into the candidate.
    """

    def __init__(
        self,
        settings: SignificanceSettings,
        shipped: Mapping[str, Counts],
        live: Live | None,
        model: str,
    ) -> None:
        self._counted_s = 10.0 / settings.far_threshold_hz
        self._limit_s = max(self._counted_s, 1.0 / settings.significant_far_hz)
        self._shipped = shipped
        self._live = live
        self._model = model

    def assess(self, peak: Peak) -> Candidate:
        """Return the candidate of a peak."""
        shipped, live = self._shipped_rate(peak), self._live_rate(peak)
        if shipped is not None and (live is None or live.far_hz <= shipped.far_hz):
            rate, source = shipped, "shipped"
        elif live is not None:
            rate, source = live, "live"
        else:
            rate, source = Rate(MOST_HZ, False, 0.0), "unmeasured"
        background = Background(source, rate.duration_s, peak.detectors)
        return Candidate(peak, rate.far_hz, rate.is_limit, background, self._model)

    def _shipped_rate(self, peak: Peak) -> Rate | None:
        counts = self._shipped.get(set_name(peak.detectors))
        return None if counts is None else counts.rate(peak.statistic)

    def _live_rate(self, peak: Peak) -> Rate | None:
        """Return what live says, or None where it has nothing to say."""
        counts = self._live.counts.get(tuple(sorted(peak.detectors))) if self._live is not None else None
        if counts is None:
            return None
        rate = counts.rate(peak.statistic)
        measured = set_name(peak.detectors) in self._shipped
        enough_s = self._limit_s if rate.is_limit and measured else self._counted_s
        return rate if rate.duration_s >= enough_s else None
