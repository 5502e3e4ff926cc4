"""Unified GCN notices: JSON by GCN's schemas, of all missions.

Whose a notice is, say its ``$schema``, its mission and instrument, the topic it came on, or its shape, in this order:
notices of CHIME, DSA-110, Einstein Probe and SVOM name no mission.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from stream.errors import NoticeRefused
from stream.notices.mission import Mission
from stream.notices.missions import MISSIONS
from stream.notices.unified import Notice, event_of
from stream.notices.values import Fields
from stream.notices.whose import by_name, by_schema, by_topic
from stream.records import ExternalEvent
from stream.timebase import NS_PER_S, gps_ns_to_utc

_GCN_SCHEMA = re.compile(r"https?://gcn\.nasa\.gov/(?:docs/)?schema/[^/]{1,32}/gcn/(.{1,200})", re.ASCII)
_SHAPES = {
    "coincident_events": "IceCube, LVK follow-up", "trigger_time_inf_freq": "CHIME/FRB",
    "triggered_GRDs": "SVOM GRM", "n_ibd_events": "Super-Kamiokande",
}  # fmt: skip
_OF_EVENTS = {"trigger_time", "id", "event_name", "alert_type"}
_MOST_EVENTS = 64
_MOST_POINTS = 5000
_MOST_BYTES = 8 << 20
_LONGEST_S = 1e5


def read_json(data: object, notice: Notice) -> tuple[tuple[ExternalEvent, Fields], ...]:
    """Return the events that a JSON notice tells of, each with what of it could not be used.

    Raises
    ------
    NoticeRefused
        If it is no notice, or one that is not read.
    """
    if not isinstance(data, Mapping):
        raise NoticeRefused("not_a_notice", f"JSON that is a {type(data).__name__}: a notice is an object")
    mission = _mission_of(data, notice.topic)
    parts = _parts(data, mission)
    if len(parts) > _MOST_EVENTS or len(parts) * len(notice.raw) > _MOST_BYTES:
        raise NoticeRefused(
            "too_many", f"{len(parts)} events in a notice of {len(notice.raw)} bytes: at most {_MOST_EVENTS}"
        )
    fields = [Fields(part) for part in parts]
    return tuple((event_of(each, mission, notice, has_systematic=False), each) for each in fields)  # GCN's default


def _mission_of(data: Mapping[str, object], topic: str) -> Mission:
    _check_kind(data)
    found = _named(data, topic)
    if found is None:
        kind = "unknown_mission" if _OF_EVENTS & data.keys() else "not_a_notice"
        told = ", ".join(repr(text[:100]) for text in (_word(data, "$schema"), _word(data, "mission"), topic))
        raise NoticeRefused(kind, f"JSON whose $schema, mission and topic are {told}: none is known")
    return _variant(found, data, topic)


def _check_kind(data: Mapping[str, object]) -> None:
    """Refuse what has a name of its own."""
    schema = _word(data, "$schema")
    if "json-schema.org" in schema or data.get("type") == "record":
        raise NoticeRefused("schema", f"a schema, {_word(data, 'title') or _word(data, 'name')!r}, and no notice")
    if "superevent_id" in data:
        raise NoticeRefused("gravitational_wave", f"alert of {_word(data, 'superevent_id')!r}: no other messenger")
    if _word(data, "messenger").upper() == "GW":
        raise NoticeRefused("gravitational_wave", "notice of a gravitational wave: no other messenger")
    path = _GCN_SCHEMA.fullmatch(schema)
    if path and path[1].startswith("heartbeat"):
        raise NoticeRefused("heartbeat", "a sign of life of a broker")
    if (path and path[1].startswith("circulars")) or {"circularId", "body"} <= data.keys():
        raise NoticeRefused("circular", "a GCN circular: its text is for people")


def _named(data: Mapping[str, object], topic: str) -> Mission | None:
    path = _GCN_SCHEMA.fullmatch(_word(data, "$schema"))
    if path and path[1].startswith("notices/core/"):
        return None
    by_path = by_schema(path[1].removeprefix("notices/")) if path else None
    shape = next((m for key, name in _SHAPES.items() if key in data for m in MISSIONS if m.name == name), None)
    named = by_name(_word(data, "mission"), _word(data, "instrument"))
    return by_path or named or (by_topic(topic) if topic else None) or shape


def _variant(found: Mission, data: Mapping[str, object], topic: str) -> Mission:
    """Return the row for a search that shares schema and mission's name with another."""
    if found.source == "Fermi-GBM":
        on_topic = by_topic(topic) if topic else None
        if on_topic is not None and on_topic.source == "Fermi-GBM" and found.search == "GRB":
            found = on_topic
        if found.search == "GRB" and "reliability" in data:
            return next(m for m in MISSIONS if m.search == "SubGRB")
    return found


