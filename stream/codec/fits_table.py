"""One binary table in FITS, written and read with numpy alone, a stranger's within bounds.

astropy reads and writes much more, takes seconds to load and 26 ms to write a sky map, and believes what a header says
(`../docs/decisions/0021-pages-and-maps-need-little.md`).
Source: FITS standard 4.0 (2018), sections 3.3 (blocks), 4.1 (cards), 4.2 (values), 7.3 (binary tables).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap

import numpy as np

from stream.errors import CodecError
from stream.types import AnyArray

_BLOCK, _CARD = 2880, 80
_MAX_HEADER_BLOCKS = 128
_MAX_COLUMNS = 64
_MAX_CELLS = 1 << 20
GZIP_MAGIC, _GZIP_WINDOW = b"\x1f\x8b", 31
_WIDTH = {"L": 1, "X": 0.125, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
_DTYPE = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_LETTER = {"i": "K", "f": "D"}
_FORM = re.compile(r"([0-9]{0,9})([A-Z])")
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([ED][+-]?[0-9]{1,3})?")

Value = str | int | float | bool
"""What a card of a header holds."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column to be written: int64 or float64, and its unit if it has one."""

    name: str
    values: AnyArray
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class FitsTable:
    """A table that was read: its header's cards, and its columns of numbers by name in capitals.

    A column has the shape (rows, values in a row), and is a view of the file, which may be larger than the memory.
    """

    header: Mapping[str, Value]
    columns: Mapping[str, AnyArray]


