"""The events' loop: what follows from a finding is with the sink before anything else happens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from broker import child
from structlog.testing import capture_logs

from pipelines import events as module
from pipelines.events import Events
from stream.errors import PublishError
from stream.records import Decision, Revision
from stream.superevent import Sent, Superevents

NOW_NS = child.GPS_NS + 300_000_000


class At:
    """A clock that stands."""

    def now_ns(self) -> int:
        return NOW_NS


@dataclass(slots=True)
class Kept:
    """A sink as a replay's: a list."""

    revisions: list[Revision] = field(default_factory=list)
    refuse: Callable[[Revision], bool] = lambda _: False

    def revision(self, revision: Revision) -> None:
        if self.refuse(revision):
            raise PublishError("the disk is full, and so is memory")
        self.revisions.append(revision)

    @property
    def said(self) -> list[tuple[str, int, str]]:
        return [(r.superevent_id, r.number, r.alert_type) for r in self.revisions]


def loop(sink: Kept, begun: bool = True) -> Events:
    return Events(Superevents("test"), sink, At(), begun=begun)


def decision(superevent_id: str) -> Decision:
    return Decision("7f7e11d2-9a0f-4a7e-9d7e-0a8b3c2d1e00", superevent_id, "retract", "a glitch", "on shift", NOW_NS)


def test_a_louder_peak_of_an_event_is_its_second_revision() -> None:
    """A small bump never hides the event behind it: the merger goes out with its own statistic and FAR."""
    sink = Kept()
    events = loop(sink)
    events.take(child.candidate(0.0, 9.0))
    assert sink.said == [("TS240517a", 0, "PRELIMINARY")]
    events.take(child.candidate(0.2, 12.0))
    events.take(child.candidate(0.4, 10.0))
    assert sink.said == [("TS240517a", 0, "PRELIMINARY"), ("TS240517a", 1, "UPDATE")]
    assert [r.candidate.peak.statistic for r in sink.revisions if r.candidate] == [9.0, 12.0]
    assert {r.created_ns for r in sink.revisions} == {NOW_NS}


def test_a_finding_that_is_no_news_is_said_in_the_log_alone() -> None:
    sink = Kept()
    events = loop(sink)
    with capture_logs() as logged:
        for finding in (child.candidate(), child.candidate(), decision("TS240517a"), decision("TS240517a")):
            events.take(finding)
        events.take(child.candidate(0.2, 12.0))
    assert sink.said == [("TS240517a", 0, "PRELIMINARY"), ("TS240517a", 1, "RETRACTION")]
    assert [(e["event"], e.get("retracted")) for e in logged] == [
        ("already_alerted", False),
        ("already_decided", None),
        ("already_alerted", True),
    ]


def test_findings_are_held_until_what_was_said_before_is_known() -> None:
    sink = Kept()
    events = loop(sink, begun=False)
    for finding in (child.candidate(60.0), child.candidate(0.0), child.candidate(60.2, 12.0)):
        events.take(finding)
    assert (sink.revisions, events.held, events.begun) == ([], 3, False)
    events.recall(Sent("TS240517c", 0, "PRELIMINARY", child.GPS_NS, 9.0, 1e-9, ("H1", "L1")))
    events.begin()
    assert (events.held, events.begun) == (0, True)
    assert sink.said == [("TS240517d", 0, "PRELIMINARY"), ("TS240517d", 1, "UPDATE")]


def test_only_so_many_findings_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HELD", 1)
    events = loop(Kept(), begun=False)
    events.take(child.candidate())
    with pytest.raises(PublishError, match="1 findings wait"):
        events.take(child.candidate())


def test_a_finding_that_the_sink_does_not_take_is_still_held() -> None:
    """Until its alert is somewhere the strain's place must not move on."""
    sink = Kept(refuse=lambda revision: revision.superevent_id.endswith("b"))
    events = loop(sink, begun=False)
    for after_s in (0.0, 60.0, 120.0):
        events.take(child.candidate(after_s))
    with pytest.raises(PublishError, match="disk is full"):
        events.begin()
    assert (events.held, events.begun, len(sink.revisions)) == (2, False, 1)


def test_once_a_revision_was_not_taken_nothing_that_waits_is_let_go_or_forgotten() -> None:
    """It is known as said already: stepped again it would be no news, and gone."""
    sink = Kept(refuse=lambda revision: revision.superevent_id.endswith("a"))
    events = loop(sink)
    events.take(child.candidate(0.0), 0.0)
    events.take(child.candidate(60.0), 0.0)
    with pytest.raises(PublishError, match="disk is full"):
        events.turn()
    events.turn()
    assert (events.held, events.settled, events.lost, sink.said) == (2, False, True, [])


def test_a_decision_about_nothing_known_is_told_to_who_brings_it_and_holds_up_nobody() -> None:
    sink = Kept()
    with pytest.raises(PublishError, match="TS240517z is not known"):
        loop(sink).take(decision("TS240517z"))
    events = loop(sink, begun=False)
    events.take(decision("TS240517z"))
    events.take(child.candidate())
    with capture_logs() as logged:
        events.begin()
    assert [(e["event"], e["superevent_id"]) for e in logged] == [("decision_refused", "TS240517z")]
    assert sink.said == [("TS240517a", 0, "PRELIMINARY")]


def test_findings_may_come_from_many_threads() -> None:
    """Ids and revisions count up in the order in which the sink has them, none twice."""
    sink = Kept()
    events, start = loop(sink), threading.Barrier(4)

    def find(mine: int) -> None:
        start.wait()
        for k in range(20):
            events.take(child.candidate(10.0 * k, 9.0 + mine))

    threads = [threading.Thread(target=find, args=(mine,)) for mine in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    by_event: dict[str, list[int]] = {}
    for revision in sink.revisions:
        by_event.setdefault(revision.superevent_id, []).append(revision.number)
    assert len(by_event) == 20
    assert all(numbers == list(range(len(numbers))) for numbers in by_event.values())
    names = list(by_event)
    assert all(a < b for a, b in pairwise(names))
