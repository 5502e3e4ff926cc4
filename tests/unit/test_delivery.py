"""The engine of a subscription: each alert once, in its event's order, and a place that moves behind what was done."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from delivering import NOW_NS, Given, as_avro, as_json, engine_of, kinds, only, record, run
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.message import SourceMessage
from pipelines.subscribe.accepted import Accepted
from pipelines.subscribe.database import Database, check_name
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.hands import Hands
from pipelines.subscribe.opened import Begin, open_source
from pipelines.subscribe.queue import Queue
from pipelines.subscribe.received import ReceivedAlert, receive
from pipelines.subscribe.routes import Judged, Route
from pipelines.subscribe.state import State
from stream.errors import ConfigurationError, StateError, TransportError
from stream.kafka.consumer import Message
from stream.settings import Settings


def test_the_same_alert_from_two_brokers_in_two_forms_is_one() -> None:
    """LVK's is JSON at GCN and Avro at SCiMMA."""
    alert = record("PRELIMINARY", 1)
    assert kinds(run(Given("gcn", [as_json(alert)]), Given("scimma", [as_avro(alert)]))) == ["PRELIMINARY"]


def test_every_alert_of_the_userguide_is_one_in_both_forms(data_dir: Path) -> None:
    """So it is with real ones, in the forms in which LVK's guide has them."""
    folder = data_dir / "alerts/lvk_userguide"
    avro = {p.stem: p for p in folder.glob("**/*.avro")}
    pairs = [(p, avro[p.stem]) for p in folder.glob("**/*.json") if p.stem in avro]
    if not pairs:
        pytest.skip("the guide's examples have no pair of forms")
    for one, other in pairs:
        assert len(run(Given("gcn", [one.read_bytes()]), Given("scimma", [other.read_bytes()]))) == 1, one.name


def test_what_differs_in_anything_is_another_alert() -> None:
    alerts = [record("UPDATE", 1), record("UPDATE", 1, far=2e-9), record("UPDATE", 1, skymap=b"other")]
    assert len(run(Given("local", [as_avro(a) for a in alerts]))) == 3


def test_a_restart_delivers_nothing_again(tmp_path: Path) -> None:
    values = [as_avro(record("PRELIMINARY", 1)), as_avro(record("UPDATE", 2))]
    for expected in (2, 0):
        database = Database(tmp_path / "x")
        assert len(run(Given("local", values), state=State(database))) == expected
        database.close()


def test_what_was_not_come_back_for_is_delivered_again(tmp_path: Path) -> None:
    """Whoever is killed while it points the telescope gets the alert once more; those before it not."""
    values = [as_avro(record("PRELIMINARY", 1)), as_avro(record("UPDATE", 2))]
    database = Database(tmp_path / "x")
    source = Given("local", values)
    deliveries = engine_of(source, state=State(database)).deliveries(threading.Event())
    assert [next(deliveries).alert.record["alert_type"] for _ in range(2)] == ["PRELIMINARY", "UPDATE"]
    deliveries.close()
    assert source.placed == 1
    database.close()
    again = Database(tmp_path / "x")
    assert kinds(run(Given("local", values), state=State(again))) == ["UPDATE"]


def test_the_place_is_written_with_what_was_delivered(tmp_path: Path) -> None:
    state = State(Database(tmp_path / "x"))
    assert state.is_new
    run(Given("local", [as_avro(record("PRELIMINARY", 1)), b"rubbish"]), state=state)
    assert state.places("local") == {("t", 0): 2}
    assert not state.is_new


