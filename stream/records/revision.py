"""What is said of an event: findings go into the events' loop, revisions come out; each revision is one alert."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stream.records.events import Candidate, Decision
from stream.records.external import Coincidence
from stream.records.followup import Localized

Finding = Candidate | Localized | Coincidence | Decision
"""What goes into :meth:`stream.superevent.Superevents.step`."""

AlertType = Literal["PRELIMINARY", "UPDATE", "INITIAL", "RETRACTION"]
"""Alert types of igwn-gwalert-schema; what each means here: :meth:`stream.superevent.Superevents.step`."""

FOLLOWED_FIELDS = ("skymap", "classification", "properties", "mchirp_source")
"""What of an alert comes from the follow-up: each is whole, or empty with a reason."""

_REVISIONS = uuid.UUID("8e1f9a0c-5a52-4a37-9f5d-0b7a4f6f2c11")
"""Namespace of the message ids of revisions; never changed."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What an alert tells of its candidate's follow-up beside map and class themselves.

    Attributes
    ----------
    known : tuple of str
        Which of :data:`FOLLOWED_FIELDS` the alert has.
    method : str
    seconds : float
    area50_deg2, area90_deg2, distance_mpc, distance_std_mpc, mchirp_msun, mchirp_std_msun : float or None
        As in :class:`~stream.records.Localized`.
    """

    known: tuple[str, ...]
    method: str
    seconds: float
    area50_deg2: float | None = None
    area90_deg2: float | None = None
    distance_mpc: float | None = None
    distance_std_mpc: float | None = None
    mchirp_msun: float | None = None
    mchirp_std_msun: float | None = None

    @classmethod
    def of(cls, localized: Localized) -> Followed | None:
        """Return what the alert of a follow-up tells; None of one that found nothing."""
        source = localized.source
        found = {
            "skymap": localized.skymap_fits,
            "classification": None if source is None else source.classification,
            "properties": None if source is None else source.properties,
            "mchirp_source": None if source is None else source.mchirp_source,
        }
        known = tuple(name for name in FOLLOWED_FIELDS if found[name])
        if not known and localized.mchirp_msun is None:
            return None
        return cls(
            known,
            localized.method,
            round(float(localized.seconds), 4),
            _finite(localized.area50_deg2),
            _finite(localized.area90_deg2),
            _finite(localized.distance_mpc),
            _finite(localized.distance_std_mpc),
            _finite(localized.mchirp_msun),
            _finite(localized.mchirp_std_msun),
        )


def _finite(value: float | None) -> float | None:
    """Return a number that JSON has, or None."""
    return None if value is None or not math.isfinite(value) else float(value)


_MOST_NAMES = 8
"""So many names are told of an event, and so many others that coincide: headers are read within bounds."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What an alert tells of the event of another messenger that coincides, beside its ``external_coinc``.

    Attributes
    ----------
    source, event_id, search, notice_id, ivorn : str
        As in :class:`~stream.records.ExternalEvent`.
    revision : int
        Of the external event's notice.
    time_difference_ns : int
        External event minus merger.
    time_far_hz, sky_far_hz, overlap : float or None
        As in :class:`~stream.records.Coincidence`.
    significant : bool
    names, others : tuple of str
    """

    source: str
    event_id: str
    search: str
    notice_id: str
    ivorn: str
    revision: int
    time_difference_ns: int
    time_far_hz: float | None
    sky_far_hz: float | None
    overlap: float | None
    significant: bool = False
    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, coincidence: Coincidence) -> Joined | None:
        """Return what the alert of a coincidence tells; None where nothing coincides."""
        external = coincidence.external
        if external is None:
            return None
        return cls(
            source=external.source,
            event_id=external.event_id,
            search=external.search,
            notice_id=external.notice_id,
            ivorn=external.ivorn,
            revision=external.revision,
            time_difference_ns=coincidence.time_difference_ns,
            time_far_hz=_finite(coincidence.time_far_hz),
            sky_far_hz=_finite(coincidence.sky_far_hz),
            overlap=_finite(coincidence.overlap),
            significant=coincidence.significant,
            names=external.names[:_MOST_NAMES],
            others=coincidence.others[:_MOST_NAMES],
        )


@dataclass(frozen=True, slots=True)
class Revision:
    """One alert of a superevent.

    Attributes
    ----------
    superevent_id : str
    number : int
        0, 1, 2 … within the superevent.
    alert_type : AlertType
    created_ns : int
        When it was made, GPS.
    gps_ns : int
        Merger time of the preferred candidate, in a RETRACTION too.
    day_count : int
        How many superevents of the id's UTC day have been named when this was made, its own among them.
    candidate : Candidate or None
        The preferred one. None in a RETRACTION, and where only ``carried`` tells of it.
    carried : mapping or None
        The ``event`` record of the alert that this one repeats, where it was read from the topic.
    decision : Decision or None
        What made it, where a person did.
    days : mapping of str to int
        ``day_count`` of the last days, such as ``{"TS261122": 3}``: a restart reads them from the newest alert, of
        whichever day its event is, and need not read the whole topic.
    localized : Localized or None
        Map and class of the candidate, or why they are not there; None where nobody looked, or ``carried`` has them.
    followed : Followed or None
        What is told of them beside; None where nothing is known.
    coincidence : Coincidence or None
        What of another messenger coincides; None where nothing does, or nobody looked.
    joined : Joined or None
        What is told of it beside.
    """

    superevent_id: str
    number: int
    alert_type: AlertType
    created_ns: int
    gps_ns: int
    day_count: int
    candidate: Candidate | None = None
    carried: Mapping[str, Any] | None = None
    decision: Decision | None = None
    days: Mapping[str, int] = field(default_factory=dict)
    localized: Localized | None = None
    followed: Followed | None = None
    coincidence: Coincidence | None = None
    joined: Joined | None = None

    @property
    def message_id(self) -> str:
        """UUID of the alert's messages: it follows from id and number, so that sending twice is sending once."""
        return message_id(self.superevent_id, self.number)


def message_id(superevent_id: str, number: int) -> str:
    """Return the UUID of the messages of a revision."""
    return str(uuid.uuid5(_REVISIONS, f"{superevent_id}/{number}"))
