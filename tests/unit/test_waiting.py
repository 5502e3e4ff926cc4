"""The first alert of an event waits for its map so long, on a clock of the test's own, and no longer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
from findings import NOW_NS, decided, heard, late, mapped
from structlog.testing import capture_logs

from pipelines.events import Events
from stream.errors import PublishError
from stream.records import Revision
from stream.superevent import Superevents, not_found

WAIT_S = 0.15
KNOWN = Literal["map", "none"]


@dataclass(slots=True)
class Running:
    """The events' loop with a clock that stands until it is set, and a list as its sink."""

    begun: bool = True
    now_s: float = 1000.0
    full: bool = False
    revisions: list[Revision] = field(default_factory=list)
    events: Events = field(init=False)

    def __post_init__(self) -> None:
        self.events = Events(Superevents("test"), self, self, begun=self.begun, elapsed_s=lambda: self.now_s)

    def now_ns(self) -> int:
        return NOW_NS + round((self.now_s - 1000.0) * 1e9)

    def revision(self, revision: Revision) -> None:
        if self.full:
            raise PublishError("the disk is full, and so is memory")
        self.revisions.append(revision)

    def after(self, seconds: float) -> float | None:
        self.now_s = 1000.0 + seconds
        return self.events.turn()

    @property
    def said(self) -> list[tuple[str, str, KNOWN]]:
        return [(r.superevent_id, r.alert_type, "map" if r.followed else "none") for r in self.revisions]


def test_a_map_in_time_leaves_with_the_first_alert_as_one_revision() -> None:
    run, candidate = Running(), heard()
    assert run.events.take(candidate, WAIT_S)
    assert (run.said, run.events.settled, run.events.held) == ([], False, 1)
    run.after(0.1)
    run.events.take(mapped(candidate))
    assert (run.said, run.events.settled) == ([("TS150914a", "PRELIMINARY", "map")], True)
    assert run.after(1.0) is None
    assert len(run.revisions) == 1


def test_a_late_map_makes_two_revisions_the_first_in_time_with_the_reason() -> None:
    run, candidate = Running(), heard()
    run.events.take(candidate, WAIT_S)
    assert run.after(0.1) == pytest.approx(0.05)
    assert run.said == []
    run.after(0.151)
    assert (run.said, run.events.settled) == ([("TS150914a", "PRELIMINARY", "none")], True)
    assert run.revisions[0].localized == late(candidate)
    assert run.revisions[0].created_ns == NOW_NS + 151_000_000
    run.events.take(mapped(candidate))
    assert run.said[1:] == [("TS150914a", "UPDATE", "map")]


def test_a_follow_up_that_failed_in_time_lets_the_alert_go_at_once_with_its_reason() -> None:
    run, candidate = Running(), heard()
    run.events.take(candidate, WAIT_S)
    run.after(0.02)
    run.events.take(not_found(candidate, "its process died"))
    assert run.said == [("TS150914a", "PRELIMINARY", "none")]
    assert run.revisions[0].localized is not None
    assert set(run.revisions[0].localized.reasons.values()) == {"its process died"}


@pytest.mark.parametrize("wait_s", [None, 0.0])
def test_without_a_follow_up_or_with_no_time_for_it_nothing_waits(wait_s: float | None) -> None:
    run, candidate = Running(), heard()
    run.events.take(candidate, wait_s)
    run.after(0.0)
    assert run.said == [("TS150914a", "PRELIMINARY", "none")]
    assert (run.revisions[0].localized is None) is (wait_s is None)


def test_a_louder_candidate_waits_for_its_map_the_same_way_whichever_is_ready_first() -> None:
    """Who is passed over by then says nothing more."""
    bump, peak = heard(0, 8.0, 1e-5), heard(300_000_000, 20.0, 1e-8)
    run = Running()
    run.events.take(bump, WAIT_S)
    run.after(0.1)
    run.events.take(peak, WAIT_S)
    run.after(0.16)
    assert run.said == [("TS150914a", "PRELIMINARY", "none")]
    run.events.take(mapped(peak))
    run.events.take(mapped(bump))
    assert run.said[1:] == [("TS150914a", "UPDATE", "map")]
    run = Running()
    run.events.take(bump, WAIT_S)
    run.events.take(peak, WAIT_S)
    run.events.take(mapped(peak))
    run.after(0.2)
    assert run.said == [("TS150914a", "PRELIMINARY", "map")]
    assert run.revisions[0].candidate == peak


def test_a_candidate_that_is_no_news_neither_waits_nor_asks_for_a_map() -> None:
    run = Running()
    run.events.take(mapped(heard(0, 20.0)))
    with capture_logs() as logged:
        assert not run.events.take(heard(300_000_000, 8.0), WAIT_S)
    assert ([line["event"] for line in logged], run.events.held) == (["already_alerted"], 0)


def test_a_decision_waits_for_nobody_and_a_candidate_of_a_withdrawn_event_goes_nowhere() -> None:
    run, peak = Running(), heard(300_000_000, 20.0)
    run.events.take(mapped(heard(0, 8.0)))
    run.events.take(peak, WAIT_S)
    run.events.take(decided("retract"))
    run.events.take(mapped(peak))
    assert run.said == [("TS150914a", "PRELIMINARY", "map"), ("TS150914a", "RETRACTION", "none")]
    assert run.events.settled


def test_a_confirmation_that_comes_while_a_louder_candidate_waits_repeats_what_was_told() -> None:
    run, peak = Running(), heard(300_000_000, 20.0)
    run.events.take(mapped(heard(0, 8.0)))
    run.events.take(peak, WAIT_S)
    run.events.take(decided("confirm"))
    assert run.revisions[-1].candidate == heard(0, 8.0)
    run.events.take(mapped(peak))
    assert run.said[1:] == [("TS150914a", "INITIAL", "map"), ("TS150914a", "UPDATE", "map")]


def test_what_was_said_before_comes_first_and_a_map_that_came_meanwhile_is_not_forgotten() -> None:
    """Until the topic has been read nothing leaves, however long that takes; then each leaves with what it has."""
    run, first, second, third = Running(begun=False), heard(), heard(5_000_000_000), heard(9_000_000_000)
    for candidate in (first, second):
        run.events.take(candidate, WAIT_S)
    run.after(60.0)
    run.events.take(mapped(second))
    run.events.take(third, WAIT_S)
    assert (run.said, run.events.held, run.events.settled) == ([], 3, False)
    run.events.begin()
    assert run.said == [("TS150914a", "PRELIMINARY", "none"), ("TS150914b", "PRELIMINARY", "map")]
    assert not run.events.settled
    run.after(61.0)
    assert run.said[2:] == [("TS150914c", "PRELIMINARY", "none")]


def test_a_candidate_whose_alert_nothing_takes_still_waits() -> None:
    """Until it is somewhere the strain's place must not move on."""
    run, candidate = Running(full=True), heard()
    run.events.take(candidate, WAIT_S)
    with pytest.raises(PublishError, match="disk is full"):
        run.after(0.2)
    assert (run.events.held, run.events.settled) == (1, False)
