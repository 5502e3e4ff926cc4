"""What an Arrow stream's messages are, looked at before their bodies are read.

Arrow's reader expands a compressed buffer to the size that the buffer claims, and has no option that forbids it. Each
message's metadata, which the reader has verified as a flatbuffer, says whether its body is compressed.
Source: Arrow columnar format 1.5, ``Message.fbs`` and ``Schema.fbs``; the flatbuffers binary format.
"""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa

from stream.errors import CodecError

_U16, _I32, _U32 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I")
# Fields of the table Message, and of the table RecordBatch, in the order of their files.
_VERSION, _HEADER, _CUSTOM = 0, 2, 4
_COMPRESSION = 3
_V5 = 4
_MAX_MESSAGES = 4096


def check_messages(payload: bytes) -> None:
    """Refuse an Arrow stream that holds more than a schema and plain record batches.

    Raises
    ------
    CodecError
        Naming what it holds.
    pyarrow.ArrowException, struct.error
        If the bytes are no Arrow stream.
    """
    for count, message in enumerate(pa.ipc.MessageReader.open_stream(payload)):
        if count == _MAX_MESSAGES:
            raise CodecError(f"Arrow stream of more than {_MAX_MESSAGES} messages: send fewer")
        if message.type not in ("schema", "record batch"):
            raise CodecError(f"Arrow stream with a {message.type}: send schema and record batches alone")
        if message.type == "record batch" and _is_compressed(bytes(message.metadata)):
            raise CodecError("Arrow stream with compressed buffers: send them as they are")


def _is_compressed(metadata: bytes) -> bool:
    """Return whether a record batch's metadata ask for decompression, in today's way or in that of Arrow 0.17."""
    table = _U32.unpack_from(metadata, 0)[0]
    version_at, custom_at = _field(metadata, table, _VERSION), _field(metadata, table, _CUSTOM)
    version = _U16.unpack_from(metadata, version_at)[0] if version_at is not None else 0
    if custom_at is not None and version < _V5:
        return True
    header_at = _field(metadata, table, _HEADER)
    if header_at is None:
        return False
    header = header_at + _U32.unpack_from(metadata, header_at)[0]
    return _field(metadata, header, _COMPRESSION) is not None


def _field(data: Any, table: int, index: int) -> int | None:
    """Return where a table's field lies, or None where it is absent."""
    vtable = table - _I32.unpack_from(data, table)[0]
    if 4 + 2 * index >= _U16.unpack_from(data, vtable)[0]:
        return None
    offset: int = _U16.unpack_from(data, vtable + 4 + 2 * index)[0]
    return table + offset if offset else None
