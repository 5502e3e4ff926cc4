"""The referee of the fault runs can fail: each failing is found in made-up lists, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from broker.referee import HOP_NS, NO_FAULT, NS, Alert, Beat, Fault, Verdict, count, false_alarms, judge, longest_deaf_s

T0 = 1_400_000_000 * NS
MERGER_NS = T0 + 20 * NS
HOPS = {k: (k + 1) * HOP_NS for k in range(T0 // HOP_NS, T0 // HOP_NS + 16 * 60)}
BOTH = {"H1": HOPS, "L1": HOPS}
ALERT = Alert("TS240517a", MERGER_NS + 3_000_000, ("H1", "L1"), MERGER_NS + NS // 4, MERGER_NS + NS // 3, "first")
KILL = Fault("alerts-leader-kill", MERGER_NS - 5 * NS, MERGER_NS + 5 * NS, MERGER_NS + 10 * NS)


def after(merger_s: float) -> Alert:
    return replace(ALERT, appended_ns=MERGER_NS + round(merger_s * NS))


def one(*alerts: Alert, faults: tuple[Fault, ...] = (), hops: dict[str, dict[int, int]] = BOTH) -> Verdict:
    (verdict,) = judge([MERGER_NS], hops, alerts, faults)
    return verdict


def without(first_s: float, last_s: float) -> dict[int, int]:
    return {k: HOPS[k] for k in HOPS if not first_s <= (k * HOP_NS - MERGER_NS) / NS < last_s}


def test_a_merger_with_its_one_alert_in_time_has_no_failing() -> None:
    assert one(ALERT).failings == frozenset()
    assert (one(ALERT).fault, one(ALERT).delay_s) == (NO_FAULT, 0.25)


def test_a_merger_without_an_alert_is_lost() -> None:
    assert one().failings == {"lost"}
    assert one(replace(ALERT, gps_ns=MERGER_NS + 2 * NS)).failings == {"lost"}


def test_one_message_twice_is_a_double_and_so_are_two_superevents_of_one_merger() -> None:
    assert one(ALERT, ALERT).failings == {"doubled"}
    other = replace(ALERT, superevent_id="TS240517b", gps_ns=MERGER_NS - NS // 2, message_id="other")
    assert one(ALERT, other).failings == {"doubled"}


def test_an_update_is_no_double_and_its_detectors_are_what_counts() -> None:
    bump = replace(after(0.2), detectors=("L1",))
    update = replace(after(0.4), gps_ns=MERGER_NS, message_id="second")
    assert one(update, bump).failings == frozenset()
    assert one(update, bump).delay_s == 0.2
    assert one(bump).failings == {"downgraded"}


def test_an_alert_of_one_detector_is_downgraded_if_the_other_was_on_kafka() -> None:
    assert one(replace(ALERT, detectors=("L1",))).failings == {"downgraded"}


@pytest.mark.parametrize("gap", [(-3.9, -3.8), (-0.1, 0.0), (0.4, 0.5)])
def test_what_was_not_on_kafka_is_not_asked_for(gap: tuple[float, float]) -> None:
    alone = one(replace(ALERT, detectors=("L1",)), hops={"H1": without(*gap), "L1": HOPS})
    assert (alone.detectors, alone.failings) == (("L1",), frozenset())
    assert judge([MERGER_NS], {"H1": without(*gap), "L1": without(*gap)}, [], []) == []


def test_a_verdict_says_whose_strain_could_be_read_when_the_alert_left() -> None:
    late = {k: read_ns + 9 * NS for k, read_ns in HOPS.items()}
    verdict = one(replace(after(2.0), detectors=("H1",)), faults=(KILL,), hops={"H1": HOPS, "L1": late})
    assert verdict.failings == {"downgraded"}
    assert verdict.in_time == ("H1",)


def test_a_gap_long_before_is_no_excuse() -> None:
    assert one(replace(ALERT, detectors=("L1",)), hops={"H1": without(-5, -4.1), "L1": HOPS}).failings == {"downgraded"}


def test_without_a_fault_an_alert_is_late_after_one_second() -> None:
    assert one(after(1.0)).failings == frozenset()
    assert one(after(1.1)).failings == {"late"}


def test_with_a_fault_an_alert_has_the_failover_from_the_later_of_fault_and_merger() -> None:
    assert one(after(12.9), faults=(KILL,)).failings == frozenset()
    assert one(after(13.1), faults=(KILL,)).failings == {"late"}
    struck_after = replace(KILL, injected_ns=MERGER_NS + NS // 2)
    assert one(after(13.4), faults=(struck_after,)).failings == frozenset()
    assert one(after(13.6), faults=(struck_after,)).failings == {"late"}


def test_where_nothing_can_come_before_the_healing_the_time_counts_from_it() -> None:
    two = replace(KILL, healed_ns=MERGER_NS + 20 * NS, settled_ns=MERGER_NS + 40 * NS, from_healing=True)
    assert one(after(32.9), faults=(two,)).failings == frozenset()
    assert one(after(33.1), faults=(two,)).failings == {"late"}


def test_a_fault_excuses_neither_what_was_due_before_nor_what_came_after_it_had_settled() -> None:
    later = replace(KILL, injected_ns=MERGER_NS + 2 * NS)
    earlier = replace(KILL, settled_ns=MERGER_NS - 1)
    assert [one(after(3.0), faults=(f,)).failings for f in (later, earlier)] == [{"late"}, {"late"}]


def test_counts_add_up_and_name_the_worst() -> None:
    far = [T0 + 40 * NS, T0 + 50 * NS]
    verdicts = judge([MERGER_NS, *far], BOTH, [after(2.0), after(3.0)], [])
    assert count(verdicts) == {
        "mergers": 3, "lost": 2, "doubled": 1, "downgraded": 0, "late": 1,
        "worst_delay_s": 2.0, "worst_after_merger_s": 2.0, "worst_seen_s": 0.333,
    }  # fmt: skip
    assert false_alarms([ALERT, replace(ALERT, gps_ns=T0)], [MERGER_NS]) == [replace(ALERT, gps_ns=T0)]


def test_the_daemon_is_deaf_while_its_slowest_detector_stands_still() -> None:
    beats = [Beat(T0 + k * NS, {"H1": T0 + k * NS, "L1": T0 + (k if k < 3 or k > 8 else 2) * NS}) for k in range(12)]
    sent = [T0 + k * NS // 2 for k in range(24)]
    assert longest_deaf_s(beats, sent) == 7.0


def test_nobody_is_deaf_while_nothing_is_sent() -> None:
    beats = [Beat(T0 + k * NS, {"H1": T0 + (k if k < 3 or k > 8 else 2) * NS}) for k in range(12)]
    assert longest_deaf_s(beats, [T0 + k * NS for k in range(12) if k < 3 or k > 8]) == 1.0


def test_a_daemon_that_falls_silent_for_good_is_deaf_to_the_end() -> None:
    beats = [Beat(T0 + k * NS, {"H1": T0 + k * NS}) for k in range(5)]
    assert longest_deaf_s(beats, [T0 + k * NS // 2 for k in range(41)]) == 16.0
