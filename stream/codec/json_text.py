"""JSON of strangers: read within stated bounds of size, depth and number of values."""

from __future__ import annotations

import json
from typing import Any

from stream.codec.limits import MAX_DEPTH, MAX_ITEMS
from stream.errors import CodecError

_BRACKETS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_MAX_DIGITS = 40


def bounded_json(raw: bytes, max_bytes: int) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises
    ------
    CodecError
        If it is too long, too deep or of too many values, not UTF-8, no JSON, names a key twice, or holds NaN, an
        infinity or an integer of more than 40 digits.
    """
    if len(raw) > max_bytes:
        raise CodecError(f"{len(raw)} bytes of JSON: at most {max_bytes} are read")
    _check_shape(raw)
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{len(raw)} bytes are no JSON in UTF-8: {error}") from error


def _check_shape(raw: bytes) -> None:
    """Count brackets and commas outside of strings, before the parser makes an object of each."""
    if b"[" not in raw and b"{" not in raw:
        return  # one value
    # Without escaped backslashes and escaped quotes, every second piece between quotes is text.
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * MAX_ITEMS:
        raise CodecError(f"JSON of more than {2 * MAX_ITEMS} strings")
    outside = b"".join(bare.split(b'"')[::2])
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > MAX_ITEMS:
        raise CodecError(f"JSON of more than {MAX_ITEMS} values")
    depth = 0
    for byte in outside.translate(None, _NO_BRACKET):
        depth += _BRACKETS[byte]
        if depth > MAX_DEPTH:
            raise CodecError(f"JSON nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer)
"""Made once: alerts have some twenty headers each, and a start reads thousands of alerts."""
