"""What a subscription remembers: which alerts it delivered, what each rule was told of, and its place at each source.

A delivery is written as one transaction: the alert is known again, its superevent's standing, who was told, what is to
be done about it, and the place behind it in Kafka's partition. Whoever is killed before finds nothing of it, reads the
alert again and delivers it; whoever is killed after finds all of it. Where an action is given its job at once
(:mod:`pipelines.subscribe.hands`), who is told and the job are written first, the rest with what became of it.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.subscribe.accepted import Accepted
from pipelines.subscribe.database import Database
from pipelines.subscribe.hands import Hands
from pipelines.subscribe.identity import Identity
from pipelines.subscribe.queue import forget_messages
from pipelines.subscribe.queueing import Queueing, bury_orphans

KEPT_NS = 400 * 86_400 * 1_000_000_000
"""How long an alert is known again, and an event's retraction finds whoever was told of it: over a year."""
MOST_SEEN = 100_000
"""Most alerts, and most superevents, that are remembered; the oldest are forgotten first."""
MOST_DEAD = 10_000
"""Most dead letters; the oldest are forgotten first."""
_PRUNE_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a superevent stands: the place of its newest alert, and of the retraction that withdrew it, if one did."""

    newest: tuple[int, int]
    withdrawn: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Considered:
    """What was accepted, and how its event stands behind it."""

    accepted: Accepted
    stands: Standing | None = None


class State:
    """The memory of one subscription.

    Parameters
    ----------
    database : Database
    most_waiting : int
        Most jobs that wait for one action; what comes beyond is a dead letter at once.
    hands : mapping of str to Hands
        Of the actions that are given jobs at once.
    """

    def __init__(
        self, database: Database, most_waiting: int = 10_000, hands: Mapping[str, Hands] | None = None
    ) -> None:
        self._database = database
        self._queueing = Queueing(most_waiting, hands or {})
        self._pending: list[_Considered] = []
        self._begun: list[_Considered] = []
        self._known: set[str] = set()
        self._standing: dict[str, Standing | None] = {}
        self._told: dict[str, set[str]] = {}
        self._orphans: dict[str, set[str]] = {}
        self._accepted = 0

    @property
    def holds(self) -> bool:
        """Whether places wait for the next :meth:`flush`, for their alerts were only begun."""
        return bool(self._begun)

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
        if superevent_id not in self._standing:
            with self._database.reading() as run:
                row = run.execute(
                    "SELECT created_ns, revision, withdrawn_ns, withdrawn_revision FROM event WHERE superevent = ?",
                    (superevent_id,),
                ).fetchone()
            self._standing[superevent_id] = None if row is None else _standing_of(*row)
        return self._standing[superevent_id]

    def told(self, superevent_id: str) -> frozenset[str]:
        """Return which rules an event was delivered for."""
        with self._database.reading() as run:
            rows = run.execute("SELECT rule FROM told WHERE superevent = ?", (superevent_id,)).fetchall()
        return frozenset(row[0] for row in rows) | self._told.get(superevent_id, set())

    def told_actions(self, superevent_id: str) -> frozenset[str]:
        """Return which actions were told of an event, whatever rule named them then."""
        with self._database.reading() as run:
            rows = run.execute("SELECT action FROM told_action WHERE superevent = ?", (superevent_id,)).fetchall()
        pending = (one.accepted for one in self._pending)
        of_event = (a for a in pending if a.identity is not None and a.identity.superevent_id == superevent_id)
        return frozenset(row[0] for row in rows) | {job.action for accepted in of_event for job in accepted.jobs}

    def places(self, source: str) -> dict[tuple[str, int], int]:
        """Return where a source is to be read on from, by topic and partition."""
        with self._database.reading() as run:
            rows = run.execute("SELECT topic, partition, next FROM place WHERE source = ?", (source,)).fetchall()
        return {(topic, partition): offset for topic, partition, offset in rows}

    def accept(self, accepted: Accepted) -> None:
        """Take what is to be written by the next :meth:`flush`; it is known from now on."""
        identity = accepted.identity
        if identity is None:
            self._pending.append(_Considered(accepted))
            return
        self._known.add(identity.key)
        stands = _moved(self.standing(identity.superevent_id), identity)
        self._standing[identity.superevent_id] = stands
        self._pending.append(_Considered(accepted, stands))
        if accepted.rules:
            self._told.setdefault(identity.superevent_id, set()).update(accepted.rules)

    def flush(self, now_unix_ns: int, at_once: bool = True) -> set[str]:
        """Write what was accepted, all of it or nothing; return the actions that have something to do.

        What an action is given at once is only begun by this: its place is written by the next one.

        Parameters
        ----------
        now_unix_ns : int
        at_once : bool
            False at the end: all that is to be done is queued, and nothing left begun.

        Raises
        ------
        StateError
            If the disk takes nothing.
        """
        if not (self._pending or self._begun or self._queueing.is_unsettled):
            return set()
        pending = [one.accepted for one in self._pending]
        with self._database.alone():  # no action fails between what is looked at and what it is given
            with self._database.transaction() as run:
                begun = self._write(run, pending, now_unix_ns, at_once)
            busy = self._queueing.committed() | {job.action for accepted in pending for job in accepted.jobs}
        self._pending, self._begun = [], begun
        self._forget_what_is_written()
        return busy

    def _write(
        self, run: sqlite3.Connection, pending: Sequence[Accepted], now_unix_ns: int, at_once: bool
    ) -> list[_Considered]:
        """Write all; return what only was begun."""
        self._queueing.settle(run)
        _write_known(run, self._begun, now_unix_ns)
        self._accepted += len(self._pending)
        if self._accepted >= _PRUNE_EVERY:
            self._accepted = 0
            _prune(run, now_unix_ns)
        _write_told(run, pending, now_unix_ns)
        self._queueing.write(run, pending, now_unix_ns, at_once)
        if self._queueing.has_given:
            return self._pending
        _write_known(run, self._pending, now_unix_ns)
        return []

    def _forget_what_is_written(self) -> None:
        """Keep in memory what only was begun."""
        known = [(one.accepted.identity, one.stands) for one in self._begun if one.accepted.identity is not None]
        self._known = {identity.key for identity, _ in known}
        self._standing = {identity.superevent_id: stands for identity, stands in known}
        self._told.clear()

    def bury_orphans(self, now_unix_ns: int) -> None:
        """Make dead letters of what a process that was killed had begun, until it is read again."""
        with self._database.transaction() as run:
            self._orphans = bury_orphans(run, now_unix_ns)

    def begun(self, key: str) -> frozenset[str]:
        """Return the actions that had begun an alert when a process was killed, and are yet to be given it again."""
        return frozenset(self._orphans.get(key, ()))


def _write_told(run: sqlite3.Connection, pending: Sequence[Accepted], now_ns: int) -> None:
    """Write who is told of an event: for which rules, by which actions."""
    of = [(one.identity.superevent_id, one) for one in pending if one.identity is not None]
    told = {(event, rule, now_ns) for event, one in of for rule in one.rules}
    run.executemany("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", told)
    actions = {(event, job.action) for event, one in of for job in one.jobs}
    run.executemany("INSERT OR IGNORE INTO told_action VALUES (?, ?)", actions)


def _write_known(run: sqlite3.Connection, done: Sequence[_Considered], now_ns: int) -> None:
    """Write which alerts are known, how their events stand, and where their sources are read on from."""
    places = dict(one.accepted.place for one in done if one.accepted.place is not None)
    run.executemany(
        "INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?)", [(*partition, at) for partition, at in places.items()]
    )
    known = [(one.accepted.identity, one.stands) for one in done if one.accepted.identity is not None]
    run.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", [(identity.key, now_ns) for identity, _ in known])
    stands = {identity.superevent_id: standing for identity, standing in known}
    run.executemany(
        "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?)",
        [(event, *one.newest, *(one.withdrawn or (None, None)), now_ns) for event, one in stands.items() if one],
    )


def _moved(before: Standing | None, identity: Identity) -> Standing:
    """Return how an event stands after one more alert."""
    place = identity.place
    newest = place if before is None else max(before.newest, place)
    withdrawn = None if before is None else before.withdrawn
    if identity.is_retraction:
        return Standing(newest, place if withdrawn is None else max(withdrawn, place))
    return Standing(newest, None if withdrawn is not None and place > withdrawn else withdrawn)


def _standing_of(created_ns: int, revision: int, withdrawn_ns: int | None, withdrawn_revision: int) -> Standing:
    return Standing((created_ns, revision), None if withdrawn_ns is None else (withdrawn_ns, withdrawn_revision))


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
    known = "SELECT superevent FROM event UNION SELECT superevent FROM job"  # what was begun is told before it is known
    for table in ("told", "told_action"):
        run.execute(f"DELETE FROM {table} WHERE superevent NOT IN ({known})")
    surplus = run.execute("SELECT COUNT(*) FROM job WHERE died_ns IS NOT NULL").fetchone()[0] - MOST_DEAD
    if surplus > 0:
        run.execute(
            "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE died_ns IS NOT NULL ORDER BY id LIMIT ?)", (surplus,)
        )
        forget_messages(run)
