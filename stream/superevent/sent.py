"""What is known of an alert that was made: of this run, from the topic, or from the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.records import AlertType, Candidate, Followed, Joined, Localized, Revision


@dataclass(frozen=True, slots=True)
class Sent:
    """An alert as its key and headers tell it; its payload need not be read.

    Attributes
    ----------
    superevent_id : str
    number : int
        Revision of the superevent; an alert of before revisions were told is its first.
    alert_type : AlertType
    gps_ns : int
        Merger time of the candidate that it was about.
    statistic, far_hz : float or None
        Of that candidate; None where the alert does not tell.
    detectors : tuple of str
    day_count : int
        How many superevents the id's day had named then; 0 where the alert does not tell.
    event : mapping or None
        The alert's own ``event`` record, where its payload was read: what an INITIAL repeats.
    decision_id : str or None
        The decision that made it.
    days : mapping of str to int
        How many superevents each of the last days had named then, such as ``{"TS261122": 3}``.
    candidate : Candidate or None
        The candidate whole, where the headers tell all of it.
    followed : Followed or None
        What it told of its candidate's follow-up; None where it told nothing.
    joined : Joined or None
        What it told of another messenger that coincides; None where it told of none.
    localized : Localized or None
        Map and class themselves, of the last alerts of this run alone: they are large. Elsewhere ``event`` has them.
    """

    superevent_id: str
    number: int
    alert_type: AlertType
    gps_ns: int
    statistic: float | None = None
    far_hz: float | None = None
    detectors: tuple[str, ...] = ()
    day_count: int = 0
    event: Mapping[str, Any] | None = None
    decision_id: str | None = None
    days: Mapping[str, int] = field(default_factory=dict)
    candidate: Candidate | None = None
    followed: Followed | None = None
    joined: Joined | None = None
    localized: Localized | None = field(default=None, compare=False)

    @property
    def is_whole(self) -> bool:
        """Whether an alert that repeats this one loses nothing."""
        if self.event is not None:
            return True
        has_found = self.followed is None or not self.followed.known or self.localized is not None
        return self.candidate is not None and has_found

    @classmethod
    def of(cls, revision: Revision) -> Sent:
        """Return what the alert of a revision will tell."""
        candidate = revision.candidate
        return cls(
            superevent_id=revision.superevent_id,
            number=revision.number,
            alert_type=revision.alert_type,
            gps_ns=revision.gps_ns,
            statistic=None if candidate is None else candidate.peak.statistic,
            far_hz=None if candidate is None else candidate.far_hz,
            detectors=() if candidate is None else candidate.peak.detectors,
            day_count=revision.day_count,
            event=revision.carried,
            decision_id=None if revision.decision is None else revision.decision.decision_id,
            days=revision.days,
            candidate=candidate,
            followed=revision.followed,
            joined=revision.joined,
            localized=revision.localized,
        )
