"""What librdkafka's statistics say of a topic: answered or not, and whether all is read."""

from __future__ import annotations

import json
from typing import Any

from stream.kafka.standing import LeaderWatch, Standing


def report(ts_s: float, idle_s: float = 0.01, **partition: Any) -> str:
    """Return a report of one topic with one partition, led by broker 1 of two."""
    fields = {
        "partition": 0, "leader": 1, "broker": 1, "desired": True, "fetch_state": "active", "fetchq_cnt": 0,
        "next_offset": 5, "hi_offset": 5,
    }  # fmt: skip
    state = partition.pop("state", "UP")
    broker = {"state": state, "rxidle": round(idle_s * 1e6)}
    brokers = {"a:1/1": broker | {"nodeid": 1}, "a:2/2": broker | {"nodeid": 2}}
    unassigned = {"partition": -1, "leader": -1, "broker": -1, "desired": False, "fetch_state": "none"}
    topics = {"strain.H1": {"partitions": {"0": fields | partition, "-1": fields | unassigned}}}
    return json.dumps({"ts": round(ts_s * 1e6), "brokers": brokers, "topics": topics})


def test_a_leader_that_answers_attends_without_a_break() -> None:
    watch = LeaderWatch(lambda: 12.0)
    for k in range(20):
        watch(report(10.0 + k / 10))
    standing = watch.standing()["strain.H1"]
    assert round(standing.answered_ago_s, 3) == 0.11
    assert round(standing.attended_for_s, 3) == 1.9
    assert standing.at_end
    assert not standing.returned


def test_a_hung_leader_has_answered_long_ago_and_its_return_begins_anew() -> None:
    watch = LeaderWatch(lambda: 20.0)
    watch(report(10.0))
    for k in range(1, 90):
        watch(report(10.0 + k / 10, idle_s=k / 10))
    assert round(watch.standing()["strain.H1"].answered_ago_s, 1) == 10.0
    watch(report(19.9))
    assert round(watch.standing()["strain.H1"].answered_ago_s, 2) == 0.11
    assert watch.standing()["strain.H1"].attended_for_s == 0.0
    assert watch.standing()["strain.H1"].returned


def test_a_new_leader_begins_anew_however_quickly_it_answers() -> None:
    """Producers find it later than this consumer may: its first silence says nothing of the detector."""
    watch = LeaderWatch(lambda: 12.0)
    for k in range(10):
        watch(report(10.0 + k / 10))
    watch(report(11.0, leader=2, broker=2))
    watch(report(11.1, leader=2, broker=2))
    assert round(watch.standing()["strain.H1"].attended_for_s, 3) == 0.1


def test_a_lost_leader_an_unknown_one_and_an_offset_that_is_looked_up_are_no_answers() -> None:
    for change in ({"state": "DOWN"}, {"leader": -1}, {"leader": 2}, {"broker": 2}, {"fetch_state": "offset-query"}):
        watch = LeaderWatch(lambda: 10.0)
        watch(report(10.0, **change))
        assert watch.standing() == {}


def test_what_is_prefetched_or_still_on_the_broker_is_not_read() -> None:
    for change in ({"fetchq_cnt": 1}, {"hi_offset": 6}):
        watch = LeaderWatch(lambda: 10.0)
        watch(report(10.0, **change))
        assert not watch.standing()["strain.H1"].at_end


def test_a_topic_that_is_not_known_was_never_answered() -> None:
    assert Standing().answered_ago_s == float("inf")


def test_a_report_of_another_form_ends_nobody() -> None:
    watch = LeaderWatch(lambda: 10.0)
    no_topics = '"topics": {}'
    for odd in ("", "[]", "{}", f'{{"ts": "x", "brokers": {{"a": {{}}}}, {no_topics}}}', f'{{"ts": 1, {no_topics}}}'):
        watch(odd)
    assert watch.standing() == {}
