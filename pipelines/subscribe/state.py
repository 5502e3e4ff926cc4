"""What a subscription remembers: which alerts it delivered, what each rule was told of, and its place at each source.

A delivery is written as one transaction: the alert is known again, its superevent's standing, who was told, what is to
be done about it, and the place behind it in Kafka's partition. Whoever is killed before finds nothing of it, reads the
alert again and delivers it; whoever is killed after finds all of it.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.subscribe.database import Database
from pipelines.subscribe.identity import Identity

KEPT_NS = 400 * 86_400 * 1_000_000_000
"""How long an alert is known again, and an event's retraction finds whoever was told of it: over a year."""
MOST_SEEN = 100_000
"""Most alerts, and most superevents, that are remembered; the oldest are forgotten first."""
MOST_DEAD = 10_000
"""Most dead letters; the oldest are forgotten first."""
_PRUNE_EVERY = 2_000

Partition = tuple[str, str, int]
"""A source's name, a topic, a partition."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a superevent stands: the place of its newest alert, and of the retraction that withdrew it, if one did."""

    newest: tuple[int, int]
    withdrawn: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """Something to be done about an alert: by which action; ``key`` is the same however often it is tried.

    ``lasts`` says that it is done though the event is withdrawn meanwhile, as where alerts are kept.
    """

    action: str
    key: str
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """All that is written of one message.

    Attributes
    ----------
    place : tuple of Partition and int, or None
        Where its source is to be read on from.
    identity : Identity or None
        None of a message that is no alert, or one that was known.
    rules : tuple of str
        Who is told.
    jobs : tuple of NewJob
    raw : bytes
        The message, where jobs need it.
    told : mapping
        What else they need, as JSON can hold it.
    """

    place: tuple[Partition, int] | None
    identity: Identity | None = None
    rules: tuple[str, ...] = ()
    jobs: tuple[NewJob, ...] = ()
    raw: bytes = b""
    told: Mapping[str, Any] = field(default_factory=dict)


