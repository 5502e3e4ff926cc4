"""Notices in files and folders, each file one message; gzipped ones are expanded, within a bound."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog

from pipelines.sources.message import SourceMessage
from stream.codec.limits import MAX_BYTES
from stream.errors import ConfigurationError
from stream.text import clean
from stream.timebase import Clock

log = structlog.get_logger()
_MOST = 32
_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_BOUND = MAX_BYTES["external"] + 1
"""One byte more than a notice may have: whoever reads it sees that it is too long."""


class FileSource:
    """Hand out files once, in the order of their names; a folder stands for all in it, hidden ones apart.

    Parameters
    ----------
    paths : iterable of Path
    clock : Clock

    Raises
    ------
    ConfigurationError
        If one is not there.
    """

    name = "files"

    def __init__(self, paths: Iterable[Path], clock: Clock) -> None:
        self._clock = clock
        paths = list(paths)
        for path in paths:
            if not path.exists():
                raise ConfigurationError(f"--files {path}: there is no such file or folder")
        self._left = iter(list(_walk(paths)))  # now: a file that is made meanwhile is none of them
        self.ended = False
        self.unread = 0

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        """Return the next files; none are left once it returns none."""
        found: list[SourceMessage] = []
        for path in self._left:
            payload = self._read(path)
            if payload is not None:
                found.append(SourceMessage(payload, self.name, "", clean(str(path)), self._clock.now_ns()))
            if len(found) == _MOST:
                return found
        self.ended = True
        return found

    def _read(self, path: Path) -> bytes | None:
        try:
            with path.open("rb") as file:
                payload = file.read(_BOUND)
        except OSError as error:
            self.unread += 1
            log.warning("file_not_read", file=clean(str(path)), error=error.strerror)
            return None
        return _expanded(payload) if payload[:2] == _GZIP_MAGIC else payload

    def hold(self) -> None:
        """Nothing to keep alive."""

    def done(self, messages: Sequence[SourceMessage]) -> None:
        """Files stay where they are."""

    def close(self) -> None:
        """Nothing is open."""
        self._left = iter(())


def _walk(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = (p for p in path.rglob("*") if not any(part.startswith(".") for part in p.relative_to(path).parts))
        yield from sorted(p for p in inside if p.is_file())


def _expanded(payload: bytes) -> bytes:
    """Return what was gzipped, no more than the bound of it; as it is where it is damaged, for the reader to refuse."""
    try:
        return zlib.decompressobj(_GZIP).decompress(payload, _BOUND)
    except zlib.error:
        return payload
