"""One event: what is one, what is said of it, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from findings import MERGER_NS, NOW_NS, decided, heard, said
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import PublishError
from stream.superevent import SAME_EVENT_NS, Sent, Superevents, is_superevent_id
from stream.superevent.ids import letter_count, letters
from stream.superevent.known import ALERTS_KEPT
from stream.timebase import NS_PER_S, utc_to_gps_ns

FRAME_NS = NS_PER_S // 128


def test_two_peaks_of_one_event_the_louder_second_are_two_revisions_of_one_superevent() -> None:
    """The first bump does not win: the merger's own time and FAR follow as an UPDATE."""
    events = Superevents("test")
    [first] = events.step(heard(0, 8.0, 1e-5), NOW_NS)
    [second] = events.step(heard(600_000_000, 20.0, 5e-8), NOW_NS + 1)
    assert said((first, second)) == [("TS150914a", 0, "PRELIMINARY"), ("TS150914a", 1, "UPDATE")]
    assert first.candidate is not None and second.candidate is not None
    assert second.candidate.peak.statistic > first.candidate.peak.statistic
    assert (second.gps_ns, second.candidate.far_hz) == (MERGER_NS + 600_000_000, 5e-8)
    assert (first.created_ns, second.created_ns) == (NOW_NS, NOW_NS + 1)


def test_a_weaker_peak_of_an_event_says_nothing() -> None:
    events = Superevents("test")
    events.step(heard(0, 20.0), NOW_NS)
    assert events.step(heard(SAME_EVENT_NS, 8.0), NOW_NS) == ()
    assert said(events.step(heard(SAME_EVENT_NS + 1, 8.0), NOW_NS)) == [("TS150914b", 0, "PRELIMINARY")]


@pytest.mark.parametrize(("far_hz", "updates"), [(1e-9, 1), (1e-6, 0), (1e-5, 0)])
def test_two_models_of_one_event_are_compared_by_far_for_their_statistics_have_no_common_scale(
    far_hz: float, updates: int
) -> None:
    """As after a promotion: the network before told the event, the new one hears it again."""
    events = Superevents("test")
    events.step(heard(0, 12.0, 1e-6), NOW_NS)
    other = replace(heard(100_000_000, 40.0, far_hz), model="carillon-1")
    assert len(events.step(other, NOW_NS)) == updates


def test_an_event_reaches_from_each_of_its_revisions_and_the_nearest_one_takes_a_candidate() -> None:
    events = Superevents("test")
    events.step(heard(0, 8.0), NOW_NS)
    events.step(heard(900_000_000, 9.0), NOW_NS)
    assert said(events.step(heard(1_800_000_000, 10.0), NOW_NS)) == [("TS150914a", 2, "UPDATE")]
    events.step(heard(3_500_000_000, 8.0), NOW_NS)
    assert events.find(MERGER_NS + 2_600_000_000) == "TS150914a"
    assert events.find(MERGER_NS + 2_700_000_000) == "TS150914b"


@pytest.mark.parametrize(("frames", "statistic", "far_hz"), [(0, 12.0, 1e-6), (2, 12.9, 1e-9), (-2, 11.0, 1.0)])
def test_a_peak_heard_again_says_nothing_whatever_its_far_and_statistic_are_now(
    frames: int, statistic: float, far_hz: float
) -> None:
    """After a restart the PSD is a little different, and the live background begins anew."""
    events = Superevents("test")
    events.step(heard(), NOW_NS)
    assert events.step(heard(frames * FRAME_NS, statistic, far_hz), NOW_NS) == ()


def test_a_peak_heard_again_without_one_of_its_detectors_says_nothing_and_with_one_more_it_does() -> None:
    events = Superevents("test")
    events.step(heard(), NOW_NS)
    assert events.step(heard(0, 14.0, 1e-9, ("H1",)), NOW_NS) == ()
    assert said(events.step(heard(0, 14.0, 1e-9, ("H1", "L1", "V1")), NOW_NS)) == [("TS150914a", 1, "UPDATE")]


@pytest.mark.parametrize(
    ("statistic", "far_hz", "detectors", "louder"),
    [
        (12.1, 1e-3, ("H1", "L1"), True),  # the same detectors: the statistic alone
        (12.0005, 1e-9, ("H1", "L1"), False),  # the same statistic, but for rounding
        (11.9, 1e-9, ("H1", "L1"), False),
        (5.0, 1e-7, ("L1", "V1"), True),  # other detectors: their FARs are comparable, their statistics are not
        (30.0, 1e-5, ("L1", "V1"), False),
        (12.1, 1e-6, ("L1", "V1"), True),  # both FARs at one limit
        (11.9, 1e-6, ("L1", "V1"), False),
    ],
)
def test_louder_is_the_statistic_of_the_same_detectors_and_the_far_of_others(
    statistic: float, far_hz: float, detectors: tuple[str, ...], louder: bool
) -> None:
    events = Superevents("test")
    events.step(heard(), NOW_NS)
    assert bool(events.step(heard(500_000_000, statistic, far_hz, detectors), NOW_NS)) is louder