class State:
    """The memory of one subscription.

    Parameters
    ----------
    database : Database
    most_waiting : int
        Most jobs that wait for one action; what comes beyond is a dead letter at once.
    """

    def __init__(self, database: Database, most_waiting: int = 10_000) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._pending: list[Accepted] = []
        self._known: set[str] = set()
        self._standing: dict[str, Standing] = {}
        self._told: dict[str, set[str]] = {}
        self._accepted = 0

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever delivered or read."""
        with self._database.reading() as run:
            return run.execute("SELECT 1 FROM place UNION ALL SELECT 1 FROM seen LIMIT 1").fetchone() is None

    def once(self, name: str) -> str:
        """Return a value drawn at random when it was first asked for, such as what tells two consumer groups apart."""
        with self._database.transaction() as run:
            run.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, uuid.uuid4().hex[:12]))
            return str(run.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def asks_anew(self, source: str, topics: Sequence[str]) -> frozenset[str]:
        """Return the topics of a source that were never asked for before; from now on they were."""
        names = {f"topic {source}:{topic}": topic for topic in topics}
        with self._database.transaction() as run:
            fresh = {
                name for name in names
                if run.execute("INSERT OR IGNORE INTO meta VALUES (?, '')", (name,)).rowcount
            }  # fmt: skip
        return frozenset(names[name] for name in fresh)

    def knows(self, key: str) -> bool:
        """Return whether an alert was delivered, or passed over, before."""
        if key in self._known:
            return True
        with self._database.reading() as run:
            return run.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone() is not None

    def standing(self, superevent_id: str) -> Standing | None:
        """Return how a superevent stands; None of one that is new."""
        if superevent_id in self._standing:
            return self._standing[superevent_id]
        with self._database.reading() as run:
            row = run.execute(
                "SELECT created_ns, revision, withdrawn_ns, withdrawn_revision FROM event WHERE superevent = ?",
                (superevent_id,),
            ).fetchone()
        if row is None:
            return None
        return Standing((row[0], row[1]), None if row[2] is None else (row[2], row[3]))

    def told(self, superevent_id: str) -> frozenset[str]:
        """Return which rules an event was delivered for."""
        with self._database.reading() as run:
            rows = run.execute("SELECT rule FROM told WHERE superevent = ?", (superevent_id,)).fetchall()
        return frozenset(row[0] for row in rows) | self._told.get(superevent_id, set())

    def told_actions(self, superevent_id: str) -> frozenset[str]:
        """Return which actions were told of an event, whatever rule named them then."""
        with self._database.reading() as run:
            rows = run.execute("SELECT action FROM told_action WHERE superevent = ?", (superevent_id,)).fetchall()
        pending = (a for a in self._pending if a.identity is not None and a.identity.superevent_id == superevent_id)
        return frozenset(row[0] for row in rows) | {job.action for accepted in pending for job in accepted.jobs}

    def places(self, source: str) -> dict[tuple[str, int], int]:
        """Return where a source is to be read on from, by topic and partition."""
        with self._database.reading() as run:
            rows = run.execute("SELECT topic, partition, next FROM place WHERE source = ?", (source,)).fetchall()
        return {(topic, partition): offset for topic, partition, offset in rows}

    def accept(self, accepted: Accepted) -> None:
        """Take what is to be written by the next :meth:`flush`; it is known from now on."""
        self._pending.append(accepted)
        identity = accepted.identity
        if identity is None:
            return
        self._known.add(identity.key)
        self._standing[identity.superevent_id] = _moved(self.standing(identity.superevent_id), identity)
        if accepted.rules:
            self._told.setdefault(identity.superevent_id, set()).update(accepted.rules)

    def flush(self, now_unix_ns: int) -> set[str]:
        """Write what was accepted, all of it or nothing; return the actions that have something to do.

        Raises
        ------
        StateError
            If the disk takes nothing.
        """
        if not self._pending:
            return set()
        with self._database.transaction() as run:
            waiting = _waiting(run) if any(_queues(accepted) for accepted in self._pending) else {}
            for accepted in self._pending:
                self._write(run, accepted, waiting, now_unix_ns)
            self._accepted += len(self._pending)
            if self._accepted >= _PRUNE_EVERY:
                self._accepted = 0
                _prune(run, now_unix_ns)
        busy = {job.action for accepted in self._pending for job in accepted.jobs}
        self._pending.clear()
        self._known.clear()
        self._standing.clear()
        self._told.clear()
        return busy

    def _write(self, run: sqlite3.Connection, accepted: Accepted, waiting: dict[str, int], now_ns: int) -> None:
        if accepted.place is not None:
            run.execute("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?)", (*accepted.place[0], accepted.place[1]))
        identity = accepted.identity
        if identity is None:
            return
        event = identity.superevent_id
        stands = self._standing[event]
        run.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (identity.key, now_ns))
        withdrawn = (None, None) if stands.withdrawn is None else stands.withdrawn
        run.execute(
            "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?)", (event, *stands.newest, *withdrawn, now_ns)
        )
        run.executemany("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", [(event, r, now_ns) for r in accepted.rules])
        if identity.is_retraction:
            for action in waiting.keys() - {job.action for job in accepted.jobs if job.lasts}:
                waiting[action] -= _withdraw(run, action, identity, now_ns)
        if accepted.jobs:
            self._write_jobs(run, accepted, identity, waiting, now_ns)

    def _write_jobs(
        self, run: sqlite3.Connection, accepted: Accepted, identity: Identity, waiting: dict[str, int], now_ns: int
    ) -> None:
        told = json.dumps(accepted.told)
        body = run.execute("INSERT INTO body (raw, told) VALUES (?, ?)", (accepted.raw, told)).lastrowid
        event = identity.superevent_id
        run.executemany("INSERT OR IGNORE INTO told_action VALUES (?, ?)", [(event, j.action) for j in accepted.jobs])
        for job in accepted.jobs:
            full = waiting.get(job.action, 0) >= self._most_waiting and not identity.is_retraction
            run.execute(
                "INSERT OR IGNORE INTO job"
                " (action, key, superevent, retraction, body, first_ns, next_ns, error, died_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job.action, job.key, event, identity.is_retraction, body, now_ns, now_ns,
                    f"{self._most_waiting} others waited for {job.action}" if full else "", now_ns if full else None,
                ),
            )  # fmt: skip
            waiting[job.action] = waiting.get(job.action, 0) + (not full)


def _moved(before: Standing | None, identity: Identity) -> Standing:
    """Return how an event stands after one more alert."""
    place = identity.place
    newest = place if before is None else max(before.newest, place)
    withdrawn = None if before is None else before.withdrawn
    if identity.is_retraction:
        return Standing(newest, place if withdrawn is None else max(withdrawn, place))
    return Standing(newest, None if withdrawn is not None and place > withdrawn else withdrawn)


def _queues(accepted: Accepted) -> bool:
    """Whether writing it changes what waits."""
    return bool(accepted.jobs) or (accepted.identity is not None and accepted.identity.is_retraction)


def _waiting(run: sqlite3.Connection) -> dict[str, int]:
    return dict(run.execute("SELECT action, COUNT(*) FROM job WHERE died_ns IS NULL GROUP BY action").fetchall())


def _withdraw(run: sqlite3.Connection, action: str, identity: Identity, now_ns: int) -> int:
    """Take out what waits of an event that is withdrawn: what was never tried goes, what was is not tried again."""
    of = (action, identity.superevent_id)
    where = "action = ? AND superevent = ? AND died_ns IS NULL AND retraction = 0"
    gone = run.execute(f"DELETE FROM job WHERE {where} AND attempts = 0", of).rowcount
    tried = run.execute(
        f"UPDATE job SET died_ns = ?, error = 'withdrawn before it was done' WHERE {where}", (now_ns, *of)
    ).rowcount
    if gone:
        run.execute("DELETE FROM body WHERE id NOT IN (SELECT body FROM job)")
    return gone + tried


def _prune(run: sqlite3.Connection, now_ns: int) -> None:
    """Forget the oldest, by age and by number."""
    before = now_ns - KEPT_NS
    for table in ("seen", "event"):
        run.execute(f"DELETE FROM {table} WHERE seen_ns < ?", (before,))
        surplus = run.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] - MOST_SEEN
        if surplus > 0:
            key = "key" if table == "seen" else "superevent"
            run.execute(
                f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} ORDER BY seen_ns LIMIT ?)", (surplus,)
            )
    for table in ("told", "told_action"):
        run.execute(f"DELETE FROM {table} WHERE superevent NOT IN (SELECT superevent FROM event)")
    surplus = run.execute("SELECT COUNT(*) FROM job WHERE died_ns IS NOT NULL").fetchone()[0] - MOST_DEAD
    if surplus > 0:
        run.execute(
            "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE died_ns IS NOT NULL ORDER BY id LIMIT ?)", (surplus,)
        )
        run.execute("DELETE FROM body WHERE id NOT IN (SELECT body FROM job)")
