"""How large, deep and many: the bounds within which a stranger's message is read, stated in one place.

They lie well above what honest senders need: an alert with two sky maps is 1.5 MB, its schema 4 kB of 50 nodes; a
strain block of 4 s at 65536 Hz is 2 MiB.
"""

from __future__ import annotations

from stream.errors import CodecError

_MIB = 1 << 20
MAX_BYTES = {
    "alert": 8 * _MIB,
    "strain": 8 * _MIB,
    "witness": 8 * _MIB,
    "external": 8 * _MIB,
    "heartbeat": _MIB,
    "decision": 1 << 16,
}
"""Longest message of a kind, in bytes, compressed or not."""

MAX_SCHEMA_BYTES = 1 << 16
"""Longest text of a schema that came with a message or from a registry."""
MAX_DEPTH = 16
"""Deepest nesting of a schema, and of a JSON text."""
MAX_NODES = 2000
"""Most nodes of a schema, with every name written out."""
MAX_ITEMS = 200_000
"""Most values in all arrays and maps of a record, and in a JSON text."""

MAX_BLOCKS = 1024
"""Most blocks in one message, of those formats that hold several."""

MAX_SKYMAP_BYTES = {"message": 32 * _MIB, "file": 512 * _MIB}
"""Longest sky map, once expanded: of one that came in a message, and of a file that a person named, such as LVK's
flat maps of 12 582 912 pixels, 384 MiB."""
MAX_PIXELS = 12 << 20
"""Most pixels of a sky map, after a flat one has been made multi-order."""
MAX_FLAT_ORDER = 13
"""Finest order of a flat sky map: 805 million pixels, read a part at a time."""


def check_size(kind: str, payload: bytes) -> None:
    """Refuse a message that is longer than its kind may be.

    Raises
    ------
    CodecError
        Naming kind, size and limit.
    """
    if len(payload) > MAX_BYTES[kind]:
        raise CodecError(f"{kind} message of {len(payload)} bytes: at most {MAX_BYTES[kind]} are read; send less")
