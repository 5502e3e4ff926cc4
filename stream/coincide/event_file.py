"""The file of recent events: opened, begun anew where it is damaged, one transaction at a time.

**Durable** (WAL, ``synchronous = FULL``): what was put is on disk when the call returns, for a notice's place on Kafka
moves on then. At three notices a second the one fsync of each costs nothing.

**A file that is damaged** is set aside, which is logged, and begun anew; a disk that is full is an error of the call.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from stream import metrics
from stream.errors import StoreError

log = structlog.get_logger()
Found = TypeVar("Found")

_BUSY_S = 0.25
"""So long another process may hold the file, as someone who looks at it does: an alert waits for it."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REMEDY = "free the disk of external.store, make it writable, and let nobody else hold it"
_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS external (
    source TEXT NOT NULL, event_id TEXT NOT NULL, search TEXT NOT NULL, gps_ns INTEGER NOT NULL,
    written_ns INTEGER NOT NULL, retracted INTEGER NOT NULL, told TEXT NOT NULL, ranks TEXT NOT NULL,
    map_bytes INTEGER NOT NULL, map BLOB,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX IF NOT EXISTS external_time ON external (gps_ns);
CREATE INDEX IF NOT EXISTS external_written ON external (written_ns);
CREATE INDEX IF NOT EXISTS external_maps ON external (written_ns, map_bytes) WHERE map_bytes > 0;
CREATE TABLE IF NOT EXISTS superevent (
    superevent_id TEXT PRIMARY KEY, gps_ns INTEGER NOT NULL, written_ns INTEGER NOT NULL,
    far_hz REAL NOT NULL, kind TEXT NOT NULL, map BLOB
);
CREATE INDEX IF NOT EXISTS superevent_time ON superevent (gps_ns);
CREATE INDEX IF NOT EXISTS superevent_written ON superevent (written_ns);
"""


class BadRowError(sqlite3.DatabaseError):
    """SQLite has no checksums: what it reads may be no row of ours."""


class EventFile:
    """A file of SQLite with the tables of both kinds of events; calls come from any thread, one at a time is done.

    Parameters
    ----------
    path : Path or None
        Made with its folder if it is not there; None keeps everything in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close it."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def do(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        """Do something in one transaction; in a file begun anew, if it is damaged.

        Raises
        ------
        StoreError
            If the file cannot be read, or takes nothing.
        """
        with self._lock:
            try:
                try:
                    return self._once(work)
                except sqlite3.DatabaseError as error:
                    if not _is_damaged(error) or self._path is None:
                        raise
                    self._begin_anew(self._path, error)
                    return self._once(work)
            except (sqlite3.Error, OSError) as error:
                metrics.EXTERNAL_STORE_ERRORS.inc()
                raise StoreError(f"external.store={self._path}: {error}: {_REMEDY}") from error

    def _once(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        if self._open is None:
            self._open = _opened(self._path)
        with self._open:
            return work(self._open)

    def _begin_anew(self, path: Path, error: Exception) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        aside = path.with_name(path.name + ".damaged")
        path.replace(aside)
        metrics.EXTERNAL_STORE_ERRORS.inc()
        log.error(
            "external_store_set_aside", path=str(aside), error=str(error), remedy="look at it by hand",
            effect="events of other messengers that were heard before join no more",
        )  # fmt: skip


def _opened(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    file = sqlite3.connect(":memory:" if path is None else path, timeout=_BUSY_S, check_same_thread=False)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        (version,) = file.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.OperationalError(f"written by another version of Tocsin (form {version}, not {_VERSION})")
        file.executescript(_TABLES)
        file.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        file.close()
        raise
    return file


def _is_damaged(error: sqlite3.Error) -> bool:
    """Return whether an error is the file's; SQLite's code is the lowest byte."""
    return isinstance(error, BadRowError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
