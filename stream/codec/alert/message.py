"""A revision as the two messages that leave, and any pipeline's message as a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stream.codec.alert.as_json import decode_alert_json, encode_alert_json
from stream.codec.alert.avro import CONTAINER_MAGIC, decode_alert, encode_alert, read_alerts
from stream.codec.alert.headers import Headers, extra_headers, hop_headers, read_extra
from stream.codec.alert.record import alert_record, extra_of
from stream.codec.alert.voevent import decode_alert_voevent
from stream.codec.container import headers_of
from stream.records import Revision
from stream.settings import PublishSettings, SignificanceSettings


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An alert ready to be sent: one message for each of the two topics, with the same key.

    ``alert_id`` is the message id (hop's ``_id``); it follows from superevent and revision, and is found again on the
    topic. The key of both messages is ``superevent_id``.
    """

    alert_id: str
    superevent_id: str
    gps_ns: int
    avro: bytes
    json: bytes
    headers: Headers

    @property
    def json_headers(self) -> Headers:
        """Headers of the JSON message: those of the Avro one, but for the format."""
        return tuple((name, b"json" if name == "_format" else value) for name, value in self.headers)


def encode(revision: Revision, publish: PublishSettings, significance: SignificanceSettings) -> Outgoing:
    """Return a revision as it leaves; the same revision gives the same bytes.

    Parameters
    ----------
    revision : Revision
    publish : PublishSettings
        Says the pipeline's name, and whether the alert is marked a test.
    significance : SignificanceSettings
        Say at which FAR the event is marked significant.

    Raises
    ------
    PublishError
        If nothing is known of the event that the alert is about.
    SchemaError
        If what the alert repeats does not fit the schema.
    """
    record = alert_record(revision, publish.pipeline, significance)
    extra = extra_of(revision, record["event"], significance)
    headers = (*hop_headers(revision.message_id, publish), *extra_headers(extra))
    return Outgoing(
        alert_id=revision.message_id,
        superevent_id=revision.superevent_id,
        gps_ns=revision.gps_ns,
        avro=encode_alert(record),
        json=encode_alert_json(record, extra),
        headers=headers,
    )


def decode(value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a message's record of ``igwn.alerts.Alert``, and what this pipeline says beside it.

    Avro, JSON and XML (LVK's VOEvents) are told apart by the first bytes. What is said beside is empty in another
    pipeline's message; it is a stranger's all the same.

    Raises
    ------
    CodecError, SchemaError
        If the message is no alert.
    """
    if value[:4] == CONTAINER_MAGIC:
        return decode_alert(value), read_extra(headers)
    if value.lstrip()[:1] == b"<":
        return decode_alert_voevent(value), {}
    return decode_alert_json(value)


def decode_file(payload: bytes) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the alerts of a file as :func:`decode` does: a message that was kept, or Avro of several records.

    Several say nothing beside the record; one does if it was kept with its headers.

    Raises
    ------
    CodecError, SchemaError
        If it is no file of alerts.
    """
    if payload[:4] != CONTAINER_MAGIC:
        return [decode(payload)]
    records = read_alerts(payload)
    return [(record, read_extra(headers_of(payload)) if len(records) == 1 else {}) for record in records]
