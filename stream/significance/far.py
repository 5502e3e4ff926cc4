"""The false-alarm rate of a peak: shipped background at first, live slides once they say more.

Rule: the live background of a detector set is used when it covers ``10 / far_threshold`` and either holds ten
peaks at least as loud (then it is the better measurement of this very noise) or is longer than the shipped one.
Otherwise the shipped one, by the number of detectors heard. Its floor of 1/T always holds.
"""

from __future__ import annotations

from stream.records import Background, Candidate, Peak
from stream.settings import SignificanceSettings
from stream.significance.background import BackgroundCounts
from stream.significance.slides import LiveSlides

_ENOUGH_PEAKS = 10


class Significance:
    """Turn peaks into candidates.

    Parameters
    ----------
    settings : SignificanceSettings
    shipped : dict of int to BackgroundCounts
        The model's background by number of detectors heard.
    live : LiveSlides or None
        This run's slides.
    model : str
        Label of the model, carried into the candidate.
    """

    def __init__(
        self,
        settings: SignificanceSettings,
        shipped: dict[int, BackgroundCounts],
        live: LiveSlides | None,
        model: str,
    ) -> None:
        self._enough_s = 10.0 / settings.far_threshold_hz
        self._shipped = shipped
        self._live = live
        self._model = model

    def assess(self, peak: Peak) -> Candidate:
        """Return the candidate of a peak."""
        counts, source = self._background(peak)
        far_hz, is_limit = counts.far_hz(peak.statistic)
        background = Background(source, counts.duration_s, peak.detectors)
        return Candidate(peak, far_hz, is_limit, background, self._model)

    def _background(self, peak: Peak) -> tuple[BackgroundCounts, str]:
        # A set larger than any that was measured takes the largest: more detectors only add evidence.
        shipped = self._shipped.get(len(peak.detectors), self._shipped[max(self._shipped)])
        live = self._live.counts.get(peak.detectors) if self._live is not None else None
        if live is None or live.duration_s < self._enough_s:
            return shipped, "shipped"
        if live.count(peak.statistic) >= _ENOUGH_PEAKS or live.duration_s > shipped.duration_s:
            return live, "live"
        return shipped, "shipped"