def test_what_was_passed_over_is_passed_over_again_though_its_far_has_changed() -> None:
    """It has to be louder than every alert of its event, not only than the last one."""
    events = Superevents("test")
    events.step(heard(0, 10.0, 1e-6), NOW_NS)
    assert events.step(heard(200_000_000, 9.0, 2e-6), NOW_NS) == ()
    assert len(events.step(heard(400_000_000, 12.0, 1e-7, ("H1",)), NOW_NS)) == 1
    assert events.step(heard(200_000_000, 9.0, 1e-8), NOW_NS) == ()


def test_what_was_passed_over_is_passed_over_again_though_another_event_stands_nearer_now() -> None:
    events = Superevents("test")
    events.step(heard(0, 50.0), NOW_NS)
    assert events.step(heard(900_000_000, 20.0), NOW_NS) == ()
    assert said(events.step(heard(1_500_000_000, 10.0), NOW_NS)) == [("TS150914b", 0, "PRELIMINARY")]
    assert events.step(heard(900_000_000, 20.0), NOW_NS) == ()


def test_a_retraction_is_final() -> None:
    events = Superevents("test")
    events.step(heard(), NOW_NS)
    [retracted] = events.step(decided("retract"), NOW_NS)
    assert said((retracted,)) == [("TS150914a", 1, "RETRACTION")]
    assert (retracted.candidate, retracted.carried, retracted.gps_ns) == (None, None, MERGER_NS)
    assert retracted.decision == decided("retract")
    assert events.is_retracted("TS150914a")
    assert events.step(heard(300_000_000, 99.0), NOW_NS) == ()
    assert events.step(decided("retract"), NOW_NS) == ()
    assert events.step(decided("retract", number=2), NOW_NS) == ()
    with pytest.raises(PublishError, match="TS150914a was retracted"):
        events.step(decided("confirm", number=3), NOW_NS)


def test_a_confirmation_repeats_the_loudest_once_and_updates_go_on() -> None:
    events = Superevents("test")
    events.step(heard(), NOW_NS)
    events.step(heard(300_000_000, 15.0), NOW_NS)
    [initial] = events.step(decided("confirm"), NOW_NS)
    assert said((initial,)) == [("TS150914a", 2, "INITIAL")]
    assert initial.candidate == heard(300_000_000, 15.0)
    assert events.step(decided("confirm"), NOW_NS) == ()
    assert events.step(decided("confirm", number=2), NOW_NS) == ()
    assert said(events.step(heard(600_000_000, 16.0), NOW_NS)) == [("TS150914a", 3, "UPDATE")]
    assert said(events.step(decided("retract", number=3), NOW_NS)) == [("TS150914a", 4, "RETRACTION")]


@pytest.mark.parametrize("kind", ["retract", "confirm"])
def test_a_decision_about_an_unknown_event_is_an_error_that_names_it(kind: str) -> None:
    with pytest.raises(PublishError, match="TS150914b is not known"):
        Superevents("test").step(decided(kind, "TS150914b"), NOW_NS)


def test_after_a_restart_a_confirmation_repeats_the_event_that_was_read() -> None:
    """Headers need not tell all; then the last alert's payload has to be read first, and it says so."""
    events = Superevents("test")
    bare = Sent("TS150914a", 0, "PRELIMINARY", MERGER_NS, 12.0, None, ("H1", "L1"))
    events.recall(bare)
    assert events.unread("TS150914a") == 0
    with pytest.raises(PublishError, match="not been read"):
        events.step(decided("confirm"), NOW_NS)
    events.recall(replace(bare, event={"far": 1e-6}))
    events.recall(bare)
    assert events.unread("TS150914a") is None
    [initial] = events.step(decided("confirm"), NOW_NS)
    assert (initial.candidate, initial.carried, initial.gps_ns) == (None, {"far": 1e-6}, MERGER_NS)
    assert said(events.step(heard(600_000_000, 16.0), NOW_NS)) == [("TS150914a", 2, "UPDATE")]