def test_what_was_begun_when_a_process_was_killed_is_done_again_whatever_the_rules_are(tmp_path: Path) -> None:
    values = [as_avro(record("INITIAL", 1))]
    for route in (only("INITIAL"), replace(only("UPDATE"), name="other", actions=("tell",))):
        state = State(database := Database(tmp_path / "x"), hands={"slew": (hands := Hands())})
        state.bury_orphans(NOW_NS)
        source = Given("local", values)
        engine = engine_of(source, state=state, routes=(route,), actions=frozenset({"slew", "tell"}))
        list(engine._batch(source, source.poll(0.0), threading.Event()))
        assert (Queue(database).waiting(), bool(hands), Queue(database).dead()) == ({"slew": 1}, True, [])
        database.close()


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "x" * 1_000_000, "../x", "\x1b[2J"])
def test_an_id_that_no_file_can_hold_stops_nobody(name: str, tmp_path: Path) -> None:
    state = State(database := Database(tmp_path / "x"))
    found = run(Given("gcn", [as_json(record("INITIAL", 1, name))]), state=state, routes=(only("INITIAL"),))
    assert kinds(found) == ["INITIAL"]
    job = Queue(database).take("slew", NOW_NS)
    assert job is not None and job.superevent_id.isprintable() and len(job.superevent_id) <= 1000


def test_what_was_overtaken_is_not_delivered() -> None:
    """The slower broker's older alert would turn the telescope back."""
    newer, older = as_avro(record("UPDATE", 5)), as_avro(record("PRELIMINARY", 1))
    engine = engine_of(Given("gcn", [newer]), Given("scimma", [older, newer]))
    assert kinds(list(engine.deliveries(threading.Event()))) == ["UPDATE"]
    assert engine.passed_over == {"overtaken": 1, "repeated": 1}


def test_who_only_looks_sees_all_as_it_comes() -> None:
    alerts = [record("UPDATE", 5), record("PRELIMINARY", 1), record("RETRACTION", 7), record("INITIAL", 3)]
    found = run(Given("local", [as_avro(alert) for alert in alerts]), in_order=False)
    assert kinds(found) == ["UPDATE", "PRELIMINARY", "RETRACTION", "INITIAL"]
    assert found[2].as_line() == "S261122a  RETRACTION"


def test_nothing_is_read_while_it_may_not_be() -> None:
    source, asked = Given("local", [as_avro(record("INITIAL", 1))]), iter([False, False, True])
    engine = Engine([source], State(Database(None)), Subscription(), ready=lambda: next(asked, True))
    assert kinds(list(engine.deliveries(threading.Event()))) == ["INITIAL"]
    assert source.held == 2


def test_a_fault_of_ours_costs_one_alert_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever is started again would meet the same message, again and again."""

    def judge(alert: ReceivedAlert) -> Judged:
        if alert.record["alert_type"] == "UPDATE":
            raise ZeroDivisionError
        return Judged(True)

    def reading(message: Message) -> ReceivedAlert:
        if message.offset == 0:
            raise RecursionError
        return receive(message)

    monkeypatch.setattr("pipelines.subscribe.received.receive", reading)
    values = [as_avro(record(*a)) for a in (("EARLYWARNING", 1), ("UPDATE", 2), ("INITIAL", 3))]
    assert kinds(run(Given("gcn", values), routes=(Route("rule", judge),))) == ["INITIAL"]


class Refusing(Given):
    """A source that has refused us when it is asked first."""

    refusals = 1

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        if self.refusals:
            self.refusals -= 1
            raise TransportError("the group is not allowed")
        return super().poll(timeout_s)


def test_a_source_that_refuses_us_silences_no_other() -> None:
    """It is asked again; alone it is an error."""
    values = [as_avro(record(*a)) for a in (("INITIAL", 1), ("UPDATE", 2))]
    assert kinds(run(Refusing("scimma", [values[1]]), Given("gcn", [values[0]]))) == ["INITIAL", "UPDATE"]
    with pytest.raises(TransportError, match="not allowed"):
        run(Refusing("scimma", values))


def test_an_alert_that_claims_to_be_of_the_future_hides_none_that_follow() -> None:
    forged = as_avro(record("UPDATE", 1) | {"time_created": "2999-01-01T00:00:00Z"})
    assert (
        len(run(Given("local", [forged, as_avro(record("UPDATE", 2) | {"time_created": "2027-06-01T00:00:00Z"})]))) == 2
    )


def test_tests_are_delivered_where_they_are_asked_for() -> None:
    """By id, and by hop's header."""
    mock, real = as_avro(record("INITIAL", 1, "MS261122a")), as_avro(record("INITIAL", 1))
    assert len(run(Given("gcn", [mock, real]), tests={"gcn": False})) == 1
    assert len(run(Given("gcn", [real], (("_test", b"true"),)), tests={"gcn": False})) == 0
    found = run(Given("local", [mock, real]), tests={"gcn": False})
    assert [delivery.is_test for delivery in found] == [True, False]


