"""Alerts as a telescope receives them: ``tocsin subscribe``, or from Python in a few lines.

::

    from pipelines.subscribe import alerts
    from stream.configuration import load_settings

    for alert in alerts(load_settings(), "alerts.gw"):
        print(alert.superevent_id, alert.far_hz, alert.detectors)

Reads the Avro and the JSON topic, this pipeline's alerts and LVK's (``igwn.alerts.v1_0`` and 1.3.0). Each message is
handed on once; one that is no alert is logged with its place and passed over.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import structlog

from stream.codec.alert import CONTAINER_MAGIC, decode_alert
from stream.errors import CodecError, DataError
from stream.kafka.consumer import Consumer, Message
from stream.settings import Settings

log = structlog.get_logger()
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class ReceivedAlert:
    """One alert and where it stood.

    Attributes
    ----------
    record : dict
        The ``igwn.alerts.Alert`` record; the sky map is bytes.
    extra : dict
        What this pipeline says beyond the schema (``tocsin.*``): merger time in ns, statistic, background, what is
        not known and why. Empty for another pipeline's alert.
    raw : bytes
        The message's value.
    received_unix_ns : int
        The broker's timestamp.
    """

    record: dict[str, Any]
    extra: dict[str, Any]
    raw: bytes
    topic: str
    offset: int
    received_unix_ns: int

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
        """Return the alert as JSON can hold it: sky maps in base64, ``extra`` as ``tocsin``."""
        whole = self.record | {"tocsin": self.extra, "kafka": {"topic": self.topic, "offset": self.offset}}
        plain: dict[str, Any] = _plain(whole)
        return plain

    def as_line(self) -> str:
        """Return one line for people."""
        event = self.record["event"]
        if event is None:
            return f"{self.superevent_id}  {self.record['alert_type']}"
        return (
            f"{self.superevent_id}  {self.record['alert_type']}  {event['time']}  "
            f"FAR 1 per {_duration(event['far'])}  {'+'.join(event['instruments'])}  {event['group']}"
        )


def _plain(value: Any) -> Any:
    """Return a value without bytes: they become base64, as in GCN's JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _duration(far_hz: float) -> str:
    """Return 1/FAR in the unit that people compare in."""
    seconds = 1 / far_hz if far_hz > 0 else float("inf")
    for unit, length in (("years", 31_557_600.0), ("months", 2_592_000.0), ("days", 86_400.0), ("hours", 3600.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def alerts(
    settings: Settings, topic: str | None = None, start: str | int = "latest", stop: threading.Event | None = None
) -> Iterator[ReceivedAlert]:
    """Yield alerts as they come, until stopped.

    Parameters
    ----------
    settings : Settings
    topic : str, optional
        The configured Avro topic if not given.
    start : {"latest", "earliest"} or int
        Where to begin; an int is a Unix time in nanoseconds.
    stop : threading.Event, optional

    Raises
    ------
    TransportError
        For an error that will not mend itself, such as refused credentials.
    """
    stop = stop or threading.Event()
    seen: OrderedDict[bytes, None] = OrderedDict()
    with Consumer(settings.kafka, [topic or settings.topics.alerts], start) as consumer:
        while not stop.is_set():
            for message in consumer.poll_batch(0.1):
                if _is_new(message, seen):
                    try:
                        yield receive(message)
                    except DataError as error:
                        log.warning("not_an_alert", topic=message.topic, offset=message.offset, error=str(error))


def receive(message: Message) -> ReceivedAlert:
    """Return the alert of a message, told by its first bytes.

    Raises
    ------
    DataError
        If it is none.
    """
    value = message.value or b""
    if value[:4] == CONTAINER_MAGIC:
        record, extra = decode_alert(value), _headers(message)
    else:
        record, extra = _from_json(value)
    return ReceivedAlert(record, extra, value, message.topic, message.offset, message.timestamp_ns)


def _from_json(value: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        record = json.loads(value)
        record["superevent_id"], record["alert_type"]
        event = record.setdefault("event", None)
        if event is not None:
            event["far"], event["instruments"]
            _decode_map(event, "skymap")
        if record.setdefault("external_coinc", None) is not None:
            _decode_map(record["external_coinc"], "combined_skymap")
    except (ValueError, KeyError, TypeError) as error:
        raise CodecError(f"{len(value)} bytes are neither an Avro nor a JSON alert: {error!r}") from error
    return record, record.pop("tocsin", {})


def _decode_map(holder: dict[str, Any], key: str) -> None:
    encoded = holder.get(key)
    holder[key] = None if encoded is None else base64.b64decode(encoded)


def _headers(message: Message) -> dict[str, Any]:
    """Return the ``tocsin.*`` headers as values."""
    found: dict[str, Any] = {}
    for key, value in message.headers:
        if key.startswith("tocsin."):
            text = value.decode(errors="replace")
            try:
                found[key.removeprefix("tocsin.")] = json.loads(text)
            except ValueError:
                found[key.removeprefix("tocsin.")] = text
    return found


def _is_new(message: Message, seen: OrderedDict[bytes, None]) -> bool:
    """Know a message again by hop's ``_id``, or by its content where it has none."""
    identity = dict(message.headers).get("_id") or sha256(message.value or b"").digest()
    if identity in seen:
        return False
    seen[identity] = None
    if len(seen) > _REMEMBERED:
        seen.popitem(last=False)
    return True
