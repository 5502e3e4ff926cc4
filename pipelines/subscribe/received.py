"""An alert that was received: read from a message, shown on a line, kept in a file.

A message's content is a stranger's. It is decoded within bounds, printed cleaned, and names a file only where it has
the form of a superevent id.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from pybase64 import b64encode

from pipelines.sources.message import SourceMessage
from pipelines.subscribe.messenger import OtherMessenger, rate_text
from stream.codec.alert import CONTAINER_MAGIC, decode
from stream.codec.container import with_headers
from stream.errors import ConfigurationError
from stream.kafka.consumer import Message
from stream.regions import area_text
from stream.superevent import is_superevent_id
from stream.text import clean

_WORD = 48
"""Longest word of a stranger on a line."""
_SKY_DEG2 = 41_253.0
_STANDS_FOR = f"bytes {token_hex(16)} "
"""Where a map goes in a line of JSON: drawn at random, so that no message can hold it."""


@dataclass(frozen=True, slots=True)
class ReceivedAlert:
    """One alert and where it stood.

    Attributes
    ----------
    record : dict
        The ``igwn.alerts.Alert`` record; the sky map is bytes. Its texts are as they came: clean them before printing.
    extra : dict
        What this pipeline says beyond the schema (``tocsin.*``): merger time in ns, statistic, background, what is
        not known and why. Empty for another pipeline's alert.
    raw : bytes
        The message's value.
    received_unix_ns : int
        The broker's timestamp.
    headers : tuple of (str, bytes)
        The message's, as they came.
    source : str
        What it came from: ``local``, ``gcn``, ``scimma`` or ``files``.
    place : str
        For people: ``topic[partition]@offset``, or a file's path.
    """

    record: dict[str, Any]
    extra: dict[str, Any]
    raw: bytes
    topic: str
    offset: int
    received_unix_ns: int
    headers: tuple[tuple[str, bytes], ...] = ()
    source: str = "local"
    place: str = ""

    @property
    def superevent_id(self) -> str:
        """Id of the superevent."""
        return str(self.record["superevent_id"])

    @property
    def far_hz(self) -> float | None:
        """False-alarm rate; None in a retraction."""
        event = self.record["event"]
        return None if event is None else float(event["far"])

    @property
    def detectors(self) -> tuple[str, ...]:
        """Detectors that took part."""
        event = self.record["event"]
        return () if event is None else tuple(event["instruments"])

    def as_dict(self) -> dict[str, Any]:
        """Return the alert as JSON can hold it: sky maps in base64, ``extra`` as ``tocsin``, NaN as null."""
        plain: dict[str, Any] = _plain(self._whole())
        return plain

    def as_json(self, more: Mapping[str, Any] | None = None) -> bytes:
        """Return :meth:`as_dict`, and ``more`` beside it, as one line of JSON, all of it printable ASCII."""
        return json_line(self._whole() | dict(more or {}))

    def _whole(self) -> dict[str, Any]:
        return self.record | {"tocsin": self.extra, "kafka": {"topic": self.topic, "offset": self.offset}}

    def as_line(self) -> str:
        """Return one line for people."""
        event = self.record["event"]
        words = [self.superevent_id, self.record["alert_type"]]
        if event is not None:
            words += [event["time"], far_text(event["far"], self.extra.get("far_is_limit") is True)]
            words += ["+".join(event["instruments"]), event["group"], *self._where_and_what(event)]
        other = OtherMessenger.of(self.record, self.extra)
        shown = [clean(word, _WORD) for word in words]
        return "  ".join(shown if other is None else [*shown, other.as_words()])

    def _where_and_what(self, event: dict[str, Any]) -> list[str]:
        """Return the most probable class and the area that holds 90 % of the probability, if the alert tells them."""
        classes = {name: part for name, part in event["classification"].items() if 0.0 <= part <= 1.0}
        best = max(classes, key=lambda name: classes[name], default=None)
        followed = self.extra.get("followed")
        area_deg2 = followed.get("area90_deg2") if isinstance(followed, dict) else None
        words = [] if best is None else [f"{best[:_WORD]} {100.0 * classes[best]:.0f} %"]
        if isinstance(area_deg2, float) and 0.0 <= area_deg2 <= _SKY_DEG2:
            words.append(f"90 % within {area_text(area_deg2)}")
        return words


def far_text(far_hz: float, is_limit: bool = False) -> str:
    """Return a false-alarm rate in the unit that people compare in, such as ``FAR < 1 per 238 days``."""
    if not (math.isfinite(far_hz) and far_hz > 0 and math.isfinite(1 / far_hz)):
        return "FAR unknown"
    return f"FAR {'< ' if is_limit else ''}{rate_text(far_hz)}"


def _plain(value: Any) -> Any:
    """Return a value without bytes, which become base64 as in GCN's JSON, and without what JSON has no number for."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_plain(v) for v in value] if isinstance(value, list) else value