def write_table(columns: Sequence[Column], cards: Sequence[tuple[str, Value]], history: Sequence[str]) -> bytes:
    """Return a FITS file of one binary table.

    Parameters
    ----------
    columns : sequence of Column
        All of one length.
    cards : sequence of (str, value)
        What the table's header says beside its form. A text is written in ASCII, cut to what a card holds.
    history : sequence of str
        Texts for cards HISTORY, as many as it takes.
    """
    kinds = [(c.name, ">i8" if c.values.dtype.kind == "i" else ">f8") for c in columns]
    rows = np.empty(len(columns[0].values), dtype=kinds)
    for column in columns:
        rows[column.name] = column.values
    primary = [("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)]
    form: list[tuple[str, Value]] = [
        ("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", rows.itemsize), ("NAXIS2", len(rows)),
        ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", len(columns)),
    ]  # fmt: skip
    for k, column in enumerate(columns, 1):
        form += [(f"TTYPE{k}", column.name), (f"TFORM{k}", _LETTER[column.values.dtype.kind])]
        form += [(f"TUNIT{k}", column.unit)] if column.unit is not None else []
    told = [_card(name, value) for name, value in (*form, *cards)]
    told += [f"HISTORY {line}" for text in history for line in _lines(text)]
    return _header([_card(name, value) for name, value in primary]) + _header(told) + _padded(rows.tobytes(), b"\0")


def _card(name: str, value: Value) -> str:
    if isinstance(value, bool):
        return f"{name:8}= {'FT'[value]:>20}"
    if isinstance(value, str):
        inner = _ascii(value).replace("'", "''")[:68]
        if inner.count("'") % 2:  # a doubled quote was cut in two
            inner = inner[:-1]
        return f"{name:8}= '{inner:8}'"
    text = str(value) if isinstance(value, int) else repr(float(value)).upper()
    return f"{name:8}= {text:>20}"


def _lines(text: str) -> list[str]:
    plain = _ascii(text)
    return [plain[at : at + _CARD - 8] for at in range(0, len(plain), _CARD - 8)] or [""]


def _ascii(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def _header(cards: Sequence[str]) -> bytes:
    return _padded("".join(f"{card:{_CARD}}" for card in (*cards, "END")).encode("ascii"), b" ")


def _padded(data: bytes, with_byte: bytes) -> bytes:
    return data + with_byte * (-len(data) % _BLOCK)


def read_table(payload: bytes | mmap, max_bytes: int) -> FitsTable:
    """Return the first binary table of a FITS file, gzipped or not.

    Parameters
    ----------
    payload : bytes or mmap
    max_bytes : int
        Longest file, after expansion.

    Raises
    ------
    CodecError
        If it is no FITS file, is too long, ends too early, or its first extension is no sound binary table.
    """
    data = _expanded(payload, max_bytes) if payload[:2] == GZIP_MAGIC else payload
    if len(data) > max_bytes:
        raise CodecError(f"FITS file of {len(data)} bytes: at most {max_bytes} are read")
    if data[:9] != b"SIMPLE  =":
        raise CodecError(f"{len(data)} bytes that are no FITS file: it begins with SIMPLE, or is a gzip of that")
    primary, at = _read_header(data, 0)
    at += _data_size(primary)
    if at >= len(data):
        raise CodecError("FITS file has no extension after its first header: a sky map is a binary table there")
    header, at = _read_header(data, at)
    if header.get("XTENSION") != "BINTABLE":
        raise CodecError(f"FITS extension is {str(header.get('XTENSION'))[:16]!r}: expected a binary table, BINTABLE")
    return FitsTable(header, _read_columns(header, data, at))


def _expanded(payload: bytes | mmap, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        data = inflater.decompress(payload, max_bytes + 1)
    except zlib.error as error:
        raise CodecError(f"gzip of {len(payload)} bytes is damaged: {error}") from error
    if len(data) > max_bytes:
        raise CodecError(f"gzip of {len(payload)} bytes expands to more than {max_bytes}")
    if not inflater.eof:
        raise CodecError(f"gzip of {len(payload)} bytes ends too early")
    if inflater.unused_data:
        raise CodecError(f"{len(inflater.unused_data)} bytes follow the end of the gzip")
    return data


def _read_header(data: bytes | mmap, start: int) -> tuple[dict[str, Value], int]:
    """Return a header's cards and where its data begin; of a name that stands twice, the first."""
    found: dict[str, Value] = {}
    for block in range(start, start + _MAX_HEADER_BLOCKS * _BLOCK, _BLOCK):
        text = data[block : block + _BLOCK].decode("ascii", "replace")
        for at in range(0, _BLOCK, _CARD):
            card = text[at : at + _CARD]
            if len(card) < _CARD:
                raise CodecError("FITS file ends within a header")
            name = card[:8].rstrip()
            if name == "END":
                return found, block + _BLOCK
            if card[8:10] == "= " and name not in found:
                value = _value(card[10:])
                if value is not None:
                    found[name] = value
    raise CodecError(f"FITS header of more than {_MAX_HEADER_BLOCKS} blocks of {_BLOCK} bytes")


@lru_cache(maxsize=4096)
def _value(text: str) -> Value | None:
    """Return the value of a card's text; None where there is none of a known form. Map after map has the same cards."""
    text = text.strip()
    if text.startswith("'"):
        inner = re.match(r"'((?:[^']|'')*)'", text)
        return inner[1].replace("''", "'").rstrip() if inner else None
    word = text.partition("/")[0].strip()
    if word in ("T", "F"):
        return word == "T"
    if not _NUMBER.fullmatch(word):
        return None
    return int(word) if re.fullmatch(r"[+-]?[0-9]+", word) else float(word.replace("D", "E"))


def _count(header: Mapping[str, Value], name: str, most: int, default: int | None = None) -> int:
    value = header.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise CodecError(f"FITS header: {name} is {str(value)[:32]!r}, expected a whole number from 0 to {most}")
    return value


def _data_size(header: Mapping[str, Value]) -> int:
    """Return the length of the data after the first header, whole blocks."""
    axes = [_count(header, f"NAXIS{k}", 1 << 40) for k in range(1, _count(header, "NAXIS", 16) + 1)]
    bits = header.get("BITPIX")
    if bits not in (8, 16, 32, 64, -32, -64):
        raise CodecError(f"FITS header: BITPIX is {str(bits)[:32]!r}")
    size = abs(int(bits)) // 8 if axes else 0
    for axis in axes:
        size *= axis
    return -(-size // _BLOCK) * _BLOCK


def _read_columns(header: Mapping[str, Value], data: bytes | mmap, at: int) -> dict[str, AnyArray]:
    """Return the columns of numbers, views of the data."""
    width, rows = _count(header, "NAXIS1", 1 << 24), _count(header, "NAXIS2", 1 << 40)
    if (header.get("NAXIS"), header.get("BITPIX")) != (2, 8):
        raise CodecError("FITS binary table has other than two axes of bytes")
    if width * rows > len(data) - at:
        raise CodecError(f"FITS table of {rows} rows of {width} bytes where {max(0, len(data) - at)} bytes are left")
    forms, offset = [], 0.0
    for k in range(1, _count(header, "TFIELDS", _MAX_COLUMNS) + 1):
        repeat, letter = _form(header.get(f"TFORM{k}"), k)
        forms.append((str(header.get(f"TTYPE{k}", f"COL{k}")).upper(), repeat, letter, int(offset)))
        offset += -(-repeat * _WIDTH[letter] // 1)
        if letter in _DTYPE and (header.get(f"TSCAL{k}", 1) != 1 or header.get(f"TZERO{k}", 0) != 0):
            raise CodecError(f"FITS column {forms[-1][0][:32]!r} is scaled by TSCAL or TZERO: write it as it is")
    if offset != width:
        raise CodecError(f"FITS columns take {offset:.0f} bytes of a row, NAXIS1 says {width}")
    found: dict[str, AnyArray] = {}
    for name, repeat, letter, first in forms:
        if letter in _DTYPE and repeat and name not in found:
            kind = np.dtype(_DTYPE[letter])
            cells: AnyArray = np.empty((0, repeat), kind)
            if rows:
                cells = np.ndarray((rows, repeat), kind, data, at + first, (width, kind.itemsize))
            found[name] = cells
    return found


def _form(text: Value | None, k: int) -> tuple[int, str]:
    matched = _FORM.match(text) if isinstance(text, str) else None
    if matched is None or matched[2] not in _WIDTH:
        raise CodecError(f"FITS header: TFORM{k} is {str(text)[:32]!r}, no form of a column")
    repeat = int(matched[1] or 1)
    if repeat > _MAX_CELLS:
        raise CodecError(f"FITS header: TFORM{k} asks for {repeat} values in a row")
    return repeat, matched[2]
