"""The queue of each action, in the subscription's state file: what waits, what is tried again, and dead letters.

At least once: a job leaves the queue when its action did it, or is a dead letter when its time is over. That it is
tried is written before it is, so that whoever comes after a crash knows that it may have been done.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.subscribe.database import Database
from pipelines.subscribe.received import ReceivedAlert

if TYPE_CHECKING:
    from pipelines.subscribe.hands import Hands

NO_BODY = 0
"""The body of a job whose message is not in the file, for its action was given it at once."""
_LONGEST_ERROR = 500
FARTHEST_NS = 600_000_000_000
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
    is_retraction : bool
        Whether it is known to tell of one.
    alert : ReceivedAlert or None
        The message as it was read, where it comes straight from who read it.
    """

    id: int
    action: str
    key: str
    superevent_id: str
    attempt: int
    raw: bytes
    told: dict[str, Any]
    first_ns: int
    is_retraction: bool = False
    alert: ReceivedAlert | None = None

    def is_withdrawn_with(self, superevent_id: str) -> bool:
        """Whether it need not be done any more once an event is withdrawn."""
        return self.superevent_id == superevent_id and not self.is_retraction


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

    def take(self, action: str, now_unix_ns: int, hands: Hands | None = None) -> Job | None:
        """Return the oldest job that is due, marked as tried; of one superevent in their order, none past another.

        Parameters
        ----------
        action : str
        now_unix_ns : int
        hands : Hands, optional
            Of who asks: what it did is forgotten in the same transaction, what it was given not taken.
        """
        with self._database.transaction() as run:
            over = [one for one in hands.finished if forget(run, one.id)] if hands is not None else []
            row = run.execute(
                "SELECT id, key, superevent, attempts, body, first_ns FROM job AS this WHERE action = ?"
                " AND died_ns IS NULL AND body != ? AND (next_ns <= ? OR next_ns > ?)"
                f" AND {_FIRST_OF_ITS_EVENT} ORDER BY id LIMIT 1",
                (action, NO_BODY, now_unix_ns, now_unix_ns + FARTHEST_NS),
            ).fetchone()
            job = None if row is None or (hands is not None and row[0] in hands.ids()) else _tried(run, action, row)
        if hands is not None:
            hands.forget(over)
        return job

    def next_due_ns(self, action: str) -> int | None:
        """Return when the next job of an action is due; None where none waits."""
        with self._database.reading() as run:
            due = run.execute(
                "SELECT MIN(next_ns) FROM job AS this WHERE action = ? AND died_ns IS NULL AND body != ?"
                f" AND {_FIRST_OF_ITS_EVENT}",
                (action, NO_BODY),
            ).fetchone()
        return None if due is None or due[0] is None else int(due[0])

    def done(self, job: Job) -> bool:
        """Forget a job that its action did; not one whose alert is yet to be written: then False."""
        with self._database.transaction() as run:
            return forget(run, job.id)

    def again(self, job: Job, error: str, next_ns: int, hands: Hands | None = None) -> None:
        """Put off a job that failed; what its action was given of its event behind it waits in the file too."""
        with self._database.transaction() as run:
            put_off = run.execute(
                "UPDATE job SET next_ns = ?, error = ? WHERE id = ? AND died_ns IS NULL",
                (next_ns, error[:_LONGEST_ERROR], job.id),
            )
            if hands is not None and put_off.rowcount:
                not_begun(run, hands.back(job.superevent_id))

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
                " WHERE died_ns IS NOT NULL AND body != ? AND (retraction OR superevent NOT IN"
                " (SELECT superevent FROM event WHERE withdrawn_ns IS NOT NULL))",
                (now_unix_ns, now_unix_ns, NO_BODY),
            ).rowcount


def _tried(run: sqlite3.Connection, action: str, row: tuple[int, str, str, int, int, int]) -> Job:
    """Return a job, marked as tried."""
    number, key, superevent, attempts, body, first_ns = row
    run.execute("UPDATE job SET attempts = ? WHERE id = ?", (attempts + 1, number))
    raw, told = run.execute("SELECT raw, told FROM body WHERE id = ?", (body,)).fetchone()
    return Job(number, action, key, superevent, attempts + 1, raw, json.loads(told), first_ns)


def not_begun(run: sqlite3.Connection, jobs: Iterable[Job]) -> None:
    """Note that jobs which were given to their action were not begun."""
    run.executemany("UPDATE job SET attempts = attempts - 1 WHERE id = ?", [(job.id,) for job in jobs])


def forget_messages(run: sqlite3.Connection) -> None:
    """Forget the messages that no job needs any more."""
    run.execute("DELETE FROM body WHERE id != ? AND id NOT IN (SELECT body FROM job)", (NO_BODY,))


def forget(run: sqlite3.Connection, job_id: int) -> bool:
    """Forget a job, and its message if no other needs it; not one whose alert's place is yet to be written."""
    body = run.execute("SELECT body FROM job WHERE id = ?", (job_id,)).fetchone()
    if body == (NO_BODY,):
        return False
    run.execute("DELETE FROM job WHERE id = ?", (job_id,))
    if body is not None:
        run.execute("DELETE FROM body WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM job WHERE body = ?1)", body)
    return True
