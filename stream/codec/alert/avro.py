"""Alerts: an Avro object container of one ``igwn.alerts.Alert`` record, as IGWN publishes them.

The container carries its writer's schema, so alerts of other pipelines and of older writers
(``igwn.alerts.v1_0.Alert``) are read through ours; what an old writer did not have takes its default. A stranger's
container is trusted with nothing: :mod:`stream.codec.container` and :mod:`stream.codec.writer_schema` say how.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import writer

import schemas
from stream.codec.container import MAGIC, read_blocks, read_container
from stream.codec.limits import MAX_BYTES, check_size
from stream.codec.single_object import MALFORMED, read_one, reason
from stream.codec.walk import walk
from stream.codec.writer_schema import WriterSchema, writer_schema
from stream.errors import CodecError, SchemaError

CONTAINER_MAGIC = MAGIC
_WRITERS = re.compile(r"igwn\.alerts(\.v1_[0-9]+)?\.Alert")


def encode_alert(alert: Mapping[str, Any]) -> bytes:
    """Return an alert as an object container of one record; the same alert gives the same bytes.

    Raises
    ------
    SchemaError
        If a field is missing, unknown or of the wrong type.
    """
    body = BytesIO()
    # A container's sync marker is random by default; drawn from the record it makes a retry byte for byte the same.
    marker = sha256(repr(alert).encode()).digest()[:16]
    try:
        writer(body, schemas.load("alert"), [alert], sync_marker=marker, strict_allow_default=True)
    except MALFORMED as error:
        raise SchemaError(f"alert does not fit schema alert {schemas.versions('alert')[-1]}: {error}") from error
    return body.getvalue()


def write_alerts(path: Path, alerts: Sequence[Mapping[str, Any]]) -> None:
    """Write alerts to a file: one object container, which any Avro reader reads back.

    Raises
    ------
    SchemaError
        If one does not fit the schema.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            writer(file, schemas.load("alert"), list(alerts), strict_allow_default=True)
    except MALFORMED as error:
        raise SchemaError(f"alert does not fit schema alert {schemas.versions('alert')[-1]}: {error}") from error


def decode_alert(payload: bytes) -> dict[str, Any]:
    """Return the alert of an object container, written by schema 1.3, an earlier or a later 1.x.

    The writer's schema is checked and cut to what reading needs, the record's stated lengths are compared with its
    bytes, and only then is it read, with our schema as the reader's.

    Raises
    ------
    CodecError
        If the bytes are no object container, are damaged, beyond the bounds, or hold more or less than one record.
    SchemaError
        If the record is no IGWN alert, lacks a field that an alert must have, or its schema is beyond the bounds.
    """
    check_size("alert", payload)
    if payload[:4] != MAGIC:
        raise CodecError(
            f"{len(payload)} bytes that are no Avro object container: read alerts from the Avro alert topic"
        )
    container = read_container(payload, MAX_BYTES["alert"])
    (record,) = _records(_writer(container.schema), container.body, 1)
    return record


def read_alerts(payload: bytes) -> list[dict[str, Any]]:
    """Return the alerts of a file, as :func:`write_alerts` wrote them or a message was kept, each block within bounds.

    Raises
    ------
    CodecError, SchemaError
        As :func:`decode_alert` does.
    """
    schema, blocks = read_blocks(payload, MAX_BYTES["alert"])
    written = _writer(schema)
    return [record for count, body in blocks for record in _records(written, body, count)]


def _writer(schema: bytes) -> WriterSchema:
    written = writer_schema(schema)
    if not _WRITERS.fullmatch(written.name):
        raise SchemaError(f"container of {written.name[:64]!r}: expected igwn.alerts.Alert; read an alert topic")
    return written


def _records(written: WriterSchema, body: bytes, count: int) -> list[dict[str, Any]]:
    try:
        walk(written.form, body, count)
        data = BytesIO(body)
        found = [read_one(data, written, "alert") for _ in range(count)]
    except (*MALFORMED, CodecError) as error:
        raise CodecError(f"{len(body)} bytes are no sound alert: {reason(error)}; get it again") from error
    return [record for record in found if isinstance(record, dict)]