def test_a_line_tells_what_matched_and_what_is_done() -> None:
    [found] = run(Given("local", [as_avro(record("INITIAL", 1))]), routes=(only("INITIAL"), only("UPDATE")))
    told = json.loads(found.as_json())["subscription"]
    assert [(rule["matched"], rule["because"]) for rule in told["rules"]] == [
        (True, ["alert type is INITIAL"]), (False, ["alert type is not UPDATE"]),
    ]  # fmt: skip
    assert told["actions"] == ["slew"]
    assert found.as_line().endswith("→ slew")


def test_a_state_file_belongs_to_one_process(tmp_path: Path) -> None:
    database = Database(tmp_path / "x")
    with pytest.raises(ConfigurationError, match="in use by another process"):
        Database(tmp_path / "x")
    database.close()
    Database(tmp_path / "x").close()


def test_a_state_file_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    database = Database(tmp_path / "x")
    with database.transaction() as run_sql:
        run_sql.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(ConfigurationError, match="version 9"):
        Database(tmp_path / "x")


def test_a_disk_that_takes_nothing_is_told_and_nothing_is_done_with(tmp_path: Path) -> None:
    """What was read is read again by the next process."""
    state = State(database := Database(tmp_path / "x"))
    with database.reading() as run_sql:
        run_sql.execute("PRAGMA query_only = ON")
    source = Given("local", [as_avro(record("INITIAL", 1))])
    with pytest.raises(StateError, match="free its disk"):
        list(engine_of(source, state=state).deliveries(threading.Event()))
    assert source.placed == 0


def test_a_topic_that_is_asked_for_later_begins_with_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No telescope is slewed to what came to it weeks ago; what came meanwhile to those that were asked for is new."""
    begins: list[str | int] = []

    def opening(
        name: str, kafka: Any, topics: Any, group: str, clock: Any, start: str | int, *_: Any, **__: Any
    ) -> None:
        begins.append(start)

    monkeypatch.setattr(sys.modules[open_source.__module__], "KafkaSource", opening)
    state = State(Database(None))
    for topics in (["t"], ["t"], ["t", "u"], ["t", "u"]):
        open_source("local", Settings(), state, Begin(None, "group"), {}, topics)
        state.accept(Accepted((("local", "t", 0), 7)))
        state.flush(NOW_NS)
    open_source("local", Settings(), state, Begin(None, "group", "earliest"), {}, ["t"])
    open_source("local", Settings(), State(Database(None)), Begin(None, "group", "earliest"), {}, ["t"])
    assert begins == ["latest", "unread", "latest", "unread", "unread", "earliest"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b", "\n"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        check_name(name)


@given(st.lists(st.integers(0, 11), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_whatever_comes_in_whatever_order_each_is_delivered_at_most_once_and_in_order(picks: list[int]) -> None:
    alerts = [
        record(k, s, e)
        for e in ("S1a", "S2a")
        for s, k in enumerate(("INITIAL", "UPDATE", "UPDATE", "RETRACTION", "UPDATE", "RETRACTION"))
    ]
    values = [as_avro(alert) for alert in alerts]
    found = run(Given("local", [values[k] for k in picks]))
    keys = [delivery.key for delivery in found]
    assert len(set(keys)) == len(keys)
    for event in ("S1a", "S2a"):
        of = [d.alert.record for d in found if d.alert.superevent_id == event and d.alert.record["event"] is not None]
        assert [a["time_created"] for a in of] == sorted(a["time_created"] for a in of)
