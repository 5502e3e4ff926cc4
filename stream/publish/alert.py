"""A candidate as an alert: Avro and JSON in the form that LVK's subscribers already read.

Fields, types and nesting are those of ``igwn.alerts.Alert`` (igwn-gwalert-schema 1.3.0). What is not known when the
alert leaves is null or an empty map; why, and where the FAR came from, stands in the headers ``tocsin.*`` of the
message and in the object ``tocsin`` of the JSON form, for the schema has no place for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stream.codec.alert import Outgoing, alert_id_of
from stream.codec.alert.as_json import encode_alert_json as to_json
from stream.codec.alert.headers import hop_headers
from stream.codec.alert.headers import read_extra as read_companion
from stream.errors import SchemaError
from stream.records import Candidate
from stream.timebase import gps_ns_to_iso, gps_ns_to_utc

__all__ = [
    "Outgoing",
    "alert_id_of",
    "companion",
    "hop_headers",
    "make_alert",
    "merger_ns_of",
    "read_companion",
    "to_json",
    "tocsin_headers",
]

_PREFIX = "tocsin."
_GPS_NS = re.compile(rb"[0-9]{1,19}")
_UNKNOWN = {
    "skymap": "not computed in this version",
    "classification": "not computed in this version",
    "properties": "not computed in this version",
}


def make_alert(
    candidate: Candidate, superevent_id: str, created_ns: int, significant_far_hz: float, pipeline: str = "Tocsin"
) -> dict[str, Any]:
    """Return the PRELIMINARY alert of a candidate as a record of ``igwn.alerts.Alert``.

    Parameters
    ----------
    candidate : Candidate
    superevent_id : str
    created_ns : int
        Now, GPS.
    significant_far_hz : float
        Below this FAR the alert is marked significant.
    pipeline : str
        Name of the pipeline in the alert.
    """
    return {
        "alert_type": "PRELIMINARY",
        "time_created": gps_ns_to_utc(created_ns).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "superevent_id": superevent_id,
        "event": {
            "time": gps_ns_to_iso(candidate.gps_ns),
            "far": candidate.far_hz,
            "significant": candidate.far_hz <= significant_far_hz,
            "instruments": sorted(candidate.peak.detectors),
            "group": "CBC",
            "pipeline": pipeline,
            "search": "BBH",
            "classification": {},
            "properties": {},
            "mchirp_source": None,
            "duration": None,
            "central_frequency": None,
            "skymap": None,
        },
        "external_coinc": None,
        "urls": {},
    }


def companion(candidate: Candidate) -> dict[str, Any]:
    """Return what the alert's schema has no place for."""
    return {
        "gps_ns": candidate.gps_ns,
        "statistic": candidate.peak.statistic,
        "per_detector": dict(candidate.peak.per_detector),
        "far_is_limit": candidate.far_is_limit,
        "background": {"source": candidate.background.source, "duration_s": candidate.background.duration_s},
        "model": candidate.model,
        "p_astro": candidate.p_astro,
        "unknown": {**_UNKNOWN, **({} if candidate.p_astro is not None else {"p_astro": candidate.p_astro_reason})},
    }


def tocsin_headers(extra: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    """Return the companion's values as message headers."""
    return tuple(
        (_PREFIX + key, (json.dumps(value) if not isinstance(value, str) else value).encode())
        for key, value in extra.items()
    )


def merger_ns_of(headers: Sequence[tuple[str, bytes]]) -> int | None:
    """Return the merger's time that :func:`tocsin_headers` wrote, GPS; None in another pipeline's message.

    Raises
    ------
    SchemaError
        If the header is there and is no time.
    """
    value = dict(headers).get(_PREFIX + "gps_ns")
    if value is None:
        return None
    if not _GPS_NS.fullmatch(value) or int(value) >= 2**63:
        raise SchemaError(f"header {_PREFIX}gps_ns is {value[:32]!r}: expected GPS nanoseconds")
    return int(value)
