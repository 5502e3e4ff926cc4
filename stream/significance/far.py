"""The false-alarm rate of a peak: the larger of what the shipped and the live background say.

Each is a background of just the detectors that were heard, by name; a class is never judged by another's. A background
says ``(1 + N) / T`` (Usman et al., Class. Quantum Grav. 33, 215004 (2016), eq. 17): N of its events are at least as
loud, T is how long it is. The shipped one always speaks. The live one speaks

- where it has counted (N > 0), once it is ten times as long as the time between alerts, ``10 / far_threshold_hz``;
- where it has not (N = 0), once it is ``trials_factor / significant_far_hz`` long: until then "less than 1/T" would
  say no more than that the run is young, and would leave no candidate significant.

For a set that the model has no background of, live speaks alone, N = 0 or not, once it is ``10 / far_threshold_hz``
long. Until then nothing is known: the rate is the most that there can be, one event a second, and the source says
``unmeasured``.

Where a peak's class (:mod:`stream.significance.classes`) has only a share of the false-alarm rate, rates are divided by
it, and live has to be longer by as much.

Each of the two never rises with the statistic, so their maximum does not either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from stream.records import Background, Candidate, Peak
from stream.settings import SignificanceSettings
from stream.significance.classes import BackgroundClass, class_of
from stream.significance.foreground import Foreground
from stream.significance.rate import MOST_HZ, Counts, Rate

UNMEASURED = "unmeasured"


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
    foreground : mapping of str to Foreground or None
        What is known of the model's signals, by name of the class.
    """

    def __init__(
        self,
        settings: SignificanceSettings,
        shipped: Mapping[str, Counts],
        live: Live | None,
        model: str,
        *,
        ranks_alone: bool = False,
        foreground: Mapping[str, Foreground] | None = None,
    ) -> None:
        self._counted_s = 10.0 / settings.far_threshold_hz
        self._limit_s = max(self._counted_s, settings.trials_factor / settings.significant_far_hz)
        self._shipped = shipped
        self._live = live
        self._model = model
        self._ranks_alone = ranks_alone
        self._foreground = foreground or {}

    def assess(self, peak: Peak) -> Candidate:
        """Return the candidate of a peak."""
        of = class_of(peak, ranks_alone=self._ranks_alone)
        live = self._live.counts_at(peak.gps_ns).get(of.key) if self._live is not None else None
        rate, source = self._rate(peak.statistic, of, live)
        background = Background(source, rate.duration_s, peak.heard or peak.detectors)
        far_hz = min(MOST_HZ, rate.far_hz / of.share)
        candidate = Candidate(peak, far_hz, rate.is_limit, background, self._model)
        foreground = self._foreground.get(of.name)
        if foreground is None:
            return replace(candidate, p_astro_reason=f"{self._model} has no foreground of {of.name}")
        if source == UNMEASURED:
            return replace(candidate, p_astro_reason=f"no background of {of.name} was measured")
        p_astro = foreground.p_astro(peak.statistic, lambda s: self._rate(s, of, live)[0].far_hz)
        return replace(candidate, p_astro=p_astro)

    def _rate(self, statistic: float, of: BackgroundClass, counts: Counts | None) -> tuple[Rate, str]:
        """Return the larger of what the two say, and whose it is."""
        shipped = self._shipped[of.name].rate(statistic) if of.name in self._shipped else None
        live = self._live_rate(statistic, of, counts)
        if shipped is not None and (live is None or live.far_hz <= shipped.far_hz):
            return shipped, "shipped"
        if live is not None:
            return live, "live"
        return Rate(MOST_HZ, False, 0.0), UNMEASURED

    def _live_rate(self, statistic: float, of: BackgroundClass, counts: Counts | None) -> Rate | None:
        """Return what live says, or None where it has nothing to say."""
        if counts is None:
            return None
        rate = counts.rate(statistic)
        enough_s = self._limit_s if rate.is_limit and of.name in self._shipped else self._counted_s
        return rate if rate.duration_s >= enough_s / of.share else None
