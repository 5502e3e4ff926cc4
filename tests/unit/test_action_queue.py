"""What is done about an alert is done at least once: tried again, given up, in its event's order."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from delivering import queued, script

from pipelines.subscribe.actions import Call, Workers
from pipelines.subscribe.actions.command import CommandAction
from pipelines.subscribe.actions.worker import Doing, Worker, backoff_s
from pipelines.subscribe.database import Database
from pipelines.subscribe.queue import Queue
from stream.errors import ActionFailed

SECOND = 1_000_000_000


class Noting:
    """An action that fails as often as it is told to."""

    kind = "file"

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[tuple[str, str, int]] = []
        self._failures = failures

    def run(self, call: Call) -> None:
        self.calls.append((call.alert.superevent_id, call.key, call.attempt))
        if len(self.calls) <= self._failures:
            raise ActionFailed("not now")

    def check(self) -> str:
        return "it notes"

    def cancel(self) -> None:
        pass


def test_what_fails_is_tried_again_later_and_given_up_in_the_end(tmp_path: Path) -> None:
    """A dead letter is kept, and can be let wait again."""
    queued(database := Database(tmp_path / "x"), "a")
    queue, action, now_s = Queue(database), Noting(failures=5), [0.0]
    worker = Worker("act", Doing(action, give_up_s=10.0), queue, lambda: round(now_s[0] * SECOND))
    for now_s[0] in (0.0, 0.5, 1.0, 2.9, 3.0, 6.9, 7.0, 20.0):
        worker.step()
    assert [attempt for _, _, attempt in action.calls] == [1, 2, 3, 4]
    [letter] = queue.dead()
    assert (letter.attempts, letter.error) == (4, "not now")
    assert queue.revive(30 * SECOND) == 1
    now_s[0] = 30.0
    worker.step()
    now_s[0] = 31.0
    while worker.step():
        pass
    assert (worker.done, queue.waiting(), queue.dead()) == (1, {}, [])
    assert len({key for _, key, _ in action.calls}) == 1


@pytest.mark.parametrize("error", [OSError("no space left"), RuntimeError("a mistake of ours")])
def test_whatever_an_action_raises_it_is_tried_again(tmp_path: Path, error: Exception) -> None:
    queued(database := Database(tmp_path / "x"), "a")

    class Broken(Noting):
        def run(self, call: Call) -> None:
            super().run(call)
            if call.attempt == 1:
                raise error

    action, now_s = Broken(), [0.0]
    worker = Worker("act", Doing(action), Queue(database), lambda: round(now_s[0] * SECOND))
    assert worker.step() and worker.fails
    now_s[0] = 1.0
    while worker.step():
        pass
    assert (len(action.calls), worker.done, Queue(database).waiting()) == (2, 1, {})


def test_back_off_doubles_and_has_a_bound() -> None:
    assert [backoff_s(k) for k in (1, 2, 3, 9, 10, 10_000)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]


def test_of_one_event_none_passes_another_and_other_events_do_not_wait(tmp_path: Path) -> None:
    queued(database := Database(tmp_path / "x"), "a", "b", event="S1a")
    queued(database, "c", event="S2a")
    queue, action, now_s = Queue(database), Noting(failures=1), [0.0]
    worker = Worker("act", Doing(action), queue, lambda: round(now_s[0] * SECOND))
    while worker.step():
        pass
    assert [key for _, key, _ in action.calls] == ["a", "c"]
    now_s[0] = 1.0
    while worker.step():
        pass
    assert [key for _, key, _ in action.calls] == ["a", "c", "a", "b"]


def test_a_job_survives_the_process_that_had_begun_it(tmp_path: Path) -> None:
    """And who comes after knows that it may have been done."""
    queued(database := Database(tmp_path / "x"), "a")
    assert Queue(database).take("act", 0) is not None
    database.close()
    job = Queue(Database(tmp_path / "x")).take("act", 0)
    assert job is not None
    assert (job.key, job.attempt) == ("a", 2)


def test_the_same_alert_is_queued_once(tmp_path: Path) -> None:
    queued(database := Database(tmp_path / "x"), "a")
    queued(database, "a")
    assert Queue(database).waiting() == {"act": 1}


def test_a_message_is_kept_as_long_as_a_job_needs_it(tmp_path: Path) -> None:
    queued(database := Database(tmp_path / "x"), "a", "b")
    queue = Queue(database)
    for left in (1, 0):
        job = queue.take("act", 0)
        assert job is not None
        queue.done(job)
        with database.reading() as run:
            assert run.execute("SELECT COUNT(*) FROM body").fetchone() == (left,)


def test_threads_do_what_waits_and_end_in_order(tmp_path: Path) -> None:
    queued(database := Database(tmp_path / "x"), "a", action="one")
    queued(database, "b", action="two")
    one, two = Noting(), Noting()
    with Workers({"one": Doing(one), "two": Doing(two)}, Queue(database)) as workers:
        workers.wake({"one", "two", "gone"})
    assert [key for _, key, _ in one.calls + two.calls] == ["a", "b"]
    assert workers.dead == 0


def test_files_are_waited_for_unless_their_disk_fails(tmp_path: Path) -> None:
    """A topic that is read from its beginning is not queued as a whole; another action is never waited for."""
    keys = [f"{k:03d}" for k in range(400)]
    queued(database := Database(tmp_path / "x"), *keys)
    for kind, is_ready in (("file", False), ("command", True)):
        action = Noting()
        action.kind = kind
        assert Workers({"act": Doing(action)}, Queue(database)).ready() is is_ready
    assert Workers({"other": Doing(Noting())}, Queue(database)).ready()


def test_a_disk_that_hangs_holds_up_neither_stream_nor_other_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(database := Database(tmp_path / "x"), *(f"{k:03d}" for k in range(402)))
    begun, answers = threading.Event(), threading.Event()

    class Hanging(Noting):
        def run(self, call: Call) -> None:
            begun.set()
            answers.wait(60)

    monkeypatch.setattr("pipelines.subscribe.actions.worker._STUCK_S", -1.0)
    workers = Workers({"act": Doing(Hanging())}, Queue(database), finish_s=0.0)
    assert not workers.ready()
    with workers:
        assert begun.wait(60)
        assert workers.ready()
        answers.set()


def test_a_command_that_runs_at_the_end_is_ended_and_its_alert_stays(tmp_path: Path) -> None:
    queued(database := Database(tmp_path / "x"), "a")
    action = CommandAction((script(tmp_path, f"touch {tmp_path}/begun; sleep 1000"),), 1000.0)
    with Workers({"act": Doing(action)}, Queue(database), finish_s=0.2) as workers:
        workers.wake({"act"})
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
    assert Queue(database).waiting() == {"act": 1}


class Stumbling(Noting):
    """An action that meets what nobody foresaw, once."""

    def run(self, call: Call) -> None:
        super().run(call)
        if len(self.calls) == 1:
            raise MemoryError("no room")


def test_what_nobody_foresaw_is_a_failure_and_the_action_goes_on(tmp_path: Path) -> None:
    queued(database := Database(tmp_path), "one")
    worker = Worker("act", Doing(action := Stumbling()), Queue(database), lambda: now_ns)
    now_ns = 0
    assert worker.step()
    now_ns = 2 * SECOND
    assert worker.step()
    assert [attempt for _, _, attempt in action.calls] == [1, 2]


def test_a_clock_that_was_set_back_holds_up_nothing(tmp_path: Path) -> None:
    """A telescope's computer that began in another year, before it asked for the time."""
    queued(database := Database(tmp_path), "one", now_ns=400 * 86_400 * SECOND)
    assert Queue(database).take("act", SECOND) is not None


def test_what_waits_behind_an_alert_of_its_event_is_not_due(tmp_path: Path) -> None:
    """Nobody asks for it a hundred times a second, nor waits for it at the end."""
    queued(database := Database(tmp_path), "one", "two")
    queue = Queue(database)
    first = queue.take("act", 0)
    assert first is not None
    queue.again(first, "not now", 300 * SECOND)
    assert queue.next_due_ns("act") == 300 * SECOND
