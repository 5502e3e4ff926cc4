"""Alerts: an Avro object container of one ``igwn.alerts.Alert`` record, as IGWN publishes them.

The container carries its writer's schema, so alerts of other pipelines and of older writers
(``igwn.alerts.v1_0.Alert``) are read through ours; what an old writer did not have takes its default.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import reader, writer

import schemas
from stream.codec.single_object import MALFORMED
from stream.errors import CodecError, SchemaError

CONTAINER_MAGIC = b"Obj\x01"
_WRITERS = re.compile(r"igwn\.alerts(\.v1_\d+)?\.Alert")


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

    Raises
    ------
    CodecError
        If the bytes are no object container, are damaged, or hold more or less than one record.
    SchemaError
        If the record is no IGWN alert, or lacks a field that an alert must have.
    """
    if payload[:4] != CONTAINER_MAGIC:
        raise CodecError(
            f"{len(payload)} bytes that are no Avro object container: read alerts from the Avro alert topic"
        )
    try:
        name = _writer_name(payload)
        if not _WRITERS.fullmatch(name):
            raise SchemaError(f"container of {name[:64]!r}: expected igwn.alerts.Alert; read it from an alert topic")
        records = list(reader(BytesIO(payload), reader_schema=schemas.load("alert")))
    except (*MALFORMED, zlib.error, RecursionError) as error:
        raise CodecError(f"{len(payload)} bytes are no sound alert container: {error!r}; get it again") from error
    if len(records) != 1 or not isinstance(records[0], dict):
        raise CodecError(f"container holds {len(records)} records: an alert message holds one")
    return records[0]


def _writer_name(payload: bytes) -> str:
    written = reader(BytesIO(payload)).writer_schema
    if not isinstance(written, dict):
        return str(type(written))
    name, namespace = str(written.get("name", "")), str(written.get("namespace", ""))
    return name if "." in name or not namespace else f"{namespace}.{name}"