def _parts(data: Mapping[str, object], mission: Mission) -> list[Mapping[str, object]]:
    """Return what each event of a notice is told by, in the names of the schema's core."""
    if mission.source == "IceCube-LVK":
        return _neutrinos(data)
    if mission.source == "BOOM":
        return _targets(data)
    nested = data.get("localization")
    whole = {**nested, **data} if isinstance(nested, Mapping) else data
    return [{**whole, "alert_tense": "test"} if _is_of_tests(data) else whole]


def _is_of_tests(data: Mapping[str, object]) -> bool:
    """Whether a notice's schema is one of tests, whatever it says itself: BurstCube's say that they are current."""
    path = _GCN_SCHEMA.fullmatch(_word(data, "$schema"))
    return bool(path and path[1].rpartition("/")[2].startswith("test."))


def _neutrinos(data: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return the neutrinos of a search around a gravitational wave, each at its time."""
    told = _list(data, "coincident_events")
    if not told:
        raise NoticeRefused("nothing_found", "search for neutrinos around a gravitational wave: none was found")
    common = {key: data.get(key) for key in ("alert_datetime", "alert_type", "alert_tense", "record_number")}
    start_ns = Fields(data).time_ns("trigger_time")
    found: list[Mapping[str, object]] = []
    for each in told:
        nested = each.get("localization")
        place = nested if isinstance(nested, Mapping) else {}
        later_s = Fields(each).number("event_dt", -_LONGEST_S, _LONGEST_S)
        time = None if start_ns is None or later_s is None else _utc(start_ns + round(later_s * NS_PER_S))
        found.append({**common, **place, **each, "trigger_time": time})
    return found


def _targets(data: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return the objects of an optical alert, each at its first photometry with a magnitude."""
    inner = data.get("data")
    body = inner if isinstance(inner, Mapping) else {}
    common = {key: data.get(key) for key in ("alert_datetime", "alert_type", "alert_tense", "record_number")}
    first_ns: dict[object, int] = {}
    points = _list(body, "photometry")
    if len(points) > _MOST_POINTS:
        raise NoticeRefused("too_many", f"optical alert of {len(points)} points of photometry: at most {_MOST_POINTS}")
    for point in points:
        fields = Fields(point)
        at_ns, name = fields.time_ns("observation_start"), fields.word("event_name")
        if at_ns is not None and fields.number("mag", -50, 50) is not None:
            first_ns[name] = min(at_ns, first_ns.get(name, at_ns))
    found: list[Mapping[str, object]] = []
    for target in _list(body, "targets"):
        at_ns = first_ns.get(Fields(target).word("event_name"))
        scores = target.get("classification_scores")
        time = None if at_ns is None else _utc(at_ns)
        found.append({**common, **target, "trigger_time": time, "classification": scores})
    if not found:
        raise NoticeRefused("nothing_found", "optical alert without a target")
    return found


def _utc(gps_ns: int) -> str:
    return gps_ns_to_utc(gps_ns).replace(tzinfo=None).isoformat()


def _list(data: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    told = data.get(name)
    return [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []


def _word(data: Mapping[str, object], name: str) -> str:
    told = data.get(name)
    return told.strip()[:200] if isinstance(told, str) else ""
