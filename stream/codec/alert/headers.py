"""The headers of an alert: hop's, by which hop-client knows it, and ``tocsin.*``, which tell which alert it is.

Whoever may write to the topic may write headers: they are read within bounds, and a value of another form is refused
or, where it is only shown, text.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from stream.codec.alert.messenger import joined_of
from stream.codec.alert.told import Told
from stream.codec.json_text import bounded_json
from stream.errors import CodecError, DataError, SchemaError
from stream.records import FOLLOWED_FIELDS, Background, Candidate, Followed, Peak
from stream.settings import PublishSettings
from stream.superevent import Sent, is_superevent_id

Headers = tuple[tuple[str, bytes], ...]

_PREFIX = "tocsin."
_GPS_NS = re.compile(rb"[0-9]{1,19}")
_MAX_HEADERS = 256
_MAX_HEADER_BYTES = 1 << 16
_MAX_REVISIONS = 1_000_000
_FOLLOWED_NUMBERS = tuple(f.name for f in fields(Followed) if f.name not in {"known", "method", "seconds"})


def hop_headers(alert_id: str, settings: PublishSettings) -> Headers:
    """Return the headers by which hop-client knows an Avro message, its sender and a test."""
    headers = [("_id", uuid.UUID(alert_id).bytes), ("_sender", settings.pipeline.encode())]
    if settings.kind != "production":
        headers.append(("_test", b"true"))
    return (*headers, ("_format", b"avro"))


def alert_id_of(headers: Sequence[tuple[str, bytes]]) -> str | None:
    """Return the id that :func:`hop_headers` wrote, or None where there is none of its form."""
    value = dict(headers).get("_id", b"")
    return str(uuid.UUID(bytes=value)) if len(value) == 16 else None


def extra_headers(extra: Mapping[str, Any]) -> Headers:
    """Return what the record has no place for as message headers: JSON, a text as it stands."""
    return tuple((_PREFIX + name, _header(value)) for name, value in extra.items())


def _header(value: Any) -> bytes:
    if not isinstance(value, str):
        return json.dumps(value).encode()
    bare = value.encode(errors="surrogatepass")
    try:
        bounded_json(bare, _MAX_HEADER_BYTES)
    except CodecError:
        return bare
    return json.dumps(value).encode()  # a text that would be read as a number, such as a model's name "12"


def read_extra(headers: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """Return what :func:`extra_headers` wrote; a value that is no JSON is text, one too long is cut."""
    found: dict[str, Any] = {}
    for key, value in headers[:_MAX_HEADERS]:
        if key.startswith(_PREFIX):
            name = key.removeprefix(_PREFIX)
            try:
                found[name] = bounded_json(value, _MAX_HEADER_BYTES)
            except DataError:
                found[name] = value[:_MAX_HEADER_BYTES].decode(errors="replace")
    return found


def sent_of(
    key: bytes | None, headers: Sequence[tuple[str, bytes]], event: Mapping[str, Any] | None = None
) -> Sent | None:
    """Return which alert of this pipeline a message is, from its key and headers alone.

    Parameters
    ----------
    key : bytes or None
        The message's key: the superevent's id.
    headers : sequence of (str, bytes)
    event : mapping, optional
        The record's ``event``, where the payload was read as well.

    Returns
    -------
    Sent or None
        None for another pipeline's message. An alert of before revisions were told is the first of its event.

    Raises
    ------
    SchemaError
        If the message says that it is ours, and is damaged.
    """
    gps_ns = _merger_ns(headers)
    if gps_ns is None:
        return None
    superevent_id = (key or b"").decode("ascii", "replace")
    if not is_superevent_id(superevent_id):
        raise SchemaError(f"key is {(key or b'')[:32]!r}: expected a superevent id, of the form TS261122a")
    told = Told(read_extra(headers), _PREFIX)
    statistic, per_detector = told.number("statistic"), told.numbers("per_detector")
    detectors = told.names("detectors", tuple(per_detector))
    return Sent(
        superevent_id=superevent_id,
        number=told.count("revision", _MAX_REVISIONS),
        alert_type=told.alert_type(),
        gps_ns=gps_ns,
        statistic=statistic,
        far_hz=told.number("far_hz"),
        detectors=detectors,
        day_count=told.count("day_count", 2**62),
        event=event,
        decision_id=told.uuid("decision_id"),
        days=told.counts("days"),
        candidate=_candidate(gps_ns, detectors, per_detector, told),
        followed=_followed(told.record("followed")),
        joined=joined_of(told.record("joined")),
    )


def _merger_ns(headers: Sequence[tuple[str, bytes]]) -> int | None:
    """Return the merger's time, GPS; None in another pipeline's message."""
    value = dict(headers[:_MAX_HEADERS]).get(_PREFIX + "gps_ns")
    if value is None:
        return None
    if not _GPS_NS.fullmatch(value) or int(value) >= 2**63:
        raise SchemaError(f"header {_PREFIX}gps_ns is {value[:32]!r}: expected GPS nanoseconds")
    return int(value)


def _followed(told: Told) -> Followed | None:
    """Return what is told of the follow-up; None where nothing is."""
    method, seconds = told.text("method"), told.number("seconds")
    if seconds is None:
        return None
    known = told.words("known", FOLLOWED_FIELDS)
    return Followed(known, method, seconds, **{name: told.number(name) for name in _FOLLOWED_NUMBERS})


def _candidate(
    gps_ns: int, detectors: tuple[str, ...], per_detector: Mapping[str, float], told: Told
) -> Candidate | None:
    """Return the candidate whole, or None where the headers do not tell all of it."""
    statistic, far_hz, confirmed_ns = told.number("statistic"), told.number("far_hz"), told.count("confirmed_ns", 2**63)
    background = told.record("background")
    duration_s, measured_on = background.number("duration_s"), background.names("detectors", ())
    if statistic is None or far_hz is None or duration_s is None or not confirmed_ns:
        return None
    candidate = Candidate(
        peak=Peak(gps_ns, statistic, detectors, tuple(per_detector.items()), confirmed_ns),
        far_hz=far_hz,
        far_is_limit=told.flag("far_is_limit"),
        background=Background(background.text("source"), duration_s, measured_on),
        model=told.text("model"),
        p_astro=told.number("p_astro"),
    )
    why = told.record("unknown").text("p_astro")
    return replace(candidate, p_astro_reason=why) if why else candidate
