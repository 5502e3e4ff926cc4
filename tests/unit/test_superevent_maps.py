"""One event and its map: what a follow-up that comes in time, late, again or after a restart makes of its alerts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from findings import MERGER_NS, NOW_NS, SOURCE, decided, heard, late, mapped, said

from stream.errors import PublishError
from stream.records import Followed, Revision
from stream.superevent import Sent, Superevents
from stream.superevent.known import MAPS_KEPT
from stream.timebase import NS_PER_S


def only(revisions: tuple[Revision, ...]) -> Revision:
    [revision] = revisions
    return revision


def restarted(*made: Revision) -> Superevents:
    """Return what a restart knows from the headers of alerts: no map, but that there was one."""
    after = Superevents("test")
    for revision in made:
        after.recall(replace(Sent.of(revision), localized=None))
    return after


def test_a_map_in_time_makes_one_revision() -> None:
    events, candidate = Superevents("test"), heard()
    made = events.step(mapped(candidate), NOW_NS)
    assert said(made) == [("TS150914a", 0, "PRELIMINARY")]
    assert (only(made).candidate, only(made).localized) == (candidate, mapped(candidate))
    assert events.step(mapped(candidate), NOW_NS) == events.step(candidate, NOW_NS) == ()


def test_a_late_map_is_an_update_of_the_same_candidate() -> None:
    events, candidate = Superevents("test"), heard()
    first = only(events.step(late(candidate), NOW_NS))
    second = only(events.step(mapped(candidate), NOW_NS + 1))
    assert said((first, second)) == [("TS150914a", 0, "PRELIMINARY"), ("TS150914a", 1, "UPDATE")]
    assert (first.followed, second.localized) == (None, mapped(candidate))
    assert first.localized is not None and first.localized.reasons["skymap"] == "not ready within 0.15 s"
    assert first.candidate == second.candidate


def test_what_tells_no_more_than_was_told_says_nothing() -> None:
    events, candidate = Superevents("test"), heard()
    events.step(mapped(candidate), NOW_NS)
    for less in (late(candidate), mapped(candidate, source=None), mapped(candidate, "bayestar", None)):
        assert events.step(less, NOW_NS) == ()


def test_a_class_that_came_after_the_map_and_a_refined_map_are_updates_each_once() -> None:
    events, candidate = Superevents("test"), heard()
    findings = (mapped(candidate, source=None), mapped(candidate), mapped(candidate, "bayestar"), mapped(candidate))
    made = [r for finding in findings for r in events.step(finding, NOW_NS)]
    assert [(r.number, r.followed and r.followed.method) for r in made] == [
        (0, "tocsin"),
        (1, "tocsin"),
        (2, "bayestar"),
    ]


def test_the_map_of_a_candidate_that_is_not_preferred_says_nothing() -> None:
    """It was passed over, or a louder one has been told since."""
    events, bump, peak, echo = Superevents("test"), heard(0, 8.0), heard(500_000_000, 20.0), heard(900_000_000, 9.0)
    events.step(late(bump), NOW_NS)
    events.step(late(peak), NOW_NS)
    for passed_over in (mapped(bump), mapped(echo), late(echo)):
        assert events.step(passed_over, NOW_NS) == ()
    assert said(events.step(mapped(peak), NOW_NS)) == [("TS150914a", 2, "UPDATE")]


def test_a_louder_candidate_with_its_map_is_an_update_though_the_one_before_had_one_too() -> None:
    events, bump, peak = Superevents("test"), heard(0, 8.0), heard(500_000_000, 20.0)
    events.step(mapped(bump), NOW_NS)
    made = only(events.step(mapped(peak), NOW_NS))
    assert (made.alert_type, made.candidate, made.localized) == ("UPDATE", peak, mapped(peak))


def test_after_a_retraction_a_map_says_nothing() -> None:
    events, candidate = Superevents("test"), heard()
    events.step(late(candidate), NOW_NS)
    assert events.is_news(candidate)
    events.step(decided("retract"), NOW_NS)
    assert events.step(mapped(candidate), NOW_NS) == ()
    assert not events.is_news(candidate)


def test_a_confirmation_repeats_map_and_class_and_a_map_that_comes_later_still_is_told() -> None:
    events, candidate = Superevents("test"), heard()
    events.step(mapped(candidate), NOW_NS)
    initial = only(events.step(decided("confirm"), NOW_NS))
    assert (initial.candidate, initial.localized) == (candidate, mapped(candidate))
    assert initial.followed == Followed.of(mapped(candidate))
    assert said(events.step(mapped(candidate, "bayestar"), NOW_NS)) == [("TS150914a", 2, "UPDATE")]


def test_after_a_restart_a_map_that_was_told_is_not_told_again_and_one_that_was_not_is() -> None:
    events, candidate = Superevents("test"), heard()
    first = only(events.step(late(candidate), NOW_NS))
    second = only(events.step(mapped(candidate), NOW_NS))
    again = heard(0, 12.1, 2e-6)  # the same peak, heard again by another background
    assert restarted(first, second).step(mapped(again), NOW_NS) == ()
    assert not restarted(first, second).is_news(again)
    assert restarted(first).is_news(again)
    update = only(restarted(first).step(mapped(again), NOW_NS))
    assert said((update,)) == [("TS150914a", 1, "UPDATE")]
    assert (update.candidate, update.message_id) == (candidate, second.message_id)


def test_after_a_restart_a_confirmation_wants_the_alert_read_whose_map_it_repeats() -> None:
    """Else it would take the map back."""
    first = only(Superevents("test").step(mapped(heard()), NOW_NS))
    after = restarted(first)
    assert after.unread("TS150914a") == 0
    with pytest.raises(PublishError, match="not been read"):
        after.step(decided("confirm"), NOW_NS)
    after.recall(replace(Sent.of(first), localized=None, event={"skymap": b"map"}))
    assert after.unread("TS150914a") is None
    initial = only(after.step(decided("confirm"), NOW_NS))
    assert (initial.carried, initial.followed) == ({"skymap": b"map"}, Followed.of(mapped(heard())))


def test_an_event_is_news_as_long_as_something_louder_or_more_can_be_said() -> None:
    events, bump, peak = Superevents("test"), heard(0, 8.0), heard(500_000_000, 20.0)
    assert events.is_news(bump)
    events.step(mapped(bump, source=None), NOW_NS)
    assert (events.is_news(bump), events.is_news(peak)) == (True, True)
    events.step(mapped(peak), NOW_NS)
    assert [events.is_news(c) for c in (bump, peak, heard(900_000_000, 10.0), heard(2 * NS_PER_S))] == [
        False, False, False, True,
    ]  # fmt: skip


def test_maps_are_known_of_the_newest_alerts_alone() -> None:
    """They are large; of others it is known that they had one."""
    events = Superevents("test")
    for k in range(MAPS_KEPT + 5):
        events.step(mapped(heard(k * 5 * NS_PER_S)), NOW_NS)
    kept = [
        sent for name in events._known for sent in events._known.alerts(name).values() if sent.localized is not None
    ]
    assert sorted(s.gps_ns for s in kept) == [MERGER_NS + k * 5 * NS_PER_S for k in range(5, MAPS_KEPT + 5)]
    assert events.unread("TS150914a") == 0


def test_classes_of_a_candidate_heard_again_share_the_p_astro_that_was_told() -> None:
    candidate = replace(heard(), p_astro=0.9)
    after = restarted(*Superevents("test").step(late(candidate), NOW_NS))
    again = replace(candidate, far_hz=1e-4, p_astro=0.6)
    classes = {"BNS": 0.0, "NSBH": 0.2, "BBH": 0.4, "Terrestrial": 0.4}
    made = only(after.step(mapped(again, source=replace(SOURCE, classification=classes)), NOW_NS))
    assert made.candidate == candidate
    assert made.localized is not None and made.localized.source is not None
    assert made.localized.source.classification == pytest.approx(
        {"BNS": 0.0, "NSBH": 0.3, "BBH": 0.6, "Terrestrial": 0.1}
    )


def test_classes_are_null_where_no_p_astro_was_told() -> None:
    candidate = heard()
    after = restarted(*Superevents("test").step(late(candidate), NOW_NS))
    made = only(after.step(mapped(replace(candidate, p_astro=0.6)), NOW_NS))
    assert made.localized is not None and made.localized.source is not None
    assert made.localized.source.classification is None
    assert made.localized.source.reasons["classification"] == f"no p_astro: {candidate.p_astro_reason}"


def test_alerts_without_a_map_take_none_from_memory() -> None:
    events = Superevents("test")
    first = only(events.step(mapped(heard()), NOW_NS))
    for k in range(1, MAPS_KEPT + 1):
        events.step(late(heard(10 * k * NS_PER_S)), NOW_NS)
    assert events.unread(first.superevent_id) is None
