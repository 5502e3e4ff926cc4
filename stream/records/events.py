"""From a peak of the ranking statistic to a candidate, and what people decide of an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one detector heard of a peak.

    Attributes
    ----------
    time_ns : int
        When the merger passed it.
    snr : complex
        Of the peak's template; each quadrature has unit variance in noise.
    chisq : (float, float)
        Of autocorrelation and of time slices, over their expectations; NaN where there is none to compute.
    """

    detector: str
    time_ns: int
    snr: complex
    chisq: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Peak:
    """A local maximum of the ranking statistic, which nothing within the confirmation time on either side surpasses.

    Attributes
    ----------
    gps_ns : int
        Estimated merger time, at the geocentre's accuracy of one frame, or the mean of the arrivals.
    statistic : float
    detectors : tuple of str
        Those that take part.
    per_detector : tuple of (str, float)
        What each says alone: single-detector statistic, or SNR.
    confirmed_ns : int
        End of the data that confirmed it.
    heard : tuple of str
        Those that could have taken part; empty: the same as ``detectors``.
    template : int or None
        Number of the loudest template, where there are any.
    arrivals : tuple of Arrival
        Of the loudest template; empty where the network knows none.
    """

    gps_ns: int
    statistic: float
    detectors: tuple[str, ...]
    per_detector: tuple[tuple[str, float], ...]
    confirmed_ns: int
    heard: tuple[str, ...] = ()
    template: int | None = None
    arrivals: tuple[Arrival, ...] = ()


@dataclass(frozen=True, slots=True)
class Background:
    """Where a FAR came from: ``shipped`` (with the model) or ``live`` (slides of this run), over how long."""

    source: str
    duration_s: float
    detectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A peak with its significance.

    ``far_hz`` is never below one over the background's duration; ``far_is_limit`` says that it stands at that
    floor. ``p_astro`` is None until something computes it, and ``p_astro_reason`` says why.
    """

    peak: Peak
    far_hz: float
    far_is_limit: bool
    background: Background
    model: str
    p_astro: float | None = None
    p_astro_reason: str = "not computed in this version"

    @property
    def gps_ns(self) -> int:
        """Estimated merger time."""
        return self.peak.gps_ns


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a superevent.

    Attributes
    ----------
    decision_id : str
        UUID as text, drawn by the command; the same decision twice is one.
    superevent_id : str
    kind : {"retract", "confirm"}
    why, who : str
        For people: told in the alert's headers.
    made_ns : int
        When it was made, GPS.
    """

    decision_id: str
    superevent_id: str
    kind: Literal["retract", "confirm"]
    why: str
    who: str
    made_ns: int
