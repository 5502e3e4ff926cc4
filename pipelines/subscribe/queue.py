"""The queue of each action, in the subscription's state file: what waits, what is tried again, and dead letters.

At least once: a job leaves the queue when its action did it, or is a dead letter when its time is over. That it is
tried is written before it is, so that whoever comes after a crash knows that it may have been done.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any

from pipelines.subscribe.database import Database

_LONGEST_ERROR = 500
_FARTHEST_NS = 600_000_000_000
"""No job is put off so long: one that is due later was written before the clock was set back, and is due."""
_FIRST_OF_ITS_EVENT = (
    "NOT EXISTS (SELECT 1 FROM job AS before WHERE before.action = this.action AND before.superevent = this.superevent"
    " AND before.died_ns IS NULL AND before.id < this.id)"
)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do about an alert, now for the ``attempt``-th time.

    Attributes
    ----------
    key : str
        The same however often it is tried.
    raw : bytes
        The alert's message.
    told : dict
        What the engine said of it.
    first_ns : int
        When it was queued, Unix.
    """

    id: int
    action: str
    key: str
    superevent_id: str
    attempt: int
    raw: bytes
    told: dict[str, Any]
    first_ns: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that was given up."""

    id: int
    action: str
    key: str
    superevent_id: str
    attempts: int
    first_ns: int
    died_ns: int
    error: str


class Queue:
    """The jobs of a state file.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, action: str, now_unix_ns: int, done: Job | None = None, at_hand: Container[str] = ()) -> Job | None:
        """Return the oldest job that is due, marked as tried; of one superevent in their order, none past another.

        Parameters
        ----------
        action : str
        now_unix_ns : int
        done : Job, optional
            What the action did last: forgotten in the same transaction.
        at_hand : container of str
            Keys of alerts that whoever asks has: they come without their message.
        """
        with self._database.transaction() as run:
            if done is not None:
                _forget(run, done)
            row = run.execute(
                "SELECT id, key, superevent, attempts, body, first_ns FROM job AS this WHERE action = ?"
                f" AND died_ns IS NULL AND (next_ns <= ? OR next_ns > ?) AND {_FIRST_OF_ITS_EVENT} ORDER BY id LIMIT 1",
                (action, now_unix_ns, now_unix_ns + _FARTHEST_NS),
            ).fetchone()
            if row is None:
                return None
            number, key, superevent, attempts, body, first_ns = row
            run.execute("UPDATE job SET attempts = ? WHERE id = ?", (attempts + 1, number))
            if key in at_hand:
                return Job(number, action, key, superevent, attempts + 1, b"", {}, first_ns)
            raw, told = run.execute("SELECT raw, told FROM body WHERE id = ?", (body,)).fetchone()
        return Job(number, action, key, superevent, attempts + 1, raw, json.loads(told), first_ns)

    def read(self, job: Job) -> Job:
        """Return a job that came without its message, with it."""
        with self._database.reading() as run:
            raw, told = run.execute(
                "SELECT raw, told FROM body JOIN job ON job.body = body.id WHERE job.id = ?", (job.id,)
            ).fetchone()
        return replace(job, raw=raw, told=json.loads(told))

    def next_due_ns(self, action: str) -> int | None:
        """Return when the next job of an action is due; None where none waits."""
        with self._database.reading() as run:
            due = run.execute(
                f"SELECT MIN(next_ns) FROM job AS this WHERE action = ? AND died_ns IS NULL AND {_FIRST_OF_ITS_EVENT}",
                (action,),
            ).fetchone()
        return None if due is None or due[0] is None else int(due[0])

    def done(self, job: Job) -> None:
        """Forget a job that its action did."""
        with self._database.transaction() as run:
            _forget(run, job)

    def again(self, job: Job, error: str, next_ns: int) -> None:
        """Put off a job that failed."""
        with self._database.transaction() as run:
            run.execute(
                "UPDATE job SET next_ns = ?, error = ? WHERE id = ? AND died_ns IS NULL",
                (next_ns, error[:_LONGEST_ERROR], job.id),
            )

    def give_up(self, job: Job, error: str, now_unix_ns: int) -> None:
        """Make a dead letter of a job."""
        with self._database.transaction() as run:
            run.execute(
                "UPDATE job SET died_ns = ?, error = ? WHERE id = ? AND died_ns IS NULL",
                (now_unix_ns, error[:_LONGEST_ERROR], job.id),
            )

    def waiting(self) -> dict[str, int]:
        """Return how many jobs wait, by action."""
        with self._database.reading() as run:
            return dict(
                run.execute("SELECT action, COUNT(*) FROM job WHERE died_ns IS NULL GROUP BY action").fetchall()
            )

    def dead(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first."""
        with self._database.reading() as run:
            rows = run.execute(
                "SELECT id, action, key, superevent, attempts, first_ns, died_ns, error FROM job"
                " WHERE died_ns IS NOT NULL ORDER BY id"
            ).fetchall()
        return [DeadLetter(*row) for row in rows]

    def revive(self, now_unix_ns: int) -> int:
        """Let dead letters wait again, as if they were new, but for those whose event is withdrawn; return how many."""
        with self._database.transaction() as run:
            return run.execute(
                "UPDATE job SET died_ns = NULL, attempts = 0, first_ns = ?, next_ns = ?, error = ''"
                " WHERE died_ns IS NOT NULL AND (retraction OR superevent NOT IN"
                " (SELECT superevent FROM event WHERE withdrawn_ns IS NOT NULL))",
                (now_unix_ns, now_unix_ns),
            ).rowcount


def _forget(run: sqlite3.Connection, job: Job) -> None:
    body = run.execute("SELECT body FROM job WHERE id = ?", (job.id,)).fetchone()
    run.execute("DELETE FROM job WHERE id = ?", (job.id,))
    if body is not None and run.execute("SELECT 1 FROM job WHERE body = ? LIMIT 1", body).fetchone() is None:
        run.execute("DELETE FROM body WHERE id = ?", body)
