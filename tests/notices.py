"""Notices for tests: made here after the public ones of each mission, and what of an event a test compares."""

from __future__ import annotations

import json
from pathlib import Path

from stream.notices import read_notice
from stream.records import ExternalEvent
from stream.timebase import gps_ns_to_iso

RECEIVED_NS = 1_480_000_000 * 10**9
"""In 2026: later than every example."""


def read_one(payload: bytes | dict[str, object], topic: str = "") -> ExternalEvent:
    """Return the one event of a notice; an object is sent as JSON."""
    (event,) = read_notice(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), RECEIVED_NS, topic)
    return event


def grb(**changes: object) -> dict[str, object]:
    """Return a notice of Fermi GBM with some values changed; None leaves one out."""
    notice: dict[str, object] = {
        "$schema": "https://gcn.nasa.gov/schema/main/gcn/notices/fermi/gbm/trigger.schema.json",
        "mission": "Fermi", "instrument": "GBM", "alert_type": "update", "alert_tense": "current", "record_number": 3,
        "id": ["524666471", "bn170817529"], "event_name": "GRB 170817A", "trigger_time": "2017-08-17T12:41:06.47Z",
        "ra": 176.8, "dec": -39.8, "ra_dec_error": 11.6, "containment_probability": 0.68, "systematic_included": False,
    }  # fmt: skip
    return {key: value for key, value in (notice | changes).items() if value is not None}


def told(event: ExternalEvent) -> str:
    """Return what an event is, in a line."""
    place = "nowhere"
    if event.ra_deg is not None:
        parts = [event.ra_deg, event.dec_deg, event.error_radius_deg, event.error_minor_deg, event.error_angle_deg]
        place = " ".join(f"{part:g}" for part in parts if part is not None) + (
            f" {event.containment:g}" if event.containment else ""
        )
    place += f" {len(event.corners_deg)} corners" * bool(event.corners_deg) + " map at URL" * bool(event.skymap_url)
    kind = f"{event.alert_type} {event.search} {event.tense} {event.revision}"
    return f"{event.source} {event.event_id} {kind} {gps_ns_to_iso(event.gps_ns)} {place}"


def alert_files(data_dir: Path) -> list[Path]:
    """Return every file of the public alerts."""
    return sorted(path for path in (data_dir / "alerts").rglob("*") if path.is_file())
