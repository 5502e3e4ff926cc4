"""What becomes of an alert that the broker finds too large: it leaves without its map, and says why."""

from __future__ import annotations

from dataclasses import replace

from stream.codec.alert import Outgoing, decode, encode_alert, encode_alert_json, read_extra
from stream.codec.alert.headers import extra_headers


def without_map(alert: Outgoing, why: str) -> Outgoing | None:
    """Return an alert without its map, for the reason given; None where it has none.

    Raises
    ------
    CodecError, SchemaError
        If it is no alert.
    """
    record, _ = decode(alert.avro)
    event = record["event"]
    if event is None or event["skymap"] is None:
        return None
    record = {**record, "event": {**event, "skymap": None}}
    extra = read_extra(alert.headers)
    extra["unknown"] = {**extra.get("unknown", {}), "skymap": why}
    if "followed" in extra:
        known = [name for name in extra["followed"]["known"] if name != "skymap"]
        extra["followed"] = {**extra["followed"], "known": known}
    told = extra_headers(extra)
    hop = tuple((name, value) for name, value in alert.headers if name not in dict(told))
    return replace(alert, avro=encode_alert(record), json=encode_alert_json(record, extra), headers=(*hop, *told))
