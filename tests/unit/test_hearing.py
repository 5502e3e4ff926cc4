"""Who is heard, who is deaf and why: a detector that is thrown away is not called well."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.live.hearing import Hearing, HearingWatch
from stream.records import Masked, WhitenedSegment
from stream.timebase import HOP_NS, NS_PER_S

START_NS = 1_400_000_000 * NS_PER_S


class FakeClock:
    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        return self.ns


class Scene:
    """H1 and L1, a quarter second at a time."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.watch = HearingWatch(("H1", "L1"), self.clock)
        self.came = {"H1": 0, "L1": 0}
        self.taken: dict[str, dict[str, int]] = {"H1": {}, "L1": {}}

    def go(self, seconds: float, sends: str = "H1 L1", valid: float = 1.0, taken: str = "", masked: str = "") -> Scene:
        """H1 is well where it sends; of L1's strain a share is valid, and the rest was taken or masked."""
        for k in range(round(seconds * 4)):
            self.clock.ns += NS_PER_S // 4
            whitened = []
            for name in ("H1", "L1"):
                self.came[name] += name in sends
                good = (k % 4 < round(4 * valid)) if name == "L1" else True
                flags = np.full(4, good and name in sends)
                whitened.append(WhitenedSegment(name, self.clock.ns, 2048, np.zeros(512, np.float32), flags))
            if taken:
                self.taken["L1"][taken] = self.taken["L1"].get(taken, 0) + 1
            if masked:
                self.watch.masked([Masked("L1", self.clock.ns - 4 * HOP_NS, self.clock.ns, masked)])
            self.watch.whitened(whitened)
            for name in ("H1", "L1"):
                self.watch.count(name, self.came[name], self.taken[name])
        return self

    def look(self, psd_ready: bool = True) -> dict[str, Hearing]:
        return {ear.detector: ear for ear in self.watch.look({"H1": True, "L1": psd_ready})}


def test_strain_that_is_searched_is_heard() -> None:
    for ear in Scene().go(3).look().values():
        assert (ear.sends, ear.heard, ear.deaf, ear.reason) == (True, True, False, "")


@pytest.mark.parametrize("reason", ["late", "ahead of the clock", "undecodable", "malformed", "wrong rate"])
def test_a_detector_whose_blocks_are_all_taken_away_is_deaf_and_the_reason_is_named(reason: str) -> None:
    """What the aligner says of the hole that they leave is not the reason."""
    ear = Scene().go(3).go(12, valid=0.0, taken=reason, masked="missing").look()["L1"]
    assert (ear.sends, ear.heard, ear.deaf, ear.reason) == (True, False, True, reason)
    assert ear.unheard_s == pytest.approx(12, abs=1.5)


def test_a_vetoed_detector_is_deaf_and_the_veto_is_named() -> None:
    ear = Scene().go(3).go(12, valid=0.0, masked="veto CBC_CAT2").look()["L1"]
    assert (ear.deaf, ear.reason) == (True, "veto CBC_CAT2")


def test_a_detector_without_a_psd_is_deaf_for_that_reason() -> None:
    scene = Scene().go(4, valid=0.0)
    assert not scene.look(psd_ready=False)["L1"].deaf
    ear = scene.go(3, valid=0.0).look(psd_ready=False)["L1"]
    assert (ear.deaf, ear.reason) == (True, "PSD not usable yet")


def test_a_silent_detector_is_not_deaf() -> None:
    ear = Scene().go(3).go(60, sends="H1", masked="absent").look()["L1"]
    assert (ear.sends, ear.heard, ear.deaf, ear.reason) == (False, False, False, "silent for 60 s")
    assert Scene().go(9, sends="H1").look()["L1"].reason == "no strain yet"


def test_a_detector_that_comes_back_has_time_to_be_heard() -> None:
    """After a long silence it is deaf only once it has sent in vain for 5 s."""
    scene = Scene().go(3).go(600, sends="H1").go(4, valid=0.0)
    assert not scene.look()["L1"].deaf
    assert scene.go(2, valid=0.0).look()["L1"].deaf
    assert scene.go(2).look()["L1"].heard


def test_a_valid_moment_now_and_then_is_not_hearing() -> None:
    """A site always a little too late has a valid hop now and then, and is deaf all the same."""
    scene = Scene().go(3)
    for _ in range(6):
        scene.go(2, valid=0.0, taken="late").watch.whitened(
            [WhitenedSegment("L1", 0, 2048, np.zeros(128, np.float32), np.ones(1, np.bool_))]
        )
    assert scene.look()["L1"].deaf
    assert Scene().go(30, valid=0.5).look()["L1"].heard
