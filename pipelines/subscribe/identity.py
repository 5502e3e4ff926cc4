"""Which alert a message is, whatever broker and form it came by: LVK's from GCN (JSON) and from SCiMMA (Avro) is one.

A message's id alone proves nothing: whoever may write to a topic can take the id of an alert that is yet to come. So an
alert is known again by all that it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from zlib import crc32

from pipelines.subscribe.received import ReceivedAlert
from stream.text import clean

_FUTURE_NS = 60_000_000_000
_TESTS = ("T", "M")
_LONGEST_ID = 128


@dataclass(frozen=True, slots=True)
class Identity:
    """Which alert it is, and its place among those of its superevent.

    Attributes
    ----------
    key : str
        SHA-256 of what it says, in hexadecimal.
    superevent_id : str
        What its event is remembered by: a stranger's id is cleaned, and one of ours that could be LVK's is marked as
        ours, for both count each day's from ``a``.
    alert_type : str
    revision : int or None
        Where the alert tells it, as this pipeline's do.
    created_ns : int
        When it was made, Unix; a time that is no time, or lies ahead of the present, is the present.
    """

    key: str
    superevent_id: str
    alert_type: str
    revision: int | None
    created_ns: int

    @property
    def is_retraction(self) -> bool:
        """Whether it withdraws its superevent."""
        return self.alert_type == "RETRACTION"

    @property
    def place(self) -> tuple[int, int]:
        """What later alerts of the same superevent have more of: the time, to the second, then the revision."""
        return self.created_ns, -1 if self.revision is None else self.revision


def identity_of(alert: ReceivedAlert, now_unix_ns: int) -> Identity:
    """Return which alert it is.

    Parameters
    ----------
    alert : ReceivedAlert
    now_unix_ns : int
        Bounds the time that the alert claims to be made at, so that none can hide all that follow it.
    """
    record, revision = alert.record, alert.extra.get("revision")
    number = (
        revision if isinstance(revision, int) and not isinstance(revision, bool) and 0 <= revision < 2**31 else None
    )
    created_ns = _unix_ns(str(record["time_created"]))
    latest_ns = now_unix_ns + _FUTURE_NS
    return Identity(
        key=content_key(record),
        superevent_id=_event_of(alert),
        alert_type=str(record["alert_type"]),
        revision=number,
        created_ns=now_unix_ns if created_ns is None or not 0 <= created_ns <= latest_ns else created_ns,
    )


def _event_of(alert: ReceivedAlert) -> str:
    """Return what tells an event from others: its id, and whose it is."""
    name = clean(alert.superevent_id, _LONGEST_ID)
    return f"{name} of Tocsin" if name.startswith("S") and "gps_ns" in alert.extra else name


def content_key(record: Mapping[str, Any]) -> str:
    """Return the mark of a record of our alert schema, the same whether it came as Avro or as JSON.

    Of a sky map length and CRC-32 stand for it: a stranger who would hide an alert behind one of the same mark would
    have to know all else that it says, and its map, before it is sent.
    """
    return sha256(_CONTENT.encode(record).encode()).hexdigest()


def _mark(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(type(value).__name__)
    return f"{len(value)} bytes {crc32(value):08x}"


_CONTENT = json.JSONEncoder(sort_keys=True, default=_mark)


def is_test(superevent_id: str, headers: Sequence[tuple[str, bytes]]) -> bool:
    """Return whether an alert is a test or mock: by its id (``TS…``, ``MS…``), or by hop's header."""
    return superevent_id.startswith(_TESTS) or any(
        name == "_test" and value.strip().lower() not in (b"", b"false") for name, value in headers
    )


def _unix_ns(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text)
        return round(time.replace(tzinfo=time.tzinfo or UTC).timestamp()) * 1_000_000_000
    except (ValueError, OverflowError):
        return None
