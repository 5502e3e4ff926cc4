"""What an action is given at once: written as tried before it is, its place behind it, its message only if it lasts."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from delivering import an_alert

from pipelines.subscribe.accepted import Accepted, NewJob
from pipelines.subscribe.actions.action import Call
from pipelines.subscribe.actions.file import FileAction
from pipelines.subscribe.actions.worker import Doing, Worker, Workers
from pipelines.subscribe.database import Database
from pipelines.subscribe.hands import Hands, weight
from pipelines.subscribe.identity import Identity
from pipelines.subscribe.queue import Job, Queue
from pipelines.subscribe.queueing import Queueing
from pipelines.subscribe.running import Asked, opened
from pipelines.subscribe.state import State
from stream.errors import ActionFailed, StateError
from stream.settings import Settings

_KEPT: dict[str, Any] = {"extra": {}, "topic": "t", "offset": 0, "source": "local", "place": "", "received_unix_ns": 0}


class Noting:
    """An action that fails where it is told to."""

    kind = "webhook"

    def __init__(self, fails: Sequence[str] = ()) -> None:
        self.calls: list[tuple[str, int]] = []
        self._fails = fails

    def run(self, call: Call) -> None:
        self.calls.append((call.key, call.attempt))
        if call.key in self._fails:
            raise ActionFailed("not now")

    def check(self) -> str:
        return "it notes"

    def cancel(self) -> None:
        pass


class Told:
    """A subscription whose one action is given what it can be."""

    def __init__(self, folder: Path, fails: Sequence[str] = ()) -> None:
        self.folder, self.action, self.now_ns = folder, Noting(fails), 0
        self.open()

    def open(self) -> None:
        self.database, self.hands = Database(self.folder), Hands()
        self.state = State(self.database, hands={"act": self.hands})
        self.state.bury_orphans(self.now_ns)
        self.queue = Queue(self.database)
        self.worker = Worker("act", Doing(self.action), self.queue, lambda: self.now_ns, self.hands)

    def kill(self) -> None:
        """End as a process does that is killed, and come back."""
        self.database.close()
        self.open()

    def alert(self, key: str, offset: int, event: str = "S1a", kind: str = "INITIAL", seconds: int = 0) -> None:
        alert, identity = an_alert(), Identity(key, event, kind, None, seconds * 1_000_000_000)
        told, place = _KEPT | {"told": {}}, (("local", "t", 0), offset + 1)
        self.state.accept(Accepted(place, identity, ("rule",), (NewJob("act", key),), alert.raw, told, alert))

    def flush(self, at_once: bool = True) -> None:
        self.state.flush(self.now_ns, at_once)

    def work(self) -> None:
        while self.worker.step():
            pass

    def messages(self) -> int:
        with self.database.reading() as run:
            return int(run.execute("SELECT COUNT(*) FROM body WHERE length(raw) > 0").fetchone()[0])

    @property
    def place(self) -> int | None:
        return self.state.places("local").get(("t", 0))


def test_the_place_moves_on_behind_what_is_done_and_its_message_is_never_written(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.alert("a", 0)
    told.flush()
    assert (told.messages(), told.place, told.state.told("S1a"), told.state.holds) == (
        0,
        None,
        frozenset({"rule"}),
        True,
    )
    assert told.queue.waiting() == {"act": 1}
    told.work()
    told.flush()
    assert (told.action.calls, told.queue.waiting(), told.place, told.state.holds) == ([("a", 1)], {}, 1, False)
    assert told.state.knows("a") and told.messages() == 0


def test_what_is_not_done_when_the_next_is_written_keeps_its_message(tmp_path: Path) -> None:
    """So that who comes after a kill can do it."""
    told = Told(tmp_path)
    told.alert("a", 0)
    told.flush()
    told.alert("b", 1, "S2a")
    told.flush()
    assert (told.messages(), told.place) == (1, 1)
    told.flush()
    told.kill()
    told.work()
    told.flush()
    assert told.action.calls == [("a", 2), ("b", 2)]
    assert (told.queue.waiting(), told.messages(), told.place) == ({}, 0, 2)


def test_who_was_killed_in_the_middle_reads_it_again_and_does_it_under_the_same_key(tmp_path: Path) -> None:
    """Though its rule may say otherwise by then: who is told was written before."""
    told = Told(tmp_path)
    told.alert("a", 0)
    told.flush()
    told.work()
    told.kill()
    assert (told.place, told.state.knows("a"), told.state.told("S1a")) == (None, False, frozenset({"rule"}))
    told.work()
    assert told.action.calls == [("a", 1)]
    told.alert("a", 0)
    told.flush()
    told.work()
    told.flush()
    assert told.action.calls == [("a", 1), ("a", 2)]
    assert (told.queue.waiting(), told.queue.dead(), told.place) == ({}, [], 1)


def test_what_was_begun_and_is_never_read_again_is_a_dead_letter_that_holds_up_nothing(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.alert("a", 0)
    told.flush()
    told.kill()
    assert [letter.error for letter in told.queue.dead()] == [
        "begun when the process ended, and its message was not read again"
    ]
    assert told.queue.revive(0) == 0, "there is nothing to be done with"
    told.alert("b", 1)
    told.flush()
    told.work()
    assert told.action.calls == [("b", 1)]


def test_what_fails_is_tried_again_from_the_file_and_its_event_keeps_its_order(tmp_path: Path) -> None:
    told = Told(tmp_path, fails=["a"])
    told.alert("a", 0)
    told.flush()
    told.work()
    told.flush()
    told.alert("b", 1)
    told.alert("c", 2, "S2a")
    told.flush()
    told.work()
    assert told.action.calls == [("a", 1), ("c", 1)]
    told.action._fails = ()
    told.now_ns = 2_000_000_000
    told.work()
    told.flush()
    assert told.action.calls == [("a", 1), ("c", 1), ("a", 2), ("b", 1)]
    assert (told.queue.waiting(), told.messages(), told.place) == ({}, 0, 3)


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("others", [["other"], []])
def test_a_retraction_takes_back_what_was_not_begun(later: bool, others: list[str], tmp_path: Path) -> None:
    """In the same batch or a later one; another event's goes on, and where there is none the retraction itself does."""
    told = Told(tmp_path)
    told.alert("a", 0)
    for key in others:
        told.alert(key, 1, "S2a")
    if later:
        told.flush()
    told.alert("r", 2, kind="RETRACTION", seconds=1)
    told.flush()
    told.work()
    told.flush()
    assert told.action.calls == [*((key, 1) for key in others), ("r", 1)]
    assert (told.queue.waiting(), told.queue.dead(), told.place) == ({}, [], 3)