def json_line(whole: Mapping[str, Any]) -> bytes:
    """Return a line of JSON, all of it printable ASCII; bytes are base64, and numbers that JSON lacks null.

    Base64 needs no escapes: it is put in behind the encoder, which would look at each of its letters.
    """
    maps: list[bytes] = []

    def stands_for(value: object) -> str:
        if not isinstance(value, bytes):
            raise TypeError(f"{type(value).__name__} has no form in JSON")
        maps.append(value)
        return f"{_STANDS_FOR}{len(maps) - 1}"

    try:
        text = json.dumps(whole, allow_nan=False, check_circular=False, default=stands_for)
    except ValueError:  # NaN or an infinity, which Avro can carry
        maps.clear()
        text = json.dumps(_plain(whole))
    rest = text.replace("\x7f", "\\u007f").encode("ascii")
    parts: list[bytes] = []
    for number, value in enumerate(maps):
        before, _, rest = rest.partition(f'"{_STANDS_FOR}{number}"'.encode())
        parts += [before, b'"', b64encode(value), b'"']
    return b"".join([*parts, rest])


def receive(message: Message) -> ReceivedAlert:
    """Return the alert of a message, told by its first bytes.

    Raises
    ------
    DataError
        If it is none.
    """
    value = message.value or b""
    record, extra = decode(value, message.headers)
    return ReceivedAlert(record, extra, value, message.topic, message.offset, message.timestamp_ns)


def received(message: SourceMessage) -> ReceivedAlert:
    """Return the alert of a source's message.

    Raises
    ------
    DataError
        If it is none.
    """
    origin = message.origin or Message(message.topic, 0, 0, None, message.payload, message.headers, 0)
    alert = receive(origin)
    return ReceivedAlert(
        alert.record, alert.extra, alert.raw, alert.topic, alert.offset, alert.received_unix_ns, message.headers,
        message.source, message.place,
    )  # fmt: skip


def keep(alert: ReceivedAlert, folder: Path) -> Path:
    """Write an alert's message into a folder and return where; one that is there already is not written again.

    The file is named after the superevent where its id has the form of one, otherwise after the message's hash. No
    link is followed and no other file is overwritten: where the name is taken, the hash is added to it. Of Avro the
    message's headers are kept too, as the file's metadata: hop's, and what our own alerts say in them.

    Raises
    ------
    ConfigurationError
        If both names are taken by something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = sha256(alert.raw).hexdigest()[:16]
    content = with_headers(alert.raw, alert.headers)
    name = alert.superevent_id if is_superevent_id(alert.superevent_id) else f"alert-{mark}"
    suffix = "avro" if alert.raw[:4] == CONTAINER_MAGIC else "voevent.xml" if alert.raw.lstrip()[:1] == b"<" else "json"
    for stem in (f"{name}-{alert.offset}", f"{name}-{alert.offset}-{mark}"):
        path = folder / f"{stem}.{suffix}"
        if _holds(path, content):
            return path
    raise ConfigurationError(f"{path} is taken by something else: clear {folder}, or name another folder")


def _holds(path: Path, raw: bytes) -> bool:
    """Write a file that is not there; return whether it now holds these bytes."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:
        return not path.is_symlink() and path.is_file() and path.stat().st_size == len(raw) and path.read_bytes() == raw
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
    except BaseException:
        path.unlink()  # half an alert would take the name of the whole one for ever
        raise
    return True
