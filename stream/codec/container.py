"""Avro object containers of one record, taken apart by hand: header, schema, one block, its marker.

A general reader believes the header: it parses any schema, expands any codec, loops over any count. An alert is one
record, plain or deflated, and that alone is read here; the rest is refused by name.
Source: Apache Avro 1.11 specification, "Object Container Files".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stream.codec.limits import MAX_BLOCKS
from stream.codec.walk import Datum
from stream.errors import CodecError

MAGIC = b"Obj\x01"
_SYNC_SIZE = 16
_HEADER = b"header."
"""Before the name of a message's header, in the metadata of the file that the message is kept in."""
_MAX_ENTRIES = 64
_RAW_DEFLATE = -15


@dataclass(frozen=True, slots=True)
class Container:
    """The text of the writer's schema, and the one record, still encoded."""

    schema: bytes
    body: bytes


def read_container(payload: bytes, max_bytes: int) -> Container:
    """Take a container of one record apart.

    Parameters
    ----------
    payload : bytes
    max_bytes : int
        Longest body, after expansion.

    Raises
    ------
    CodecError
        If it is no container, damaged, compressed otherwise than by deflate, too large when expanded, or of more or
        less than one record.
    """
    if payload[:4] != MAGIC:
        raise CodecError(f"{len(payload)} bytes that are no Avro object container")
    try:
        datum = Datum(payload)
        entries, at = _entries(datum, len(MAGIC))
        marker, at = payload[at : at + _SYNC_SIZE], at + _SYNC_SIZE
        records, at = datum.long(at) if at != len(payload) else (0, at)
        if records != 1:
            raise CodecError(f"container holds {records} records: an alert message holds one")
        length, at = datum.length(at)
    except IndexError:
        raise CodecError(f"container of {len(payload)} bytes ends before its record") from None
    if payload[at + length :] != marker:
        raise CodecError("container is damaged, or holds more than one block: an alert message holds one record")
    body = _expanded(payload[at : at + length], entries.get("avro.codec", b"null"), max_bytes)
    return Container(entries.get("avro.schema", b""), body)


def read_blocks(payload: bytes, max_bytes: int) -> tuple[bytes, Iterator[tuple[int, bytes]]]:
    """Take a container of any number of records apart: a file that a person keeps, and no message.

    Returns
    -------
    (bytes, iterator of (int, bytes))
        The text of the writer's schema; of each block the number of its records, and these, still encoded.

    Raises
    ------
    CodecError
        If it is no container, damaged, compressed otherwise than by deflate, of too many blocks, or one of them is
        longer than ``max_bytes`` when expanded.
    """
    if payload[:4] != MAGIC:
        raise CodecError(f"{len(payload)} bytes that are no Avro object container")
    datum = Datum(payload)
    try:
        entries, at = _entries(datum, len(MAGIC))
    except IndexError:
        raise CodecError(f"container of {len(payload)} bytes ends in its header") from None
    codec = entries.get("avro.codec", b"null")
    return entries.get("avro.schema", b""), _each_block(datum, at, codec, max_bytes)


def with_headers(payload: bytes, headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a container that tells its message's headers as metadata, which every reader reads and none needs.

    They are a block of the header's map before the others, all of which stay as they were. A value's bytes are Latin-1
    in UTF-8, since readers take metadata for text. Of a name that comes twice the last value counts.
    """
    entries = {_HEADER + name.encode(errors="replace"): value.decode("latin-1").encode() for name, value in headers}
    if not entries or payload[:4] != MAGIC:
        return payload
    told = b"".join(_number(len(part)) + part for entry in entries.items() for part in entry)
    return MAGIC + _number(len(entries)) + told + payload[len(MAGIC) :]


def headers_of(payload: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return the headers that :func:`with_headers` wrote; none of any other container.

    Raises
    ------
    CodecError
        If the container ends within its header.
    """
    found: list[tuple[str, bytes]] = []
    datum = Datum(payload)
    try:
        count, at, _ = datum.items(len(MAGIC), 2, 1)
        for _ in range(count):
            name, value, at = _entry(datum, at)
            if not name.startswith(_HEADER):
                return ()
            found.append((name.removeprefix(_HEADER).decode(errors="replace"), value.decode().encode("latin-1")))
    except UnicodeError:  # somebody else named it so
        return ()
    except IndexError:
        raise CodecError(f"container of {len(payload)} bytes ends in its header") from None
    return tuple(found)


def _number(value: int) -> bytes:
    """Return a length as Avro writes it: zigzag, seven bits a byte, the lowest first."""
    left, out = value << 1, bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def _each_block(datum: Datum, at: int, codec: bytes, max_bytes: int) -> Iterator[tuple[int, bytes]]:
    payload, marker = datum.data, datum.data[at : at + _SYNC_SIZE]
    at += _SYNC_SIZE
    for block in range(MAX_BLOCKS + 1):
        if at == len(payload):
            return
        if block == MAX_BLOCKS:
            raise CodecError(f"container holds more than {MAX_BLOCKS} blocks")
        try:
            records, at = datum.long(at)
            length, at = datum.length(at)
        except IndexError:
            raise CodecError(f"container of {len(payload)} bytes ends within block {block}") from None
        if payload[at + length : at + length + _SYNC_SIZE] != marker or records < 0:
            raise CodecError(f"container is damaged in block {block}")
        yield records, _expanded(payload[at : at + length], codec, max_bytes)
        at += length + _SYNC_SIZE


def _entries(datum: Datum, at: int) -> tuple[dict[str, bytes], int]:
    """Read the header's map of strings to bytes, but for a message's headers."""
    found: dict[str, bytes] = {}
    while True:
        count, at, _ = datum.items(at, 2, 1)
        if count == 0:
            return found, at
        for _ in range(count):
            name, value, at = _entry(datum, at)
            if name.startswith(_HEADER):
                continue
            key = name.decode(errors="replace")
            if key in found or len(found) == _MAX_ENTRIES:
                raise CodecError(f"container's header names {key!r} twice, or more than {_MAX_ENTRIES} things")
            found[key] = value


def _entry(datum: Datum, at: int) -> tuple[bytes, bytes, int]:
    """Return a name, its value, and where they end."""
    length, at = datum.length(at)
    name, at = datum.data[at : at + length], at + length
    length, at = datum.length(at)
    return name, datum.data[at : at + length], at + length


def _expanded(block: bytes, codec: bytes, max_bytes: int) -> bytes:
    if codec == b"null":
        return block
    if codec != b"deflate":
        raise CodecError(f"container compressed with {codec[:32]!r}: only null and deflate are read")
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    try:
        body = inflater.decompress(block, max_bytes + 1)
    except zlib.error as error:
        raise CodecError(f"container's block is damaged: {error}") from error
    if len(body) > max_bytes:
        raise CodecError(f"container expands to more than {max_bytes} bytes")
    if not inflater.eof:
        raise CodecError("container's block ends too early")
    return body
