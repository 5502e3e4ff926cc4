"""External events in a file: an Avro object container of schema ``external``, of any number of records.

What ``tocsin listen --out`` writes and ``tocsin coincide --events`` reads. A file is read block by block, with our
schema and within the bounds of :mod:`stream.codec.limits`, as a message is: it may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO

from fastavro.write import Writer

import schemas
from stream.codec.container import read_blocks
from stream.codec.external import check_external, external_from_record
from stream.codec.limits import MAX_BYTES
from stream.codec.single_object import MALFORMED, read_one, reason
from stream.codec.walk import walk
from stream.codec.writer_schema import writer_schema
from stream.errors import CodecError, ConfigurationError, SchemaError
from stream.records import ExternalEvent

_BLOCK_BYTES = 1 << 20
"""Of events before they are deflated: a block ends with the first event beyond it, so that 1024 are a gigabyte."""
_LONGEST_BLOCK = _BLOCK_BYTES + 2 * MAX_BYTES["external"]
_LARGEST_FILE = 1 << 30
_NAME = "tocsin.ExternalEvent"


class ExternalFile:
    """Write external events into a file as they come; used with ``with``.

    Parameters
    ----------
    path : Path
        Replaced if it is there.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("wb")
        schema = schemas.load("external")
        self._writer = Writer(self._file, schema, codec="deflate", sync_interval=_BLOCK_BYTES)

    def write(self, event: ExternalEvent) -> None:
        """Append an event.

        Raises
        ------
        SchemaError
            If a value is not what it must be.
        """
        check_external(event)
        self._writer.write(asdict(event))

    def close(self) -> None:
        """Write what is left, and end."""
        if not self._file.closed:
            self._writer.flush()
            self._file.close()

    def __enter__(self) -> ExternalFile:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def write_external_file(path: Path, events: Iterable[ExternalEvent]) -> None:
    """Write a file of external events, replacing one that is there; raises as :meth:`ExternalFile.write`."""
    with ExternalFile(path) as file:
        for event in events:
            file.write(event)


def read_external_file(path: Path) -> Iterator[ExternalEvent]:
    """Yield the events of a file, in its order.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, or is larger than is read.
    CodecError, SchemaError
        If it is no container, of another schema, damaged, or a value is not what it must be.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ConfigurationError(f"{path} is larger than {_LARGEST_FILE} bytes: split it")
        payload = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    yield from read_external(payload)


def read_external(payload: bytes) -> Iterator[ExternalEvent]:
    """Yield the events of a container's bytes; raises as :func:`read_external_file`."""
    text, blocks = read_blocks(payload, _LONGEST_BLOCK)
    written = writer_schema(text)
    if written.name != _NAME:
        raise SchemaError(f"container of {written.name[:64]!r}: expected {_NAME}, as `tocsin listen --out` writes it")
    for count, body in blocks:
        try:
            walk(written.form, body, count)
            data = BytesIO(body)
            records = [read_one(data, written, "external") for _ in range(count)]
        except (*MALFORMED, CodecError) as error:
            raise CodecError(f"{len(body)} bytes are no sound external events: {reason(error)}") from error
        for record in records:
            assert isinstance(record, dict), "our schema is a record's"
            event = external_from_record(record)
            check_external(event)
            yield event
