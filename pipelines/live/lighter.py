"""What becomes of an alert that the broker finds too large: it leaves without a map, and says why.

The combined map goes first: who has the two others can make it again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stream.codec.alert import Outgoing, decode, encode_alert, encode_alert_json, read_extra
from stream.codec.alert.headers import extra_headers


def lighter(alert: Outgoing, why: str) -> Outgoing | None:
    """Return an alert without the next of its maps, for the reason given; None where it has none.

    Raises
    ------
    CodecError, SchemaError
        If it is no alert.
    """
    record, _ = decode(alert.avro)
    extra = read_extra(alert.headers)
    less = _without_combined(record) or _without_map(record, extra)
    if less is None:
        return None
    part, name = less
    extra["unknown"] = {**extra.get("unknown", {}), name: why}
    record, told = {**record, **part}, extra_headers(extra)
    hop = tuple((key, value) for key, value in alert.headers if key not in dict(told))
    return replace(alert, avro=encode_alert(record), json=encode_alert_json(record, extra), headers=(*hop, *told))


def _without_combined(record: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    external = record["external_coinc"]
    if external is None or external["combined_skymap"] is None:
        return None
    return {"external_coinc": {**external, "combined_skymap": None}}, "external_coinc.combined_skymap"


def _without_map(record: dict[str, Any], extra: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Take the event's own map away, and from what is said to be known."""
    event = record["event"]
    if event is None or event["skymap"] is None:
        return None
    if "followed" in extra:
        known = [name for name in extra["followed"]["known"] if name != "skymap"]
        extra["followed"] = {**extra["followed"], "known": known}
    return {"event": {**event, "skymap": None}}, "skymap"
