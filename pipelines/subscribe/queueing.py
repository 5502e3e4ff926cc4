"""Jobs on their way into the state file: given to their action at once, or queued with their message.

Called within the transaction that a subscription's state is written in; see :mod:`pipelines.subscribe.hands`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.subscribe.accepted import Accepted, NewJob
from pipelines.subscribe.hands import Hands, weight
from pipelines.subscribe.identity import Identity
from pipelines.subscribe.queue import NO_BODY, Job, forget, forget_messages, not_begun

_ORPHAN = "begun when the process ended, and its message was not read again"


@dataclass(frozen=True, slots=True)
class _Given:
    job: Job
    accepted: Accepted


class Queueing:
    """Write jobs.

    Parameters
    ----------
    most_waiting : int
        Most that wait for one action; what comes beyond is a dead letter at once.
    hands : mapping of str to Hands
        Of the actions that may be given jobs at once.
    """

    def __init__(self, most_waiting: int, hands: Mapping[str, Hands]) -> None:
        self._most_waiting = most_waiting
        self._hands = hands
        self._waiting: dict[str, int] = {}
        self._last = 0
        self._given: list[_Given] = []
        self._before: list[_Given] = []
        self._finished: dict[str, list[Job]] = {}
        self._queued: set[str] = set()

    @property
    def has_given(self) -> bool:
        """Whether something was given in this transaction."""
        return bool(self._given)

    @property
    def is_unsettled(self) -> bool:
        """Whether something was done that the file does not know of."""
        return any(hands.finished for hands in self._hands.values())

    def settle(self, run: sqlite3.Connection) -> None:
        """Forget what is done of what was given; of the rest, keep the message."""
        self._given, self._queued = [], set()  # of a transaction that came to nothing
        self._finished = {name: hands.finished for name, hands in self._hands.items()}
        done = {job.id for jobs in self._finished.values() for job in jobs}
        short = done & {given.job.id for given in self._before}
        run.executemany("DELETE FROM job WHERE id = ? AND body = ?", [(number, NO_BODY) for number in short])
        for number in done - short:
            forget(run, number)
        bodies: dict[str, int] = {}
        for given in self._before:
            if given.job.id not in done:
                self._keep(run, given, bodies)

    def _keep(self, run: sqlite3.Connection, given: _Given, bodies: dict[str, int]) -> None:
        """Keep the message of a job that was given; one for all actions."""
        of = (given.job.id, NO_BODY)
        if run.execute("SELECT 1 FROM job WHERE id = ? AND body = ?", of).fetchone() is None:
            return  # withdrawn
        key = given.job.key
        if key not in bodies:
            bodies[key] = _body(run, given.accepted)
        run.execute("UPDATE job SET body = ? WHERE id = ?", (bodies[key], given.job.id))
        self._queued.add(given.job.action)

    def write(self, run: sqlite3.Connection, pending: Sequence[Accepted], now_ns: int, at_once: bool) -> None:
        """Write what is to be done: all is given, or all is queued.

        What is queued beside what is given would be done by who comes after a kill, and again when its alert is read.

        Parameters
        ----------
        run : sqlite3.Connection
        pending : sequence of Accepted
        now_ns : int
        at_once : bool
            Whether actions may be given jobs; else all are queued.
        """
        ahead: Counter[str] = Counter()
        for accepted in pending:
            ahead.update({job.action: weight(accepted.raw) for job in accepted.jobs})
        at_once = at_once and all(self._is_able(run, action, more) for action, more in ahead.items())
        for accepted in pending:
            identity, body = accepted.identity, None
            if identity is None:
                continue
            if identity.is_retraction:
                self._withdraw(run, identity, {job.action for job in accepted.jobs if job.lasts}, now_ns)
            for job in accepted.jobs:
                if at_once:
                    self._give(run, job, accepted, identity, now_ns)
                else:
                    body = _body(run, accepted) if body is None else body
                    self._queue(run, job, identity, body, now_ns)

    def _is_able(self, run: sqlite3.Connection, action: str, more_bytes: int) -> bool:
        """Whether an action has room, and has done all that waits in the file: an event's alerts keep their order."""
        if action not in self._hands or not self._hands[action].has_room(more_bytes):
            return False
        if not any(run.execute("SELECT 1 FROM body WHERE id = ?", (NO_BODY,))):
            run.execute("INSERT INTO body VALUES (?, x'', '')", (NO_BODY,))
        given = self._hands[action].ids()
        waiting = run.execute(
            "SELECT id FROM job WHERE action = ? AND died_ns IS NULL AND body != ? LIMIT ?",
            (action, NO_BODY, len(given) + 1),
        )
        return given.issuperset(number for (number,) in waiting)

    def _give(self, run: sqlite3.Connection, job: NewJob, accepted: Accepted, identity: Identity, now_ns: int) -> None:
        if self._insert(run, job, identity, now_ns, NO_BODY):
            [attempt] = run.execute("SELECT attempts FROM job WHERE id = ?", (self._last,)).fetchone()
            given = Job(
                self._last, job.action, job.key, identity.superevent_id, attempt, accepted.raw, dict(accepted.told),
                now_ns, identity.is_retraction, accepted.alert,
            )  # fmt: skip
            self._given.append(_Given(given, accepted))

    def _queue(self, run: sqlite3.Connection, job: NewJob, identity: Identity, body: int, now_ns: int) -> None:
        full = not identity.is_retraction and self._is_full(run, job.action)
        error = f"{self._most_waiting} others waited for {job.action}" if full else ""
        self._insert(run, job, identity, now_ns, body, error)
        self._waiting[job.action] = self._waiting.get(job.action, 0) + (not full)
        self._queued.add(job.action)

    def _insert(
        self, run: sqlite3.Connection, job: NewJob, identity: Identity, now_ns: int, body: int, error: str = ""
    ) -> bool:
        """Write a job, tried where it is given at once; whether it was not queued before, or is an orphan.

        Its number is higher than any before: that is its place, and whoever forgets what is done forgets no other.
        """
        if self._last == 0:
            [self._last] = run.execute("SELECT COALESCE(MAX(id), 0) FROM job").fetchone()
        self._last += 1
        written = run.execute(
            "INSERT INTO job"
            " (id, action, key, superevent, retraction, body, attempts, first_ns, next_ns, error, died_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (action, key) DO UPDATE SET id = excluded.id,"
            " body = excluded.body, attempts = attempts + excluded.attempts, next_ns = excluded.next_ns,"
            " error = excluded.error, died_ns = excluded.died_ns WHERE body = ? AND died_ns IS NOT NULL",
            (
                self._last, job.action, job.key, identity.superevent_id, identity.is_retraction, body,
                int(body == NO_BODY), now_ns, now_ns, error, now_ns if error else None, NO_BODY,
            ),
        )  # fmt: skip
        return written.rowcount > 0

    def _is_full(self, run: sqlite3.Connection, action: str) -> bool:
        """Whether as many jobs wait as may; counted anew only where so many were queued since the last count."""
        if self._waiting.get(action, self._most_waiting) >= self._most_waiting:
            counted = run.execute("SELECT COUNT(*) FROM job WHERE action = ? AND died_ns IS NULL", (action,))
            self._waiting[action] = counted.fetchone()[0]
        return self._waiting[action] >= self._most_waiting

    def _withdraw(self, run: sqlite3.Connection, identity: Identity, lasting: set[str], now_ns: int) -> None:
        """Take out what waits of an event, whichever action it is for but those that last."""
        waiting = "SELECT DISTINCT action FROM job WHERE superevent = ? AND died_ns IS NULL AND retraction = 0"
        for (action,) in run.execute(waiting, (identity.superevent_id,)).fetchall():
            if action not in lasting:
                self._withdraw_from(run, action, identity, now_ns)

    def _withdraw_from(self, run: sqlite3.Connection, action: str, identity: Identity, now_ns: int) -> None:
        """Take out what waits for an action: what was never tried goes, what was is not tried again."""
        back = self._hands[action].withdraw(identity.superevent_id) if action in self._hands else []
        fresh = [given.job for given in self._given if given.job.action == action]
        back += [job for job in fresh if job.is_withdrawn_with(identity.superevent_id)]
        numbers = {job.id for job in back}
        self._given = [given for given in self._given if given.job.id not in numbers]
        not_begun(run, back)
        of = (action, identity.superevent_id)
        where = "action = ? AND superevent = ? AND died_ns IS NULL AND retraction = 0"
        gone = run.execute(f"DELETE FROM job WHERE {where} AND attempts = 0", of).rowcount
        run.execute(f"UPDATE job SET died_ns = ?, error = 'withdrawn before it was done' WHERE {where}", (now_ns, *of))
        if gone:
            forget_messages(run)

    def committed(self) -> set[str]:
        """Give the actions their jobs, now that it is written; return those that have some in the file."""
        for name, jobs in self._finished.items():
            self._hands[name].forget(jobs)
            if name in self._queued:
                self._hands[name].queued = True
        for given in self._given:
            self._hands[given.job.action].give(given.job)
        self._before, self._given = self._given, []
        self._finished = {}
        return self._queued


def bury_orphans(run: sqlite3.Connection, now_ns: int) -> dict[str, set[str]]:
    """Make dead letters of what a process had begun that was killed, and return their actions, by key.

    Whoever reads their alerts again revives them.
    """
    run.execute("UPDATE job SET died_ns = ?, error = ? WHERE body = ? AND died_ns IS NULL", (now_ns, _ORPHAN, NO_BODY))
    orphans: dict[str, set[str]] = {}
    for key, action in run.execute("SELECT key, action FROM job WHERE body = ?", (NO_BODY,)):
        orphans.setdefault(key, set()).add(action)
    return orphans


def _body(run: sqlite3.Connection, accepted: Accepted) -> int:
    told = json.dumps(accepted.told)
    number = run.execute("INSERT INTO body (raw, told) VALUES (?, ?)", (accepted.raw, told)).lastrowid
    assert number is not None
    return number
