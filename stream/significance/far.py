"""The false-alarm rate of a peak: the larger of what the shipped and the live background say.

A background says ``(1 + N) / T`` (Usman et al., Class. Quantum Grav. 33, 215004 (2016), eq. 17): N of its peaks are at
least as loud, T is how long it is. The shipped one always speaks. The live one speaks

- where it has counted (N > 0), once it is ten times as long as the time between alerts, ``10 / far_threshold_hz``;
- where it has not (N = 0), once it is ``1 / significant_far_hz`` long: until then "less than 1/T" would say no more
  than that the run is young, and would leave no candidate significant.

Each of the two never rises with the statistic, so their maximum does not either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from stream.records import Background, Candidate, Peak
from stream.settings import SignificanceSettings
from stream.significance.background import BackgroundCounts


class Counts(Protocol):
    """What a false-alarm rate is made from."""

    @property
    def duration_s(self) -> float:
        """How long the background is."""
        ...

    def far_hz(self, statistic: float) -> tuple[float, bool]:
        """Return ``(1 + N) / T``, and whether N is 0."""
        ...


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
    shipped : dict of int to BackgroundCounts
        The model's background by number of detectors heard.
    live : Live or None
        This run's slides.
    model : str
        Label of the model, carried into the candidate.
    """

    def __init__(
        self,
        settings: SignificanceSettings,
        shipped: dict[int, BackgroundCounts],
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
        # A set larger than any that was measured takes the largest: more detectors only add evidence.
        shipped: Counts = self._shipped.get(len(peak.detectors), self._shipped[max(self._shipped)])
        far_hz, is_limit = shipped.far_hz(peak.statistic)
        counts, source = shipped, "shipped"
        live = self._live.counts.get(tuple(sorted(peak.detectors))) if self._live is not None else None
        if live is not None:
            live_hz, live_is_limit = live.far_hz(peak.statistic)
            enough_s = self._limit_s if live_is_limit else self._counted_s
            if live.duration_s >= enough_s and live_hz > far_hz:
                far_hz, is_limit, counts, source = live_hz, live_is_limit, live, "live"
        background = Background(source, counts.duration_s, peak.detectors)
        return Candidate(peak, far_hz, is_limit, background, self._model)
