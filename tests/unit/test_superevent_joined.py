"""One event and what of another messenger coincides with it: what joins, what leaves, and what is no news."""

from __future__ import annotations

from dataclasses import replace

import pytest
from findings import MERGER_NS, NOW_NS, decided, heard, late, mapped, said
from messengers import burst, coincident

from stream.errors import PublishError
from stream.records import Coincidence, GwEvent, Joined, Revision
from stream.superevent import Sent, Superevents


def only(revisions: tuple[Revision, ...]) -> Revision:
    [revision] = revisions
    return revision


def told(event: Superevents) -> Superevents:
    event.step(heard(), NOW_NS)
    return event


class Sky:
    """What coincides, as asked by the events: each question is kept."""

    def __init__(self, external_after_s: float | None = 1.7) -> None:
        self.answer: Coincidence | None = None
        self.after_s = external_after_s
        self.asked: list[tuple[GwEvent, Joined | None]] = []

    def __call__(self, gw: GwEvent, last: Joined | None) -> Coincidence | None:
        self.asked.append((gw, last))
        if self.after_s == float("inf"):
            return None
        return coincident(None if self.after_s is None else burst(self.after_s), gw)


def test_what_was_heard_before_the_merger_stands_in_the_first_alert() -> None:
    sky = Sky(-0.5)
    first = only(Superevents("test", sky).step(heard(), NOW_NS))
    assert said((first,)) == [("TS150914a", 0, "PRELIMINARY")]
    assert first.joined is not None and first.coincidence is not None
    assert (first.joined.source, first.joined.time_difference_ns) == ("Fermi-GBM", -500_000_000)
    assert sky.asked == [(GwEvent("TS150914a", MERGER_NS, 1e-6), None)]


def test_a_map_that_comes_later_gives_the_joint_rate_with_the_sky_in_the_same_revision() -> None:
    events = Superevents("test", Sky())
    first = only(events.step(late(heard()), NOW_NS))
    second = only(events.step(mapped(heard()), NOW_NS))
    assert [r.joined and (r.joined.time_far_hz, r.joined.sky_far_hz) for r in (first, second)] == [
        (1e-9, None), (1e-9, 5e-10),
    ]  # fmt: skip
    assert second.coincidence is not None and second.coincidence.combined_fits == b"both"


def test_a_late_event_joins_once_moves_when_its_rate_does_and_leaves() -> None:
    """Each is an UPDATE that repeats candidate, map and class."""
    events, gw = Superevents("test"), GwEvent("TS150914a", MERGER_NS, 1e-6, "CBC", b"map")
    events.step(mapped(heard()), NOW_NS)
    found = coincident(burst(), gw)
    changes = [
        found, found, replace(found, time_far_hz=1.005e-9), replace(found, time_far_hz=1.02e-9),
        coincident(burst(2.5), gw), coincident(burst(2.55), gw), coincident(None, gw), coincident(None, gw),
    ]  # fmt: skip
    made = [events.step(change, NOW_NS) for change in changes]
    assert [len(revisions) for revisions in made] == [1, 0, 0, 1, 1, 0, 1, 0]
    updates = [only(revisions) for revisions in made if revisions]
    assert all((r.alert_type, r.candidate, r.localized) == ("UPDATE", heard(), mapped(heard())) for r in updates)
    assert [r.number for r in updates] == [1, 2, 3, 4]
    assert (updates[-1].joined, updates[-1].coincidence) == (None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"sky_far_hz": 1e-10}, {"overlap": 2.5}, {"significant": True},
        {"external": burst(event_id="524666472")}, {"external": burst(source="Swift-BAT")},
    ],
)  # fmt: skip
def test_another_event_a_rate_with_the_sky_an_overlap_and_a_word_are_news(change: dict[str, object]) -> None:
    events, found = told(Superevents("test")), coincident(burst())
    events.step(found, NOW_NS)
    assert len(events.step(replace(found, **change), NOW_NS)) == 1  # type: ignore[arg-type]


