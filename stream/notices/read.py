"""A notice, whatever its form → the external events that it tells of, or a refusal with a word for it.

The form is what the bytes are, not what they are said to be. What is damaged is a CodecError; what is whole and tells
of nothing that can be used is a NoticeRefused, whose kinds are counted.
"""

from __future__ import annotations

import re
from dataclasses import replace

import structlog

from stream.codec.avro import decode_external
from stream.codec.container import MAGIC, read_blocks
from stream.codec.external import check_external
from stream.codec.json_text import bounded_json
from stream.codec.limits import MAX_SCHEMA_BYTES
from stream.codec.single_object import MARKER
from stream.codec.xml_tree import Node, read_xml
from stream.errors import NoticeRefused
from stream.notices import hop
from stream.notices.gcn_json import read_json
from stream.notices.gcn_text import is_text_notice, read_text
from stream.notices.unified import Notice
from stream.notices.values import Fields
from stream.notices.voevent import read_voevent
from stream.records import ExternalEvent
from stream.timebase import NS_PER_S

MAX_NOTICE_BYTES = 4 << 20
"""Longest notice: raw, and its map besides, an event still fits into a message of external events."""
FUTURE_NS = 86_400 * NS_PER_S
"""An event later than this after its notice has not happened."""

_OTHERS = {
    b"SIMPLE  =": "fits", b"XTENSION=": "fits", b"\x89HDF": "hdf5", b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip",
    b"%PDF": "pdf", b"\x89PNG": "image", b"\xff\xd8\xff": "image", b"GIF8": "image",
}  # fmt: skip
_OF_TESTS = re.compile(r"(?<![a-z0-9])(?:test|firedrill)(?![a-z0-9])", re.IGNORECASE)
"""In the name of a topic of tests, whatever a notice on it says of itself: a fire drill of SNEWS's is no supernova."""
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"

Found = tuple[tuple[ExternalEvent, Fields], ...]

_log = structlog.get_logger()


def read_notice(payload: bytes, received_ns: int, topic: str = "") -> tuple[ExternalEvent, ...]:
    """Return the external events that a notice tells of; at least one.

    Parameters
    ----------
    payload : bytes
        JSON by GCN's schemas, a VOEvent, a classic text notice, a message of hop's around one of these, or an external
        event of our own.
    received_ns : int
        When it was received, GPS.
    topic : str
        Where it came from: a hint, for notices that name no mission.

    Raises
    ------
    NoticeRefused
        If it tells of no event that can be used; ``kind`` says why in a word.
    CodecError, SchemaError
        If it is damaged.
    """
    if len(payload) > MAX_NOTICE_BYTES and not payload.startswith(MARKER):
        raise NoticeRefused("too_large", f"notice of {len(payload)} bytes: at most {MAX_NOTICE_BYTES} are read")
    events = []
    for found, fields in _read(payload, Notice(payload, "", received_ns, topic)):
        event = found
        if event.gps_ns > received_ns + FUTURE_NS:
            raise NoticeRefused(
                "future", f"event {event.event_id!r} of {event.source}, received a day or more before it was"
            )
        check_external(event)
        if event.tense == "current" and not payload.startswith(MARKER) and _OF_TESTS.search(topic):
            event = replace(event, tense="test")
        if fields.unusable:
            _log.debug(
                "notice_values_passed_over", source=event.source, event_id=event.event_id, values=fields.unusable
            )
        events.append(event)
    return tuple(events)


def _read(payload: bytes, notice: Notice, nested: bool = False) -> Found:
    """Read bytes by what they are; ``nested``: they were in a message of hop's, and hold no other."""
    if payload.startswith(MARKER) and not nested:
        event = replace(decode_external(payload), received_ns=notice.received_ns)
        return ((event, Fields({})),)
    for magic, kind in _OTHERS.items():
        if payload.startswith(magic):
            raise NoticeRefused(kind, f"{len(payload)} bytes of another kind ({kind}), and no notice")
    if payload.startswith(MAGIC):
        _refuse_container(payload)
    text = payload.removeprefix(_BOM).lstrip(_SPACE)
    if text[:1] in (b"{", b"["):
        return _read_json(text, notice, nested)
    if text[:1] == b"<":
        return (read_voevent(read_xml(text), _as("voevent", notice, nested)),)
    if is_text_notice(text):
        return (read_text(text, _as("text", notice, nested)),)
    raise NoticeRefused(
        "not_a_notice", f"{len(payload)} bytes that are neither JSON, XML, a text notice nor Avro of ours"
    )


def _read_json(text: bytes, notice: Notice, nested: bool) -> Found:
    data = bounded_json(text, MAX_NOTICE_BYTES)
    notice = _as("json", notice, nested)
    if not hop.is_wrapped(data) or nested:
        return read_json(data, notice)
    inner = hop.unwrap(data)
    if isinstance(inner, bytes):
        return _read(inner, notice, nested=True)
    if isinstance(inner, Node):
        return (read_voevent(inner, notice),)
    return read_json(inner, notice)


def _as(form: str, notice: Notice, nested: bool) -> Notice:
    """Return the notice with its form: that of the bytes as they came, which of what lies in JSON is JSON."""
    return notice if nested else replace(notice, raw_format=form)


def _refuse_container(payload: bytes) -> None:
    """Refuse an Avro object container, by what its schema says that it holds."""
    schema = bounded_json(read_blocks(payload, 0)[0], MAX_SCHEMA_BYTES)
    name = schema.get("name") if isinstance(schema, dict) else None
    if isinstance(name, str) and name.startswith("igwn.alerts"):
        raise NoticeRefused("gravitational_wave", "an alert of gravitational waves in Avro: no other messenger")
    raise NoticeRefused("not_a_notice", f"Avro records {str(name)[:64]!r}: none that is read")
