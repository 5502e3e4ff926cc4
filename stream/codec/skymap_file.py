"""A sky map's file of any length: what does not fit the memory is looked at on the disk, a part at a time.

LVK's flat maps of order 11 have 50 million pixels, 1.6 GB, and are 13 000 different ones.
"""

from __future__ import annotations

import mmap
import tempfile
import zlib
from pathlib import Path
from typing import IO

from stream.codec.fits_table import GZIP_MAGIC
from stream.codec.limits import MAX_SKYMAP_BYTES
from stream.codec.skymap import decode_skymap
from stream.errors import CodecError
from stream.records import SkyMap

_MOST_ON_DISK = 32 << 30
_PIECE = 1 << 20
_GZIP_WINDOW = 31


def open_skymap(path: Path, in_memory: int = MAX_SKYMAP_BYTES["file"]) -> SkyMap:
    """Return the sky map of a FITS file that a person named, gzipped or not.

    Parameters
    ----------
    path : Path
    in_memory : int
        Up to this length a file is read at once. A gzip is expanded into a temporary file.

    Raises
    ------
    CodecError
        As :func:`stream.codec.skymap.decode_skymap`.
    """
    with path.open("rb") as file:
        if file.read(len(GZIP_MAGIC)) == GZIP_MAGIC:
            file.seek(0)
            with tempfile.TemporaryFile() as expanded:
                _expand(file, expanded)
                return decode_skymap(mmap.mmap(expanded.fileno(), 0, access=mmap.ACCESS_READ), _MOST_ON_DISK)
        if path.stat().st_size <= in_memory:
            file.seek(0)
            return decode_skymap(file.read(), in_memory)
        return decode_skymap(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), _MOST_ON_DISK)


def _expand(packed: IO[bytes], expanded: IO[bytes]) -> None:
    """Expand a gzip, and nothing after it, a piece at a time; what is expanded has at least one byte."""
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    rest, written = b"", 0
    while not inflater.eof:
        rest = rest or packed.read(_PIECE)
        try:
            piece = inflater.decompress(rest, 16 * _PIECE)
        except zlib.error as error:
            raise CodecError(f"gzip is damaged after {written} expanded bytes: {error}") from error
        if not rest and not piece and not inflater.eof:
            raise CodecError(f"gzip ends too early, after {written} expanded bytes")
        rest = inflater.unconsumed_tail
        written += expanded.write(piece)
        if written > _MOST_ON_DISK:
            raise CodecError(f"gzip expands to more than {_MOST_ON_DISK} bytes")
    if inflater.unused_data or packed.read(1):
        raise CodecError("bytes follow the end of the gzip")
    if written == 0:
        raise CodecError("gzip holds nothing")
    expanded.flush()
