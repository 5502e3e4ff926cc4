"""A candidate as an alert: Avro and JSON in the form that LVK's subscribers already read.

Fields, types and nesting are those of ``igwn.alerts.Alert`` (igwn-gwalert-schema 1.3.0). What is not known when the
alert leaves is null or an empty map; why, and where the FAR came from, stands in the headers ``tocsin.*`` of the
message and in the object ``tocsin`` of the JSON form, for the schema has no place for it.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream.codec.json_text import bounded_json
from stream.errors import DataError, SchemaError
from stream.records import Candidate
from stream.settings import PublishSettings
from stream.timebase import gps_ns_to_iso, gps_ns_to_utc

_PREFIX = "tocsin."
_GPS_NS = re.compile(rb"[0-9]{1,19}")
_MAX_HEADERS = 256
_MAX_HEADER_BYTES = 1 << 16
_UNKNOWN = {
    "skymap": "not computed in this version",
    "classification": "not computed in this version",
    "properties": "not computed in this version",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An alert ready to be sent: one message for each of the two topics, with the same key.

    ``alert_id`` is the message id (hop's ``_id``): drawn once, kept in the outbox, found again on the topic.
    """

    alert_id: str
    superevent_id: str
    gps_ns: int
    avro: bytes
    json: bytes
    headers: tuple[tuple[str, bytes], ...]


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


def to_json(alert: Mapping[str, Any], extra: Mapping[str, Any]) -> bytes:
    """Return the alert as GCN sends it: JSON, a sky map as base64; ``extra`` as the object ``tocsin``."""
    event = dict(alert["event"]) if alert["event"] is not None else None
    if event is not None and event["skymap"] is not None:
        event["skymap"] = base64.b64encode(event["skymap"]).decode()
    return json.dumps({**alert, "event": event, "tocsin": dict(extra)}).encode()


def hop_headers(alert_id: str, settings: PublishSettings) -> tuple[tuple[str, bytes], ...]:
    """Return the headers by which hop-client knows an Avro message, its sender and a test."""
    headers = [("_id", uuid.UUID(alert_id).bytes), ("_sender", settings.pipeline.encode())]
    if settings.kind != "production":
        headers.append(("_test", b"true"))
    return (*headers, ("_format", b"avro"))


def tocsin_headers(extra: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    """Return the companion's values as message headers."""
    return tuple(
        (_PREFIX + key, (json.dumps(value) if not isinstance(value, str) else value).encode())
        for key, value in extra.items()
    )


def alert_id_of(headers: Sequence[tuple[str, bytes]]) -> str | None:
    """Return the id that :func:`hop_headers` wrote, or None where there is none of its form."""
    value = dict(headers).get("_id", b"")
    return str(uuid.UUID(bytes=value)) if len(value) == 16 else None


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


def read_companion(headers: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """Return what :func:`tocsin_headers` wrote; a value that is no JSON is text, one too long is cut."""
    found: dict[str, Any] = {}
    for key, value in headers[:_MAX_HEADERS]:
        if key.startswith(_PREFIX):
            name = key.removeprefix(_PREFIX)
            try:
                found[name] = bounded_json(value, _MAX_HEADER_BYTES)
            except DataError:
                found[name] = value[:_MAX_HEADER_BYTES].decode(errors="replace")
    return found
