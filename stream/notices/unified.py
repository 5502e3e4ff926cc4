"""A notice in the names of GCN's unified schema → an external event: the one place where all forms meet.

JSON has these names already; :mod:`stream.notices.voevent` and :mod:`stream.notices.gcn_text` bring theirs to them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stream.codec.external import ALERT_TYPES, TENSES
from stream.errors import NoticeRefused
from stream.notices.mission import Mission
from stream.notices.places import Place, place_of
from stream.notices.values import Fields
from stream.records import ExternalEvent
from stream.timebase import NS_PER_S

_MOST_REVISIONS = (1 << 31) - 1
_MOST_FAR_HZ = 1e9
_DISPERSION_S = 1 / 2.41e-4
"""Delay in seconds at 1 MHz of a dispersion measure of 1 pc/cm3, as pulsar astronomy fixes it: Manchester & Taylor,
Pulsars (1977); with it the two times of CHIME's examples agree to 20 microseconds."""
_MOST_DM = 1e5
_MOST_NAMES = 32
_DIGITS = re.compile(r"\d{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as it came.

    Attributes
    ----------
    raw : bytes
    raw_format : str
    received_ns : int
    topic : str
        A hint, where a notice names no mission.
    """

    raw: bytes
    raw_format: str
    received_ns: int
    topic: str = ""


def event_of(fields: Fields, mission: Mission, notice: Notice, *, has_systematic: bool | None = None) -> ExternalEvent:
    """Return the event that a notice tells of.

    Parameters
    ----------
    fields : Fields
    mission : Mission
    notice : Notice
    has_systematic : bool or None
        Whether a radius holds the systematic error where the notice does not say.

    Raises
    ------
    NoticeRefused
        If its mission's notices are not read, it is about nothing that happened, names no event, or no time of it.
    """
    if mission.refused:
        raise NoticeRefused(mission.refused, f"notice of {mission.name}: {mission.why}")
    alert_type, tense = _one_of(fields, "alert_type", ALERT_TYPES), _one_of(fields, "alert_tense", TENSES)
    if tense in ("commanded", "planned"):
        raise NoticeRefused(tense, f"notice of {mission.name} is {tense}: nothing happened")
    place = place_of(fields, mission.containment, has_systematic)
    issued_ns = fields.time_ns("alert_datetime")
    event_id, notice_id, names = _identity(fields, mission)
    if alert_type == "retraction":
        gps_ns = _retracted_ns(fields, mission) or issued_ns or notice.received_ns
    else:
        gps_ns = _event_ns(fields, mission, place)
    return ExternalEvent(
        event_id=event_id,
        source=mission.source,
        messenger=mission.messenger,
        alert_type=alert_type,
        gps_ns=gps_ns,
        received_ns=notice.received_ns,
        ra_deg=place.ra_deg,
        dec_deg=place.dec_deg,
        error_radius_deg=place.error_radius_deg,
        containment=place.containment,
        far_hz=fields.number("far", 0, _MOST_FAR_HZ) or None,  # 0 says that none is known
        raw=notice.raw,
        raw_format=notice.raw_format,
        search=mission.search,
        names=names,
        notice_id=notice_id,
        ivorn=fields.word("ivorn"),
        tense=tense,
        revision=int(fields.number("record_number", 0, _MOST_REVISIONS) or 0),
        issued_ns=issued_ns,
        error_minor_deg=place.error_minor_deg,
        error_angle_deg=place.error_angle_deg,
        corners_deg=place.corners_deg,
        systematic_included=place.systematic_included,
        skymap=place.skymap,
        skymap_url=place.skymap_url,
        classification=fields.chances("classification"),
        p_astro=fields.number("p_astro", 0, 1),
    )


def _one_of(fields: Fields, name: str, known: tuple[str, ...]) -> str:
    """Return the word of a choice; the first of those known where the notice has none."""
    told = fields.get(name)
    if told is None:
        return known[0]
    word = told.strip().lower() if isinstance(told, str) else ""
    if word not in known:
        raise NoticeRefused("bad_value", f"{name} is {str(told)[:64]!r}: expected {' or '.join(known)}")
    return word


def _identity(fields: Fields, mission: Mission) -> tuple[str, str, tuple[str, ...]]:
    """Return the identity of the event, the number of its trigger, and its names.

    The identity is the first of ``id``; Fermi's trigger number, and the number that Super-K's event has in classic
    notices, where they stand: these are the same in every form.
    """
    ids, names = fields.words("id"), fields.words("event_name") + fields.words("known_source")
    numbers = tuple(i for i in ids if _DIGITS.fullmatch(i))
    trigger = fields.words("trigger_number")
    first = trigger or (numbers if mission.source == "Fermi-GBM" else ()) or ids or names
    if not first:
        raise NoticeRefused("no_event_id", f"notice of {mission.name} names no event: it has neither id nor event_name")
    others = [i for i in ids if i != first[0] and not _DIGITS.fullmatch(i)]
    return first[0], next(iter(trigger or numbers or ids), ""), tuple(dict.fromkeys([*names, *others]))[:_MOST_NAMES]


def _event_ns(fields: Fields, mission: Mission, place: Place) -> int:
    told_ns = _trigger_ns(fields, mission)
    if mission.reference_mhz is None:
        return told_ns
    at_infinity_ns = _infinite_frequency_ns(fields, told_ns, mission.reference_mhz)
    if at_infinity_ns is None and not place.is_told:
        raise NoticeRefused(
            "nothing_new", f"notice of {mission.name} tells neither time at infinite frequency nor place"
        )
    return told_ns if at_infinity_ns is None else at_infinity_ns


def _trigger_ns(fields: Fields, mission: Mission) -> int:
    told_ns = fields.time_ns("trigger_time")
    if told_ns is not None:
        return told_ns
    if mission.reference_mhz is not None and (told_ns := fields.time_ns("trigger_time_inf_freq")) is not None:
        return told_ns
    why = fields.unusable.get("trigger_time")
    if why:
        raise NoticeRefused("bad_value", f"trigger_time of a notice of {mission.name}: {why}")
    raise NoticeRefused("no_event_time", f"notice of {mission.name} does not say when its event was")


def _retracted_ns(fields: Fields, mission: Mission) -> int | None:
    """Return when what is taken back was, as far as that is told."""
    told_ns = fields.time_ns("trigger_time")
    if told_ns is None or mission.reference_mhz is None:
        return told_ns
    return _infinite_frequency_ns(fields, told_ns, mission.reference_mhz) or told_ns


def _infinite_frequency_ns(fields: Fields, told_ns: int, reference_mhz: float) -> int | None:
    """Return when a radio burst would have come without plasma on its way: what can coincide with anything else.

    Told, or reckoned from the dispersion measure; None where neither is known.
    """
    at_infinity_ns = fields.time_ns("trigger_time_inf_freq")
    if at_infinity_ns is not None:
        return at_infinity_ns
    dm = fields.number("dm", 0, _MOST_DM)
    return None if dm is None else told_ns - round(_DISPERSION_S * dm / reference_mhz**2 * NS_PER_S)
