"""What coincides with an event, as alerts tell it: ``external_coinc`` of igwn-gwalert-schema 1.3.0, ``tocsin.joined``.

The record has no place for the names of the external event, for the overlap of the maps and for why a rate is null:
these stand beside it. A restart tells from ``tocsin.joined`` alone what was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stream.codec.alert.told import Told
from stream.records import Joined, Revision

_MAX_INT = 2**31 - 1
_LONGEST = 200
"""As in schema ``external``."""
_MAX_REVISIONS = 2**31
_NOT_KEPT = "not kept: an alert before this one had it"
_NOT_TOLD = "not told by the notice"
_MISSIONS = {"Fermi", "Swift", "INTEGRAL", "SVOM"}
"""Missions whose instruments have names of their own behind a hyphen; LVK's ``observatory`` is the mission."""
_SEARCHES = {"SNEWS": "Supernova"}
"""Searches to which LVK gives another name (gwcelery 3.0.0)."""
_REASONS = {
    "time_coincidence_far": "time_far_hz",
    "time_sky_position_coincidence_far": "sky_far_hz",
    "combined_skymap": "combined_fits",
}
"""By which name the reason of a null field is told in a :class:`~stream.records.Coincidence`."""


def external_coinc(revision: Revision) -> dict[str, Any] | None:
    """Return the record's ``external_coinc``; None where nothing coincides, and in a RETRACTION."""
    joined = revision.joined
    if joined is None or revision.alert_type == "RETRACTION":
        return None
    return {
        "gcn_notice_id": _notice_id(joined.notice_id),
        "ivorn": joined.ivorn,
        "observatory": observatory(joined.source),
        "search": _SEARCHES.get(joined.search, joined.search),
        "time_difference": joined.time_difference_ns / 1e9,
        "time_coincidence_far": joined.time_far_hz,
        "time_sky_position_coincidence_far": joined.sky_far_hz,
        "combined_skymap": None if revision.coincidence is None else revision.coincidence.combined_fits,
    }


def observatory(source: str) -> str:
    """Return the mission of a source, as LVK writes it: ``Fermi`` of ``Fermi-GBM``, ``IceCube``."""
    mission, _, _ = source.partition("-")
    return mission if mission in _MISSIONS else source


def _notice_id(text: str) -> int | str:
    """Return a notice's identity as a number, where it is one that Avro's int holds and that reads the same."""
    if text.isascii() and text.isdigit() and str(int(text[:11])) == text and int(text) <= _MAX_INT:
        return int(text)
    return text


def unknown(revision: Revision, told: Mapping[str, Any] | None) -> dict[str, str]:
    """Return why what is null, or empty, in ``external_coinc`` is so, by names such as ``external_coinc.ivorn``."""
    if told is None:
        return {}
    coincidence = revision.coincidence
    known = {} if coincidence is None else coincidence.reasons
    otherwise = _NOT_KEPT if coincidence is None else "not known"
    null = {name: known.get(key, otherwise) for name, key in _REASONS.items() if told[name] is None}
    empty = {name: _NOT_TOLD for name in ("gcn_notice_id", "ivorn", "search") if told[name] == ""}
    return {f"external_coinc.{name}": reason for name, reason in (null | empty).items()}


def joined_extra(joined: Joined) -> dict[str, Any]:
    """Return what is told beside the record; what is not known is left out."""
    return {name: value for name, value in asdict(joined).items() if value is not None and value != ()}


def joined_of(told: Told) -> Joined | None:
    """Return what :func:`joined_extra` told; None where nothing is.

    Raises
    ------
    SchemaError
        If a value has another form.
    """
    source = told.short("source", _LONGEST)
    if not source:
        return None
    return Joined(
        source=source,
        event_id=told.short("event_id", _LONGEST),
        search=told.short("search", _LONGEST),
        notice_id=told.short("notice_id", _LONGEST),
        ivorn=told.short("ivorn", _LONGEST),
        revision=told.count("revision", _MAX_REVISIONS),
        time_difference_ns=told.nanoseconds("time_difference_ns"),
        time_far_hz=told.number("time_far_hz"),
        sky_far_hz=told.number("sky_far_hz"),
        overlap=told.number("overlap"),
        significant=told.flag("significant"),
        names=told.texts("names", _LONGEST),
        others=told.texts("others", _LONGEST),
    )
