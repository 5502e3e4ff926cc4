"""The follow-up's process: killed, hung, raising, overrun; whatever becomes of it each candidate is answered."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from findings import mapped
from followers import Scripted
from following import SCRIPTED, Answers, running, snapshot, stop, until

from pipelines.follow import Order
from pipelines.live import followup as module
from pipelines.live.followup import FollowUps
from stream import metrics


def is_there(pid: int) -> bool:
    """Whether a process runs, or is a zombie of ours."""
    return Path(f"/proc/{pid}").exists()


def faults(fault: str) -> float:
    return float(metrics.FOLLOWUP_FAILURES.labels("map", fault)._value.get())


@pytest.fixture(autouse=True)
def _no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACK_OFF_S", (0.0, 0.1))


def test_a_candidate_is_followed_in_another_process_and_answered_as_the_one_that_was_handed_over() -> None:
    answers, given = Answers(), snapshot()
    with running(answers) as follow:
        follow.submit(given)
        (found,) = answers.first(1)
        assert found == mapped(given.candidate)
        assert found.candidate is given.candidate
        process = follow._process
        assert process is not None
        assert process.pid != os.getpid()
    assert not is_there(process.pid)


def test_a_candidate_that_its_process_dies_of_twice_or_raises_over_is_answered_and_the_next_is_followed() -> None:
    answers, before = Answers(), (faults("died"), faults("raised"))
    with running(answers) as follow:
        follow.submit(snapshot(Scripted.RAISES))
        answers.first(1)
        follow.submit(snapshot(Scripted.DIES))
        answers.first(2)
        follow.submit(snapshot())
        answers.first(3)
    assert answers.why == [
        "not made: ValueError('a matrix is singular')", "not made: its process ended", None,
    ]  # fmt: skip
    assert set(answers.found[1].reasons) == {"skymap", "classification", "properties", "mchirp_source"}
    assert (faults("died") - before[0], faults("raised") - before[1]) == (2, 1)


def test_an_answer_that_cannot_be_read_costs_that_candidate_alone() -> None:
    answers = Answers()
    with running(answers) as follow:
        follow.submit(snapshot(Scripted.ANSWERS_NONSENSE))
        answers.first(1)
        follow.submit(snapshot())
        answers.first(2)
    assert answers.why == ["not made: its process ended", None]


def test_one_that_hangs_is_killed_after_its_time() -> None:
    answers = Answers()
    with running(answers, timeout_s=2.0) as follow:
        follow.submit(snapshot(Scripted.HANGS))
        assert until(lambda: follow._in_hand is not None)
        process = follow._process
        follow.submit(snapshot())
        answers.first(2)
    assert answers.why == ["not made within 2 s", None]
    assert process is not None
    assert not is_there(process.pid)


def test_the_loudest_is_followed_first_and_what_overflows_is_the_least_loud() -> None:
    """Whether it is the newest or has waited: and that one is told why, at once."""
    answers = Answers()
    with running(answers, queue=3) as follow:
        pid = stop(follow)
        follow.submit(snapshot(after_s=0))
        assert until(lambda: follow._in_hand is not None)
        for after_s, far_hz in ((1, 1e-6), (2, 1e-8), (3, 1e-7), (4, 1e-9), (5, 1e-5)):
            follow.submit(snapshot(far_hz=far_hz, after_s=after_s))
        dropped = [localized.candidate.far_hz for localized in answers.found]
        assert (dropped, set(answers.why)) == ([1e-6, 1e-5], {"not made: 3 louder candidates waited for theirs"})
        os.kill(pid, signal.SIGCONT)
        answers.first(6)
    assert [localized.candidate.far_hz for localized in answers.found[2:]] == [1e-8, 1e-9, 1e-8, 1e-7]


def test_handing_over_waits_for_nobody() -> None:
    """Not for the process, which hangs, and not for room."""
    answers, done = Answers(), threading.Event()
    with running(answers, timeout_s=0.5, queue=2) as follow:
        for _ in range(50):
            follow.submit(snapshot(Scripted.HANGS))
        assert len(follow._waiting) <= 2
        done.set()
        assert len(answers.found) >= 47
    assert done.is_set()


def test_a_follower_that_can_never_be_made_is_not_tried_again_and_says_why() -> None:
    answers = Answers()
    restarts = metrics.FOLLOWUP_RESTARTS.labels("map")._value.get()
    with running(answers, maker="followers:unable") as follow:
        for after_s in range(3):
            follow.submit(snapshot(after_s=after_s))
        answers.first(3)
        assert follow.state == "network first has no templates"
    assert set(answers.why) == {"not made: network first has no templates"}
    assert metrics.FOLLOWUP_RESTARTS.labels("map")._value.get() == restarts


def test_a_process_that_dies_in_the_making_is_made_again_and_holds_up_no_answer() -> None:
    answers = Answers()
    makers = iter(["followers:crashes", "followers:crashes"])
    with FollowUps(lambda: Order(next(makers, SCRIPTED), (), 20.0), answers.take, 16) as follow:
        follow.submit(snapshot())
        answers.first(1)
        assert until(lambda: follow.state == "ready")
        follow.submit(snapshot())
        answers.first(2)
    assert answers.why == ["not made: its process does not start", None]


def test_another_network_gets_another_process() -> None:
    answers, network = Answers(), [0.0]
    with FollowUps(lambda: Order(SCRIPTED, tuple(network), 20.0), answers.take, 16) as follow:
        follow.submit(snapshot())
        answers.first(1)
        old = follow._process
        network[0] = 0.01
        assert until(lambda: follow._process is not old and follow.state == "ready")
        follow.submit(snapshot())
        assert answers.first(2)[1].skymap_fits


def test_a_candidate_that_waited_while_the_network_changed_is_followed_without_its_templates_number() -> None:
    """It is a number in another bank; the candidate that is answered has it still."""
    answers, network = Answers(), [0.01]
    given = snapshot()
    peak = replace(given.candidate.peak, template=7)
    given = replace(given, candidate=replace(given.candidate, peak=peak))
    order = lambda: Order("followers:TellsTemplate", tuple(network), 20.0)  # noqa: E731
    with FollowUps(order, answers.take, 16) as follow:
        pid = stop(follow)
        follow.submit(given)
        assert until(lambda: follow._in_hand is not None)
        follow.submit(given)
        network[0] = 0.0
        os.kill(pid, signal.SIGCONT)
        first, second = answers.first(2)
    assert (answers.why, first.candidate, second.candidate) == (["7", "None"], given.candidate, given.candidate)


def test_at_the_end_what_can_be_finished_is_and_the_rest_is_answered() -> None:
    answers = Answers()
    with running(answers, 0.2) as follow:
        assert until(lambda: follow.state == "ready")
        follow.submit(snapshot())
    assert answers.why == [None]
    with running(answers) as follow:
        assert until(lambda: follow.state == "ready")
        follow.submit(snapshot(Scripted.HANGS))
        follow.submit(snapshot(after_s=1, far_hz=1e-3))
        assert until(lambda: follow._in_hand is not None)
        process = follow._process
        follow.close(0.1)
        assert process is not None
        assert not is_there(process.pid)
    assert answers.why[1:] == ["not made: its process ended", "not made: the daemon ended"]


@pytest.mark.parametrize("hangs", [False, True])
def test_a_process_whose_daemon_is_killed_ends(hangs: bool) -> None:
    """It has nobody who could end it: its pipe closes, and where it hangs its own timer strikes."""
    code = (
        "import time\n"
        "from pipelines.follow import Order\n"
        "from pipelines.live.followup import FollowUps\n"
        "from followers import Scripted\n"
        "from following import snapshot\n"
        "follow = FollowUps(lambda: Order('followers:Scripted', (), 2.0), print, 16)\n"
        "while follow.state != 'ready': time.sleep(0.01)\n"
        f"if {hangs}: follow.submit(snapshot(Scripted.HANGS))\n"
        f"while (follow._in_hand is not None) is not {hangs}: time.sleep(0.001)\n"
        "print(follow._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    daemon = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert daemon.stdout is not None
    pid = next(int(line) for line in daemon.stdout if line.strip().isdigit())
    daemon.send_signal(signal.SIGKILL)
    daemon.communicate()
    with suppress(FileNotFoundError):
        assert until(lambda: not is_there(pid) or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")