def test_an_alert_that_fails_behind_its_retraction_is_not_tried_again(tmp_path: Path) -> None:
    told = Told(tmp_path, fails=["a"])
    told.alert("a", 0)
    told.flush()
    running = told.hands.take()
    told.alert("r", 1, kind="RETRACTION", seconds=1)
    told.flush()
    assert running is not None
    told.queue.again(running, "not now", 0)
    told.hands.over(False)
    told.work()
    told.flush()
    assert (told.action.calls, told.queue.waiting()) == ([("r", 1)], {})
    assert [letter.error for letter in told.queue.dead()] == ["withdrawn before it was done"]


def test_at_the_end_nothing_is_left_begun(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.alert("a", 0)
    told.flush()
    told.alert("b", 1, "S2a")
    told.flush(at_once=False)
    assert (told.messages(), told.place, told.state.holds) == (2, 2, False)
    told.work()
    told.worker._settle()
    assert (told.action.calls, told.queue.waiting(), told.messages()) == ([("a", 1), ("b", 1)], {}, 0)


def test_what_is_long_is_given_only_so_far_ahead(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pipelines.subscribe.hands._MOST_BYTES", 1)
    told = Told(tmp_path)
    for number, key in enumerate("abc"):
        told.alert(key, number, f"S{number}a")
    told.flush()
    assert told.messages() == 3
    told.work()
    told.flush()
    assert (told.action.calls, told.queue.waiting(), told.messages()) == ([("a", 1), ("b", 1), ("c", 1)], {}, 0)


def test_two_actions_share_a_message_and_threads_end_with_nothing_left(tmp_path: Path) -> None:
    database, hands = Database(tmp_path), {"one": Hands(), "two": Hands()}
    state, one, two = State(database, hands=hands), Noting(), Noting(fails=["a"])
    alert, jobs = an_alert(), (NewJob("one", "a"), NewJob("two", "a"))
    kept = _KEPT | {"told": {}}
    done = threading.Event()
    with Workers({"one": Doing(one), "two": Doing(two, 0.0)}, Queue(database), hands=hands) as workers:
        state.accept(Accepted(None, Identity("a", "S1a", "INITIAL", None, 0), ("r",), jobs, alert.raw, kept, alert))
        workers.wake(state.flush(0))
        for _ in range(1000):
            if one.calls and workers.dead:
                break
            done.wait(0.01)
        state.flush(1, at_once=False)
    queue = Queue(database)
    assert (one.calls, two.calls, queue.waiting()) == ([("a", 1)], [("a", 1)], {})
    assert [letter.action for letter in queue.dead()] == ["two"]
    assert queue.revive(2) == 1, "its message was kept"


def test_what_the_file_has_is_forgotten_when_it_is_done_and_not_when_something_comes(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.alert("a", 0)
    told.alert("b", 1, "S2a")
    told.flush()
    told.flush()
    assert told.messages() == 2
    told.worker.step()
    told.worker.step()
    assert told.queue.waiting() == {"act": 1}
    told.work()
    assert (told.action.calls, told.queue.waiting(), told.messages()) == ([("a", 1), ("b", 1)], {}, 0)


def test_what_fails_holds_up_what_its_action_was_given_with_it(tmp_path: Path) -> None:
    """Of its event; what was put back is not known as tried, and a retraction removes it."""
    told = Told(tmp_path, fails=["a"])
    told.alert("a", 0)
    told.alert("b", 1, kind="UPDATE", seconds=1)
    told.alert("c", 2, "S2a")
    told.flush()
    told.work()
    assert told.action.calls == [("a", 1), ("c", 1)]
    told.flush()
    told.work()
    assert told.action.calls == [("a", 1), ("c", 1)]
    told.alert("r", 3, kind="RETRACTION", seconds=2)
    told.flush()
    told.work()
    told.flush()
    assert told.action.calls == [("a", 1), ("c", 1), ("r", 1)]
    assert (told.queue.waiting(), [letter.key for letter in told.queue.dead()]) == ({}, ["a"])


def test_a_transaction_that_came_to_nothing_gives_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    """As on a disk that is full for a moment: the end writes all the same, and leaves nothing begun."""
    told = Told(tmp_path)
    told.alert("a", 0)
    give = Queueing._give

    def fails(*of: Any) -> None:
        give(*of)
        raise sqlite3.OperationalError("disk is full")

    with monkeypatch.context() as full:
        full.setattr(Queueing, "_give", fails)
        with pytest.raises(StateError):
            told.flush()
    told.flush(at_once=False)
    assert (told.state.holds, told.messages(), bool(told.hands), told.place) == (False, 1, False, 1)


def test_short_messages_are_given_only_so_far_ahead_too() -> None:
    hands = Hands()
    given = 0
    while hands.has_room(weight(b"")):
        hands.give(Job(given, "act", "k", "S1a", 1, b"", {}, 0))
        given += 1
    assert given <= 1024


def test_a_number_that_was_done_is_no_other_jobs(tmp_path: Path) -> None:
    """Who is about to forget it would forget the other."""
    told = Told(tmp_path)
    told.alert("a", 0)
    told.flush(at_once=False)
    told.work()
    finished = told.hands.finished or [Job(1, "act", "a", "S1a", 1, b"", {}, 0)]
    told.alert("b", 1, "S2a")
    told.flush(at_once=False)
    assert told.hands.finished == []
    for job in finished:
        told.queue.done(job)
    assert told.queue.waiting() == {"act": 1}


def test_what_is_read_again_waits_behind_what_was_before_it_now(tmp_path: Path) -> None:
    """Two sources need not be read in the order of before."""
    told = Told(tmp_path)
    told.alert("b", 0, kind="UPDATE", seconds=1)
    told.alert("other", 1, "S2a")
    told.flush()
    told.kill()
    told.alert("a", 5)
    told.alert("b", 0, kind="UPDATE", seconds=1)
    told.flush(at_once=False)
    told.work()
    assert told.action.calls == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("start", "name", "each", "at_once"),
    [(None, "x", False, True), (None, "x", True, False), ("latest", "x", False, False), ("latest", None, False, True)],
)
def test_nothing_is_given_at_once_where_a_restart_begins_elsewhere(
    start: str | None, name: str | None, each: bool, at_once: bool, tmp_path: Path, monkeypatch: Any
) -> None:
    """What was begun would not be read again."""
    monkeypatch.setattr("pipelines.subscribe.running._sources", lambda *_: ())
    asked = Asked(doings={"act": Doing(FileAction(tmp_path))}, start=start, name=name, folder=tmp_path)
    with opened(Settings(), asked, {}, each=each) as engine:
        identity, kept = Identity("a", "S1a", "INITIAL", None, 0), _KEPT | {"told": {}}
        engine._state.accept(Accepted(None, identity, (), (NewJob("act", "a"),), an_alert().raw, kept))
        engine._state.flush(0)
        assert engine._state.holds is at_once
        engine._state.flush(0, at_once=False)
