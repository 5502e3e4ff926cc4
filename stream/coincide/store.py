"""The recent events of both kinds, in a file of SQLite: what comes hours late still finds what it coincides with.

Of each external event there is one row, with what all of its notices tell (:mod:`stream.coincide.account`); of each
superevent one, with what its last alert says. Where it stands: ``ExternalEvent, GwEvent ─store→ coincidences``.

**Bounded.** Rows go ``keep_days`` after they were last written, by our own clock: what a stranger states of his times
decides nothing. Besides, there are at most so many of each kind, and so many bytes of maps; the oldest goes first. In
memory there is SQLite's page cache alone, 2 MB.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from stream.coincide.account import Account, with_notice
from stream.coincide.event_file import BadRowError, EventFile
from stream.records import ExternalEvent, GwEvent
from stream.timebase import NS_PER_S, Clock

May = Callable[[str, str, int], bool]

MOST_EXTERNAL = 200_000
"""At 10 000 notices an hour, each of another event, 20 hours."""
MOST_SUPEREVENTS = 4096
MOST_READ = 1000
"""Of the external events in a window, nearest first."""
MOST_MAP_BYTES = 1 << 30
_PRUNE_EVERY = 64
_DAY_NS = 86_400 * NS_PER_S


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
        self._file = EventFile(path)
        self._keep_ns = round(keep_days * _DAY_NS)
        self._clock = clock
        self._writes = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

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

        return self._file.do(work)

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

        self._file.do(work)

    def externals_between(self, low_ns: int, high_ns: int) -> tuple[ExternalEvent, ...]:
        """Return the external events of a stretch of time that were not taken back, without their maps.

        Parameters
        ----------
        low_ns, high_ns : int
            GPS; both belong to it.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = (
            "SELECT told FROM external WHERE gps_ns BETWEEN ? AND ? AND NOT retracted ORDER BY gps_ns, source, event_id"
        )

        def work(file: sqlite3.Connection) -> tuple[ExternalEvent, ...]:
            rows = file.execute(query, (low_ns, high_ns))
            return tuple(_event(told, None) for (told,) in rows)

        return self._file.do(work)

    def externals_near(
        self, gps_ns: int, window_ns: tuple[int, int], may: May, is_wanted: Callable[[ExternalEvent], bool], most: int
    ) -> tuple[ExternalEvent, ...]:
        """Return the external events nearest to a time, at most so many, as :meth:`externals_between` has them.

        However many there are, no more than :data:`MOST_READ` are read: an alert waits for this.

        Parameters
        ----------
        gps_ns : int
            GPS.
        window_ns : (int, int)
            In which differences from ``gps_ns`` they lie.
        may : callable
            Told source, search and time of each, says whether it may be wanted: what is not is not read.
        is_wanted : callable
            Asked of those that are read.
        most : int

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = (
            "SELECT rowid, source, search, gps_ns FROM external WHERE gps_ns BETWEEN ? AND ? AND NOT retracted "
            "ORDER BY abs(gps_ns - ?), source, event_id"
        )

        def work(file: sqlite3.Connection) -> tuple[ExternalEvent, ...]:
            found: list[ExternalEvent] = []
            rows = file.execute(query, (gps_ns + window_ns[0], gps_ns + window_ns[1], gps_ns))
            for rowid, *_ in islice((row for row in rows if may(*row[1:])), MOST_READ):
                (told,) = file.execute("SELECT told FROM external WHERE rowid = ?", (rowid,)).fetchone()
                event = _event(told, None)
                if is_wanted(event):
                    found.append(event)
                if len(found) == most:
                    break
            return tuple(found)

        return self._file.do(work)

    def with_map(self, external: ExternalEvent) -> ExternalEvent:
        """Return an external event with its map, if it has one.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = "SELECT map FROM external WHERE source = ? AND event_id = ?"
        row = self._file.do(lambda file: file.execute(query, (external.source, external.event_id)).fetchone())
        return external if row is None else replace(external, skymap=row[0])

    def knows(self, source: str, event_id: str) -> bool:
        """Return whether a notice of an external event is known, be it one that takes it back.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = "SELECT 1 FROM external WHERE source = ? AND event_id = ?"
        return self._file.do(lambda file: file.execute(query, (source, event_id)).fetchone()) is not None

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
        return self._file.do(lambda file: tuple(GwEvent(*row) for row in file.execute(query, (low_ns, high_ns))))

    def count(self) -> tuple[int, int]:
        """Return how many external events and superevents there are.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        query = "SELECT (SELECT COUNT(*) FROM external), (SELECT COUNT(*) FROM superevent)"
        external, gws = self._file.do(lambda file: file.execute(query).fetchone())
        return external, gws

    def _now_ns(self) -> int:
        return 0 if self._clock is None else self._clock.now_ns()

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


def _told(event: ExternalEvent) -> str:
    """Return all of an event but what is large."""
    return json.dumps({k: v for k, v in asdict(replace(event, skymap=None)).items() if k not in ("raw", "skymap")})


def _event(told: str, skymap: bytes | None) -> ExternalEvent:
    try:
        values = json.loads(told)
        corners = tuple((ra, dec) for ra, dec in values["corners_deg"])
        return ExternalEvent(**{**values, "names": tuple(values["names"]), "corners_deg": corners, "skymap": skymap})
    except (ValueError, TypeError, KeyError) as error:
        raise BadRowError(f"a row cannot be read: {error!r}") from error


def _account(told: str, ranks: str, retracted: int, skymap: bytes | None) -> Account:
    event = _event(told, skymap)
    try:
        known = {part: (issued, number, received) for part, (issued, number, received) in json.loads(ranks).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise BadRowError(f"a row cannot be read: {error!r}") from error
    return Account(event, known, bool(retracted))
