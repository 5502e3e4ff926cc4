"""What ``tocsin coincide`` found, as JSON for programs, as lines for people, and as files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipelines.offline.archived import Refusals
from pipelines.offline.coincide import Found, Outcome
from pipelines.subscribe.messenger import difference_text, rate_text
from stream.records import Coincidence, ExternalEvent
from stream.regions import area_text
from stream.superevent import is_superevent_id
from stream.text import clean
from stream.timebase import NS_PER_S, gps_ns_to_iso

_WORD = 64


def report_of(outcome: Outcome, alerts: Refusals, events: Refusals, heard: int) -> dict[str, Any]:
    """Return the report; names are stable."""
    return {
        "superevents": [_superevent(one) for one in outcome.found],
        "joined": sum(one.coincidence.external is not None for one in outcome.found),
        "retracted": [clean(name, _WORD) for name in outcome.retracted],
        "external_notices": heard,
        "refused": dict(events.kinds.most_common()),
        "refused_alerts": dict(alerts.kinds.most_common()),
        "refusals": [*events.shown, *alerts.shown],
    }


def _superevent(found: Found) -> dict[str, Any]:
    gw = found.coincidence.gw
    return {
        "superevent_id": clean(gw.superevent_id, _WORD), "time": gps_ns_to_iso(gw.gps_ns), "gps_ns": gw.gps_ns,
        "far_hz": _finite(gw.far_hz), "group": clean(gw.group, _WORD), "has_map": gw.skymap_fits is not None,
        "coincidence": _coincidence(found.coincidence),
        "changes": [
            {"time": gps_ns_to_iso(change.at_ns), "with": change.external and name_of(change.external)}
            for change in found.changes
        ],
        "near": [
            {
                **_external(near.external), "why": clean(near.why, 400),
                "time_difference_s": (near.external.gps_ns - gw.gps_ns) / NS_PER_S,
            }
            for near in found.near
        ],
    }  # fmt: skip


def _coincidence(told: Coincidence) -> dict[str, Any] | None:
    if told.external is None:
        return None
    return {
        **_external(told.external),
        "time_difference_s": told.time_difference_ns / NS_PER_S,
        "window_s": [edge / NS_PER_S for edge in told.window_ns],
        "time_far_hz": _finite(told.time_far_hz), "sky_far_hz": _finite(told.sky_far_hz),
        "overlap": _finite(told.overlap), "significant": told.significant,
        "combined_area50_deg2": _finite(told.combined_area50_deg2),
        "combined_area90_deg2": _finite(told.combined_area90_deg2),
        "others": [clean(name, 2 * _WORD) for name in told.others],
        "unknown": {name: clean(why, 400) for name, why in told.reasons.items()},
    }  # fmt: skip


def _external(event: ExternalEvent) -> dict[str, Any]:
    return {
        "source": clean(event.source, _WORD), "event_id": clean(event.event_id, _WORD),
        "names": [clean(name, _WORD) for name in event.names], "search": clean(event.search, _WORD),
        "alert_type": event.alert_type, "tense": event.tense, "external_time": gps_ns_to_iso(event.gps_ns),
    }  # fmt: skip


def name_of(event: ExternalEvent) -> str:
    """Return what people call an external event, and who saw it."""
    return clean(f"{event.names[0] if event.names else f'{event.search} {event.event_id}'} ({event.source})", 2 * _WORD)


def text_of(outcome: Outcome, alerts: Refusals, events: Refusals) -> str:
    """Return what was found, for people: with whom, when, how rarely by chance; what is not told, and why."""
    lines = [line for one in outcome.found for line in _lines(one)]
    lines += [f"{clean(name, _WORD)}  retracted: not looked at" for name in outcome.retracted]
    lines = lines or ["no superevent"]
    for what, refused in (("notices", events), ("alerts", alerts)):
        if refused.kinds:
            kinds = ", ".join(f"{kind} {count}" for kind, count in refused.kinds.most_common())
            lines.append(f"{what} refused: {kinds}")
    return "\n".join(lines)


def _lines(one: Found) -> Iterator[str]:
    told, gw = one.coincidence, one.coincidence.gw
    head = f"{clean(gw.superevent_id, _WORD)}  {gps_ns_to_iso(gw.gps_ns)}"
    if told.external is None:
        yield f"{head}  with nothing"
    else:
        window = " to ".join(f"{edge / NS_PER_S:g}" for edge in told.window_ns)
        yield f"{head}  with {name_of(told.external)} {_when(told.time_difference_ns)} (window {window} s)"
        sky = f"unknown: {told.reasons.get('sky_far_hz', 'no reason told')}"
        sky = sky if told.sky_far_hz is None else rate_text(told.sky_far_hz)
        times = "unknown" if told.time_far_hz is None else rate_text(told.time_far_hz)
        yield f"  by chance: {times} from the times; with the sky maps {clean(sky, 400)}"
        if told.overlap is not None and told.combined_area90_deg2 is not None:
            yield f"  overlap {told.overlap:.3g}, 90 % together within {area_text(told.combined_area90_deg2)}"
        if told.others:
            yield f"  besides: {clean(', '.join(told.others), 400)}"
    for near in one.near:
        yield f"  not {name_of(near.external)}, {_when(near.external.gps_ns - gw.gps_ns)}: {clean(near.why, 400)}"


def _when(difference_ns: int) -> str:
    return difference_text(difference_ns / NS_PER_S)


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write the report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def write_maps(found: Sequence[Found], folder: Path) -> list[Path]:
    """Write the combined maps as FITS, each named after its superevent where that has the form of an id."""
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for one in found:
        fits, name = one.coincidence.combined_fits, one.coincidence.gw.superevent_id
        if fits is not None:
            stem = name if is_superevent_id(name) else f"event-{sha256(name.encode()).hexdigest()[:16]}"
            written.append(folder / f"{stem}-combined.multiorder.fits")
            written[-1].write_bytes(fits)
    return written


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
