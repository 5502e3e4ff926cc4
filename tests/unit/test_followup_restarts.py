"""The follow-up's process ends when it has nothing to do, or not of what it had; and the end of it all has a bound."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest
from following import SCRIPTED, Answers, running, snapshot, stop, until
from structlog.testing import capture_logs

from pipelines.follow import Order
from pipelines.live import followup as module
from pipelines.live.followup import FollowUps
from stream import child


@pytest.fixture(autouse=True)
def _no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACK_OFF_S", (0.0, 0.1))


def kill(follow: FollowUps) -> int:
    """Kill its process, which is there, and return its id."""
    process = follow._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    return process.pid


def test_a_process_that_ends_with_nothing_to_do_is_started_again_before_it_is_needed() -> None:
    answers = Answers()
    with running(answers) as follow:
        assert until(lambda: follow.state == "ready")
        killed = kill(follow)
        assert until(lambda: follow._process is not None and follow._process.pid != killed)
        assert until(lambda: follow.state == "ready")
        follow.submit(snapshot())
        answers.first(1)
    assert answers.why == [None]


def test_a_process_that_ended_unseen_costs_the_next_candidate_no_map() -> None:
    answers = Answers()
    with running(answers) as follow:
        assert until(lambda: follow.state == "ready")
        kill(follow)
        follow.submit(snapshot())
        answers.first(1)
    assert answers.why == [None]


def test_a_candidate_whose_process_is_killed_is_followed_by_the_next() -> None:
    """Who killed it, such as the system that wanted memory, does so once."""
    answers = Answers()
    with running(answers) as follow:
        stop(follow)
        follow.submit(snapshot())
        assert until(lambda: follow._in_hand is not None)
        kill(follow)
        answers.first(1)
    assert answers.why == [None]


def test_the_end_waits_for_who_takes_an_answer_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KILL_S", 0.2)
    gate = threading.Event()

    def take(*_: object) -> None:
        gate.wait()

    follow = FollowUps(lambda: Order(SCRIPTED, (), 5.0), take, 16)
    assert until(lambda: follow.state == "ready")
    follow.submit(snapshot())
    with capture_logs() as logged:
        follow.close(0.1)
    assert "follow_up_left" in [entry["event"] for entry in logged]
    assert follow._thread.is_alive()
    gate.set()
    follow._thread.join()


def test_a_process_whose_end_another_thread_has_just_seen_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the wait that was too short and the kill."""
    process = child.start("pipelines.live.followup_child")
    process.kill()
    process.wait()
    waits = iter([subprocess.TimeoutExpired("python", 0.0)])

    def wait(_: float | None = None) -> int:
        for error in waits:
            raise error
        return -signal.SIGKILL

    monkeypatch.setattr(process, "wait", wait)
    child.end(process)
    assert process.poll() == -signal.SIGKILL
