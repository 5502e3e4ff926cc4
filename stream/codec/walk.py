"""Walk over an encoded Avro record before anything is made of it.

Avro's arrays, maps, strings and bytes state their length, and a reader believes them: eleven bytes can claim 2^40
items. The walk follows the schema over the bytes, as a reader would, and compares every claim with the bytes that are
there; what it has passed holds no more than it weighs.

A :class:`Form` is a schema made ready for that: see :mod:`stream.codec.writer_schema`.
Source: Apache Avro 1.11 specification, "Binary encoding".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stream.codec.limits import MAX_ITEMS
from stream.errors import CodecError


class Datum:
    """The bytes under the walk, and how many values may still be met in arrays and maps."""

    __slots__ = ("data", "left", "size")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.left = MAX_ITEMS

    def long(self, at: int) -> tuple[int, int]:
        """Return the number at ``at`` and where it ends."""
        byte = self.data[at]
        at += 1
        raw, shift = byte & 0x7F, 7
        while byte > 0x7F:
            byte = self.data[at]
            at += 1
            raw |= (byte & 0x7F) << shift
            shift += 7
            if shift > 70:
                raise CodecError("a number of more than 10 bytes")
        return (raw >> 1) ^ -(raw & 1), at

    def length(self, at: int) -> tuple[int, int]:
        """Return the length stated at ``at``, no more than the bytes that follow, and where it ends."""
        count, at = self.long(at)
        if not 0 <= count <= self.size - at:
            raise CodecError(f"a value of {count} bytes where {self.size - at} are left")
        return count, at

    def items(self, at: int, width: int, cost: int) -> tuple[int, int, int | None]:
        """Return how many items the next block of an array holds, where they begin, and where they end if that is said.

        A block of no items ends the array.
        """
        count, at = self.long(at)
        end = None
        if count < 0:
            count = -count
            size, at = self.length(at)
            end = at + size
        if count * width > self.size - at:
            raise CodecError(f"{count} items where {self.size - at} bytes are left")
        self.left -= count * cost
        if self.left < 0:
            raise CodecError(f"more than {MAX_ITEMS} values in arrays and maps")
        return count, at, end


Skip = Callable[[Datum, int], int]


@dataclass(frozen=True, slots=True)
class Form:
    """A schema, and how to walk over what it wrote.

    Attributes
    ----------
    schema : object
        The schema as a reader needs it: names and types, nothing else.
    width : int
        Fewest bytes that a datum takes.
    exact : bool
        Whether every datum takes exactly ``width``.
    nodes : int
        Nodes of the schema, every name written out.
    skip : callable
        Takes the walk and a position, returns the position after the datum.
    """

    schema: Any
    width: int
    exact: bool
    nodes: int
    skip: Skip


def walk(form: Form, data: bytes, count: int = 1) -> None:
    """Refuse bytes that are not exactly one datum of a form, or so many of them.

    Raises
    ------
    CodecError
        If a stated length or count exceeds what is there, or bytes are missing or left over.
    """
    datum = Datum(data)
    if count * form.width > datum.size:
        raise CodecError(f"{count} records in {datum.size} bytes")
    end = 0
    try:
        for _ in range(count):
            datum.left = MAX_ITEMS
            end = form.skip(datum, end)
    except IndexError:
        end = datum.size + 1
    if end > datum.size:
        raise CodecError("the record ends too early")
    if end < datum.size:
        raise CodecError(f"{datum.size - end} bytes follow a record: send one per message")


def skip_exactly(width: int) -> Skip:
    """Return the step over a value of known width."""
    return lambda _, at: at + width


def skip_long(datum: Datum, at: int) -> int:
    """Step over a number."""
    return datum.long(at)[1]


def skip_bytes(datum: Datum, at: int) -> int:
    """Step over bytes or a string."""
    count, at = datum.length(at)
    return at + count


def skip_enum(symbols: int) -> Skip:
    """Return the step over one of so many symbols."""

    def skip(datum: Datum, at: int) -> int:
        index, at = datum.long(at)
        if not 0 <= index < symbols:
            raise CodecError(f"symbol {index} of {symbols}")
        return at

    return skip


def skip_union(branches: list[Form]) -> Skip:
    """Return the step over a union."""
    skips = [branch.skip for branch in branches]

    def skip(datum: Datum, at: int) -> int:
        index, at = datum.long(at)
        if not 0 <= index < len(skips):
            raise CodecError(f"branch {index} of a union of {len(skips)}")
        return skips[index](datum, at)

    return skip


def skip_record(fields: list[Form]) -> Skip:
    """Return the step over a record."""
    skips = [field.skip for field in fields]

    def skip(datum: Datum, at: int) -> int:
        for field in skips:
            at = field(datum, at)
        return at

    return skip


def skip_array(items: Form) -> Skip:
    """Return the step over an array; its items take at least one byte."""

    def skip(datum: Datum, at: int) -> int:
        while True:
            count, at, end = datum.items(at, items.width, items.nodes)
            if count == 0:
                return at
            if items.exact:
                at += count * items.width
            else:
                for _ in range(count):
                    at = items.skip(datum, at)
            # A reader that passes over an array jumps by this size: it must not come to another place than we do.
            if end is not None and at != end:
                raise CodecError("a block of an array is not as long as it states")

    return skip


def skip_map(values: Form) -> Skip:
    """Return the step over a map: an array of keys and values."""
    key = Form("string", 1, False, 1, skip_bytes)
    return skip_array(Form(None, 1 + values.width, False, 1 + values.nodes, skip_record([key, values])))
