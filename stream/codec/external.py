"""External events as records of schema ``external``: what each value must be, whoever sent it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stream.errors import SchemaError
from stream.records import ExternalEvent

ALERT_TYPES = ("initial", "subsequent", "update", "retraction")
TENSES = ("current", "archival", "planned", "injection", "commanded", "test")
_LONGEST_NAME = 200
_MOST_NAMES = 32
_MOST_CORNERS = 64


def external_from_record(record: Mapping[str, Any]) -> ExternalEvent:
    """Return the event of a decoded record of schema ``external``; not checked.

    Raises
    ------
    SchemaError
        If a corner has not two coordinates.
    """
    if any(len(corner) != 2 for corner in record["corners_deg"]):
        raise SchemaError("corners_deg: each corner is a right ascension and a declination")
    corners = tuple((float(ra), float(dec)) for ra, dec in record["corners_deg"])
    return ExternalEvent(**{**record, "names": tuple(record["names"]), "corners_deg": corners})


def check_external(event: ExternalEvent) -> None:
    """Check an external event.

    Raises
    ------
    SchemaError
        Naming the value that is not what it must be.
    """
    for name in ("event_id", "source", "messenger"):
        _check(bool(getattr(event, name)), event, name, "a name")
    for name in ("event_id", "source", "messenger", "search", "notice_id", "ivorn"):
        _check(len(getattr(event, name)) <= _LONGEST_NAME, event, name, f"at most {_LONGEST_NAME} letters")
    _check(event.alert_type in ALERT_TYPES, event, "alert_type", " or ".join(ALERT_TYPES))
    _check(event.tense in TENSES, event, "tense", " or ".join(TENSES))
    short = len(event.names) <= _MOST_NAMES and all(len(name) <= _LONGEST_NAME for name in event.names)
    _check(short, event, "names", f"at most {_MOST_NAMES} of at most {_LONGEST_NAME} letters")
    few = len(event.classification) <= _MOST_NAMES and all(len(key) <= _LONGEST_NAME for key in event.classification)
    _check(few, event, "classification", f"at most {_MOST_NAMES} kinds")
    _check(0 <= event.gps_ns < 2**62, event, "gps_ns", "nanoseconds since 1980")
    _check(0 <= event.revision < 2**31, event, "revision", "a number from 0 on")
    _check_place(event)
    for name in ("containment", "p_astro"):
        _check(_within(getattr(event, name), 0, 1), event, name, "a probability")
    _check(all(_within(value, 0, 1) for value in event.classification.values()), event, "classification", "from 0 to 1")
    _check(_within(event.far_hz, 0, 1e9), event, "far_hz", "a rate")


def _check_place(event: ExternalEvent) -> None:
    _check((event.ra_deg is None) == (event.dec_deg is None), event, "dec_deg", "both coordinates or neither")
    _check(_within(event.ra_deg, 0, 360), event, "ra_deg", "0 to 360")
    _check(_within(event.dec_deg, -90, 90), event, "dec_deg", "-90 to 90")
    for name in ("error_radius_deg", "error_minor_deg", "error_inner_deg"):
        _check(_within(getattr(event, name), 0, 180), event, name, "0 to 180")
    _check(_within(event.error_angle_deg, -360, 360), event, "error_angle_deg", "-360 to 360")
    fit = all(_within(ra, 0, 360) and _within(dec, -90, 90) for ra, dec in event.corners_deg)
    few = not event.corners_deg or 3 <= len(event.corners_deg) <= _MOST_CORNERS
    _check(fit and few, event, "corners_deg", f"3 to {_MOST_CORNERS} places on the sky")


def _within(value: float | None, low: float, high: float) -> bool:
    return value is None or (math.isfinite(value) and low <= value <= high)


def _check(holds: bool, event: ExternalEvent, name: str, expected: str) -> None:
    if not holds:
        raise SchemaError(f"external event: {name} is {str(getattr(event, name))[:64]!r}: expected {expected}")
