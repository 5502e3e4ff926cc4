"""The recent events of both kinds, in a file of SQLite: what comes hours late still finds what it coincides with.

Of each external event there is one row, with what all of its notices tell (:mod:`stream.coincide.account`); of each
superevent one, with what its last alert says. Where it stands: ``ExternalEvent, GwEvent ─store→ coincidences``.

**Durable** (WAL, ``synchronous = FULL``): what was put is on disk when the call returns, for a notice's place on Kafka
moves on then. At three notices a second the one fsync of each costs nothing.

**Bounded.** Rows go ``keep_days`` after they were last written, by our own clock: what a stranger states of his times
decides nothing. Besides, there are at most so many of each kind, and so many bytes of maps; the oldest goes first. In
memory there is SQLite's page cache alone, 2 MB.

**A file that is damaged** is set aside, which is logged, and begun anew; a disk that is full is an error of the call.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import structlog

from stream import metrics
from stream.coincide.account import Account, with_notice
from stream.errors import StoreError
from stream.records import ExternalEvent, GwEvent
from stream.timebase import NS_PER_S, Clock

log = structlog.get_logger()
Found = TypeVar("Found")
May = Callable[[str, str, int], bool]

MOST_EXTERNAL = 200_000
"""At 10 000 notices an hour, each of another event, 20 hours."""
MOST_SUPEREVENTS = 4096
MOST_MAP_BYTES = 1 << 30
_PRUNE_EVERY = 64
_BUSY_S = 0.25
"""So long another process may hold the file, as someone who looks at it does: an alert waits for it."""
_DAY_NS = 86_400 * NS_PER_S
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


class _BadRowError(sqlite3.DatabaseError):
    """SQLite has no checksums: what it reads may be no row of ours."""


class Store:
    """Recent events; calls come from any thread.

    Parameters
    ----------
    path : Path or None
        The file, made with its folder if it is not there; None keeps everything in memory, as a replay does.
    keep_days : float
        So long a row stays after it was last written.
    clock : Clock, optional
        Says when; without one rows go by their number alone.
    """

    def __init__(self, path: Path | None, keep_days: float = 7.0, clock: Clock | None = None) -> None:
        self._path = path
        self._keep_ns = round(keep_days * _DAY_NS)
        self._clock = clock
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._writes = 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def put_external(self, notice: ExternalEvent) -> tuple[ExternalEvent | None, ExternalEvent]:
        """Take a notice; return its event as it was known before, or None, and as it is now, both without the map.

        Raises
        ------
        StoreError
            If the file takes nothing.
        """

        def work(file: sqlite3.Connection) -> tuple[ExternalEvent | None, ExternalEvent]:
            key = (notice.source, notice.event_id)
            row = file.execute(
                "SELECT told, ranks, retracted, map FROM external WHERE source = ? AND event_id = ?", key
            ).fetchone()
            before = None if row is None else _account(*row)
            now = with_notice(before, notice)
            skymap = now.event.skymap
            file.execute(
                "INSERT OR REPLACE INTO external VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *key, now.event.search, now.event.gps_ns, self._now_ns(), now.retracted, _told(now.event),
                    json.dumps(now.ranks), 0 if skymap is None else len(skymap), skymap,
                ),
            )  # fmt: skip
            self._prune(file)
            return None if before is None else replace(before.event, skymap=None), replace(now.event, skymap=None)

        return self._do(work)

    def put_gw(self, gw: GwEvent) -> None:
        """Take what a superevent's alert says.

        Raises
        ------
        StoreError
            If the file takes nothing.
        """
        self._put_gws([gw], "REPLACE")

    def know_gws(self, gws: Iterable[GwEvent]) -> None:
        """Take superevents of before, as far as they are not known: what is known has its map.

        Raises
        ------
        StoreError
            If the file takes nothing.
        """
        self._put_gws(gws, "IGNORE")

    def _put_gws(self, gws: Iterable[GwEvent], otherwise: str) -> None:
        def work(file: sqlite3.Connection) -> None:
            now_ns = self._now_ns()
            rows = [(g.superevent_id, g.gps_ns, now_ns, g.far_hz, g.group, g.skymap_fits) for g in gws]
            file.executemany(f"INSERT OR {otherwise} INTO superevent VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._prune(file)

        self._do(work)

    def externals_between(self, low_ns: int, high_ns: int, may: May = lambda *_: True) -> tuple[ExternalEvent, ...]:
        """Return the external events of a stretch of time that were not taken back, without their maps.

        Parameters
        ----------
        low_ns, high_ns : int
            GPS; both belong to it.
        may : callable
            Told source, search and time of each, says whether it is wanted: what is not is not read.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = (
            "SELECT source, search, gps_ns, told FROM external WHERE gps_ns BETWEEN ? AND ? AND NOT retracted "
            "ORDER BY gps_ns, source, event_id"
        )

        def work(file: sqlite3.Connection) -> tuple[ExternalEvent, ...]:
            rows = file.execute(query, (low_ns, high_ns))
            return tuple(_event(told, None) for *of, told in rows if may(*of))

        return self._do(work)

    def with_map(self, external: ExternalEvent) -> ExternalEvent:
        """Return an external event with its map, if it has one.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = "SELECT map FROM external WHERE source = ? AND event_id = ?"
        row = self._do(lambda file: file.execute(query, (external.source, external.event_id)).fetchone())
        return external if row is None else replace(external, skymap=row[0])

    def knows(self, source: str, event_id: str) -> bool:
        """Return whether a notice of an external event is known, be it one that takes it back.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = "SELECT 1 FROM external WHERE source = ? AND event_id = ?"
        return self._do(lambda file: file.execute(query, (source, event_id)).fetchone()) is not None

    def gws_between(self, low_ns: int, high_ns: int) -> tuple[GwEvent, ...]:
        """Return the superevents of a stretch of time.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = (
            "SELECT superevent_id, gps_ns, far_hz, kind, map FROM superevent WHERE gps_ns BETWEEN ? AND ? "
            "ORDER BY gps_ns, superevent_id"
        )
        return self._do(lambda file: tuple(GwEvent(*row) for row in file.execute(query, (low_ns, high_ns))))

    def count(self) -> tuple[int, int]:
        """Return how many external events and superevents there are.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = "SELECT (SELECT COUNT(*) FROM external), (SELECT COUNT(*) FROM superevent)"
        external, gws = self._do(lambda file: file.execute(query).fetchone())
        return external, gws

    # -- the file -----------------------------------------------------------------------------------------------

    def _now_ns(self) -> int:
        return 0 if self._clock is None else self._clock.now_ns()

    def _do(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        """Do something in one transaction; in a file begun anew, if it is damaged."""
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

    def _prune(self, file: sqlite3.Connection) -> None:
        """Let the oldest go, once in a while."""
        self._writes += 1
        if self._writes % _PRUNE_EVERY:
            return
        for table, most in (("external", MOST_EXTERNAL), ("superevent", MOST_SUPEREVENTS)):
            if self._clock is not None:
                file.execute(f"DELETE FROM {table} WHERE written_ns < ?", (self._now_ns() - self._keep_ns,))
            file.execute(
                f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} ORDER BY written_ns DESC, rowid DESC "
                "LIMIT -1 OFFSET ?)",
                (most,),
            )
        file.execute(
            "UPDATE external SET map = NULL, map_bytes = 0 WHERE rowid IN (SELECT row FROM (SELECT rowid AS row, "
            "SUM(map_bytes) OVER (ORDER BY written_ns DESC, rowid DESC) AS held FROM external WHERE map_bytes > 0) "
            "WHERE held > ?)",
            (MOST_MAP_BYTES,),
        )


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
    return isinstance(error, _BadRowError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _told(event: ExternalEvent) -> str:
    """Return all of an event but what is large."""
    return json.dumps({k: v for k, v in asdict(replace(event, skymap=None)).items() if k not in ("raw", "skymap")})


def _event(told: str, skymap: bytes | None) -> ExternalEvent:
    try:
        values = json.loads(told)
        corners = tuple((ra, dec) for ra, dec in values["corners_deg"])
        return ExternalEvent(**{**values, "names": tuple(values["names"]), "corners_deg": corners, "skymap": skymap})
    except (ValueError, TypeError, KeyError) as error:
        raise _BadRowError(f"a row cannot be read: {error!r}") from error


def _account(told: str, ranks: str, retracted: int, skymap: bytes | None) -> Account:
    event = _event(told, skymap)
    try:
        known = {part: (issued, number, received) for part, (issued, number, received) in json.loads(ranks).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise _BadRowError(f"a row cannot be read: {error!r}") from error
    return Account(event, known, bool(retracted))