def test_ids_carry_prefix_and_utc_date_and_count_up_within_the_day() -> None:
    events = Superevents("test")
    midnight_ns = utc_to_gps_ns(datetime(2015, 9, 15, tzinfo=UTC)) - MERGER_NS
    made = [events.step(heard(t), NOW_NS)[0] for t in (0, 5 * NS_PER_S, midnight_ns)]
    assert [r.superevent_id for r in made] == ["TS150914a", "TS150914b", "TS150915a"]
    assert [r.day_count for r in made] == [1, 2, 1]
    assert dict(made[2].days) == {"TS150914": 2, "TS150915": 1}
    assert [Superevents(kind).step(heard(), 0)[0].superevent_id for kind in ("production", "mock")] == [
        "S150914a",
        "MS150914a",
    ]


def test_a_restart_goes_on_where_the_newest_alert_stands_though_the_others_are_not_read() -> None:
    """Also where the newest alert is about an event of another day."""
    before = Superevents("test")
    for k in range(3):
        before.step(heard(k * 5 * NS_PER_S), NOW_NS)
    [yesterday] = before.step(heard(-86_400 * NS_PER_S), NOW_NS)
    after = Superevents("test")
    after.recall(Sent.of(yesterday))
    assert after.step(heard(100 * NS_PER_S), NOW_NS)[0].superevent_id == "TS150914d"


@given(st.integers(1, 1_000_000))
def test_letters_count_like_lvk_and_back(count: int) -> None:
    assert letter_count(letters(count)) == count


def test_letters_go_from_z_to_aa() -> None:
    assert [letters(n) for n in (1, 26, 27, 52, 53, 702, 703)] == ["a", "z", "aa", "az", "ba", "zz", "aaa"]


@pytest.mark.parametrize("text", ["TS240517a", "S190425z", "MS181101ab"])
def test_an_id_has_a_form(text: str) -> None:
    """Prefix, six ASCII digits, one to eight letters, and nothing else."""
    assert is_superevent_id(text)
    assert not any(is_superevent_id(odd) for odd in (text + "/", "../" + text, text.upper(), text + "\n", text[:-2]))


def test_alerts_of_another_kind_and_other_ids_are_no_events_here() -> None:
    events = Superevents("test")
    for name in ("S150914f", "G184098", "TS150914", "../TS150914a", ""):
        events.recall(Sent(name, 0, "PRELIMINARY", MERGER_NS, 12.0))
    assert events.find(MERGER_NS) is None
    assert events.step(heard(), NOW_NS)[0].superevent_id == "TS150914a"


@pytest.mark.parametrize("label", ["zzzz", "zzzzz", "zzzzzzzz", "a" * 5000])
def test_a_label_or_count_that_nobody_reaches_does_not_move_the_count(label: str) -> None:
    """Ids stay short, distinct and known again, whatever a stranger put on the topic."""
    events = Superevents("test")
    events.recall(Sent("TS150914b", 0, "PRELIMINARY", MERGER_NS, 12.0, day_count=10**12, days={"TS150914": 10**12}))
    events.recall(Sent("TS150914" + label, 0, "PRELIMINARY", MERGER_NS + 50 * NS_PER_S, 12.0))
    given = [events.step(heard(k * 100 * NS_PER_S), NOW_NS)[0] for k in range(1, 4)]
    again = Superevents("test")
    for revision in given:
        again.recall(Sent.of(revision))
    assert [again.find(r.gps_ns) for r in given] == [r.superevent_id for r in given]
    assert len({r.superevent_id for r in given}) == 3
    assert max(len(r.superevent_id) for r in given) <= len("TS150914") + 5


def test_a_time_before_the_field_existed_is_refused_with_the_remedy() -> None:
    with pytest.raises(PublishError, match="clock"):
        Superevents("test").step(heard(NS_PER_S - MERGER_NS), NOW_NS)


def test_memory_is_bounded_and_one_time_far_off_does_not_make_it_forget() -> None:
    events = Superevents("test")
    events.recall(Sent("TS991231a", 0, "PRELIMINARY", 2**62, 12.0))
    for k in range(ALERTS_KEPT):
        events.recall(
            Sent(f"TS1509{k % 28 + 1:02d}" + "abcdefghij"[k % 10], k, "UPDATE", MERGER_NS + k * NS_PER_S, 9.0)
        )
    assert len(events._known) == ALERTS_KEPT
    assert sum(len(events._known.alerts(name)) for name in events._known) == ALERTS_KEPT
    assert events.find(MERGER_NS - NS_PER_S // 2) is None
    assert events.find(MERGER_NS + NS_PER_S) is not None


def test_the_message_id_follows_from_event_and_revision() -> None:
    """It is part of the contract with subscribers and with alerts on topics: never changed."""
    [first] = Superevents("test").step(heard(), NOW_NS)
    [again] = Superevents("test").step(heard(0, 13.0, 1e-8), NOW_NS + 5)
    assert first.message_id == again.message_id == "4f3ebe2b-baca-58f4-9afa-e479e204705e"
    assert replace(first, number=1).message_id != first.message_id
