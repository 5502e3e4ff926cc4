"""An external event as a line for people, and as JSON for programs. All its words are a stranger's."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from stream.records import ExternalEvent
from stream.text import clean
from stream.timebase import gps_ns_to_iso

_WORD = 64


def as_dict(event: ExternalEvent) -> dict[str, Any]:
    """Return an event as JSON can hold it: of notice and map the lengths, of what is not finite null."""
    found = {key: _finite(value) for key, value in asdict(event).items() if key not in ("raw", "skymap")}
    lengths = {"raw_bytes": len(event.raw), "skymap_bytes": None if event.skymap is None else len(event.skymap)}
    return found | lengths | {"time": gps_ns_to_iso(event.gps_ns)}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_line(event: ExternalEvent) -> str:
    """Return one line: source and id, stage, when, what kind, and where."""
    words = [event.source, event.event_id, event.alert_type, gps_ns_to_iso(event.gps_ns), event.search, _where(event)]
    if event.tense != "current":
        words.append(event.tense)
    return "  ".join(clean(word, _WORD) for word in words if word)


def _where(event: ExternalEvent) -> str:
    if event.skymap is not None:
        return "sky map"
    if event.ra_deg is None or event.dec_deg is None:
        return "region" if event.corners_deg else "place unknown"
    radius = "" if event.error_radius_deg is None else f" +- {event.error_radius_deg:.3g}"
    return f"{event.ra_deg:.3f} {event.dec_deg:+.3f}{radius} deg"