def test_other_names_of_the_same_event_are_no_news() -> None:
    events, found = told(Superevents("test")), coincident(burst())
    events.step(found, NOW_NS)
    again = replace(found, external=burst(names=("GRB 150914B",), revision=3), others=("IceCube 12",))
    assert events.step(again, NOW_NS) == ()


def test_what_coincides_with_an_event_that_is_not_known_or_was_withdrawn_says_nothing() -> None:
    events = Superevents("test")
    assert events.step(coincident(burst()), NOW_NS) == ()
    told(events).step(decided("retract"), NOW_NS)
    assert events.change(coincident(burst())) is None
    assert events.step(coincident(burst()), NOW_NS) == ()
    assert events.events() == ()


def test_a_retraction_tells_of_no_coincidence() -> None:
    events = told(Superevents("test", Sky()))
    assert only(events.step(decided("retract"), NOW_NS)).joined is None


def test_after_a_confirmation_what_joins_is_an_update() -> None:
    events = told(Superevents("test"))
    initial = only(events.step(decided("confirm"), NOW_NS))
    made = only(events.step(coincident(burst()), NOW_NS))
    assert (initial.joined, made.alert_type, made.number) == (None, "UPDATE", 2)


def test_a_confirmation_says_what_coincides_by_then() -> None:
    events = told(Superevents("test", Sky()))
    assert only(events.step(decided("confirm"), NOW_NS)).joined == Joined.of(coincident(burst()))


def test_a_restart_neither_repeats_what_was_told_nor_forgets_it() -> None:
    events = told(Superevents("test"))
    made = only(events.step(coincident(burst()), NOW_NS))
    after = Superevents("test")
    after.recall(Sent.of(made))
    assert after.step(coincident(burst()), NOW_NS) == ()
    left = only(after.step(coincident(None), NOW_NS))
    assert (left.number, left.joined) == (2, None)


def test_an_alert_that_was_not_read_whole_is_not_repeated_and_then_is_asked_with_its_map() -> None:
    """What was compared was the event without its map: it is compared again, with what the alert will say."""
    sky = Sky()
    events, first = Superevents("test", sky), only(Superevents("test").step(mapped(heard()), NOW_NS))
    events.recall(replace(Sent.of(first), localized=None))
    assert events.events() == (GwEvent("TS150914a", MERGER_NS, 1e-6),)
    found = coincident(burst(), events.events()[0])
    assert (events.change(found), events.unread("TS150914a")) == ("joined", 0)
    with pytest.raises(PublishError, match="not been read"):
        events.step(found, NOW_NS)
    events.recall(replace(Sent.of(first), localized=None, event={"far": 1e-6, "skymap": b"map"}))
    made = only(events.step(found, NOW_NS))
    assert made.joined is not None and made.joined.sky_far_hz == 5e-10
    assert sky.asked == [(GwEvent("TS150914a", MERGER_NS, 1e-6, "CBC", b"map"), None)]


def test_where_nobody_can_say_what_was_told_stays() -> None:
    """The store is away, or has forgotten: of a louder candidate the rates are then not known."""
    sky = Sky()
    events = told(Superevents("test", sky))
    sky.after_s = float("inf")
    assert events.step(coincident(None), NOW_NS) == ()
    louder = only(events.step(heard(200_000_000, 20.0), NOW_NS))
    assert louder.joined is not None and louder.coincidence is None
    assert (louder.joined.time_difference_ns, louder.joined.time_far_hz) == (1_500_000_000, None)
    initial = only(events.step(decided("confirm"), NOW_NS))
    assert initial.joined == louder.joined


def test_that_nothing_coincides_any_more_is_asked_with_what_was_told() -> None:
    sky = Sky()
    events = told(Superevents("test", sky))
    sky.after_s = None
    assert only(events.step(coincident(None), NOW_NS)).joined is None
    assert sky.asked[-1][1] == Joined.of(coincident(burst()))
