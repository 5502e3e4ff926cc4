"""Avro single-object encoding: two marker bytes, the schema's fingerprint, the record.

A message says which schema and version wrote it, so a stranger's bytes are refused by name, and an old version is read
through the newest. Source: Apache Avro 1.11 specification, "Single-object encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, UnknownType

import schemas
from stream.codec.limits import check_size
from stream.codec.walk import walk
from stream.codec.writer_schema import WriterSchema, writer_schema
from stream.errors import CodecError, DataError, SchemaError

MARKER = b"\xc3\x01"
HEADER_SIZE = 10
REGISTRY_MAGIC = 0
# All that fastavro raises on bytes that do not follow the schema.
MALFORMED = (
    EOFError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, MemoryError, StopIteration,
    struct.error, RecursionError, SchemaParseException, SchemaResolutionError, UnknownType,
)  # fmt: skip


def encode(name: str, record: Mapping[str, Any]) -> bytes:
    """Return a record as a message of the newest version of schema ``name``.

    Raises
    ------
    SchemaError
        If the record does not fit the schema.
    """
    out = BytesIO()
    out.write(MARKER + schemas.fingerprint_of(name))
    write_body(out, name, record)
    return out.getvalue()


def write_body(out: BytesIO, name: str, record: Mapping[str, Any]) -> None:
    """Append the record alone, in the newest version of schema ``name``."""
    try:
        schemaless_writer(out, schemas.load(name), record)
    except MALFORMED as error:
        raise SchemaError(f"record does not fit schema {name} {schemas.versions(name)[-1]}: {error}") from error


def decode(name: str, payload: bytes) -> dict[str, Any]:
    """Return the record of a message of any version of schema ``name``, as its newest version.

    Raises
    ------
    CodecError
        If the bytes are no Avro single object, or end too early or too late.
    SchemaError
        If they are of another or of an unknown schema.
    """
    check_size(name, payload)
    if payload[:2] != MARKER or len(payload) < HEADER_SIZE:
        raise CodecError(f"{_describe(payload)}: expected an Avro single object of schema {name}; {_remedy(payload)}")
    found = known_fingerprints().get(payload[2:HEADER_SIZE])
    if found is None:
        raise SchemaError(
            f"unknown schema fingerprint {payload[2:HEADER_SIZE].hex()}: expected {name} "
            f"({', '.join(schemas.versions(name))}); upgrade this reader, or send one of these"
        )
    if found[0] != name:
        raise SchemaError(f"payload is of schema {found[0]} {found[1]}: expected {name}; check where it was sent")
    return read_body(name, _own(*found), payload[HEADER_SIZE:])


def read_body(name: str, writer: WriterSchema, body: bytes) -> dict[str, Any]:
    """Return the record alone, written with schema ``writer``, as the newest version of schema ``name``.

    Raises
    ------
    CodecError
        If the bytes are not exactly one such record.
    """
    try:
        walk(writer.form, body)
        record = read_one(BytesIO(body), writer, name)
    except (*MALFORMED, CodecError) as error:
        raise CodecError(f"{len(body)} bytes do not hold a {name} record: {reason(error)}; send it again") from error
    assert isinstance(record, dict), "our schemas are records'"
    return record


def read_one(data: BytesIO, writer: WriterSchema, name: str) -> Any:
    """Return the next record as the newest version of schema ``name``; raises what :data:`MALFORMED` lists.

    Where that is what wrote it, fastavro need not compare two schemas node by node, which takes longer than reading.
    """
    same = writer.canonical == _newest(name).canonical
    return schemaless_reader(data, writer.parsed, None if same else schemas.load(name))


def reason(error: BaseException) -> str:
    """Return why bytes were refused: our own words as they are, a library's with the name of its error."""
    return str(error) if isinstance(error, DataError) else repr(error)


@cache
def _own(name: str, version: str) -> WriterSchema:
    return writer_schema(schemas.source(name, version).encode())


@cache
def _newest(name: str) -> WriterSchema:
    return _own(name, schemas.versions(name)[-1])


@cache
def known_fingerprints() -> dict[bytes, tuple[str, str]]:
    """Return name and version of every schema of this package, by its fingerprint."""
    return {
        schemas.fingerprint_of(name, version): (name, version)
        for name in schemas.names()
        for version in schemas.versions(name)
    }


def _describe(payload: bytes) -> str:
    return f"{len(payload)} bytes that start with {payload[:4].hex() or 'nothing'}"


def _remedy(payload: bytes) -> str:
    if payload[:1] == bytes([REGISTRY_MAGIC]):
        return "this looks like Schema Registry framing, set kafka.schema_registry_url to read it"
    if payload[:4] == b"IGWD":
        return "this is a GWF frame, set strain.codec to 'gwf'"
    if payload[:4] == b"\xff\xff\xff\xff":
        return "this looks like Arrow IPC, set strain.codec to 'arrow'"
    return "send it again, or correct strain.codec"
