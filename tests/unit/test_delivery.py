"""The engine of a subscription: each alert once, in its event's order, and a retraction to whoever got the alert."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.message import SourceMessage
from pipelines.subscribe.accepted import Accepted
from pipelines.subscribe.actions import Call
from pipelines.subscribe.database import Database, check_name
from pipelines.subscribe.delivery import Delivery
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.hands import Hands
from pipelines.subscribe.opened import Begin, open_source
from pipelines.subscribe.queue import Queue
from pipelines.subscribe.received import ReceivedAlert, receive
from pipelines.subscribe.routes import Judged, Route
from pipelines.subscribe.state import State
from stream.codec.alert import encode_alert
from stream.errors import ConfigurationError, StateError, TransportError
from stream.kafka.consumer import Message
from stream.settings import Settings

NOW_NS = 1_800_000_000_000_000_000
EVENT = {
    "time": "2026-11-22T00:00:00.000Z", "far": 1e-9, "significant": True, "instruments": ["H1", "L1"], "group": "CBC",
    "pipeline": "x", "search": "AllSky", "properties": {}, "classification": {"BNS": 0.9}, "duration": None,
    "central_frequency": None, "skymap": b"FITS",
}  # fmt: skip


def record(kind: str, second: int, event: str = "S261122a", **of_event: Any) -> dict[str, Any]:
    return {
        "alert_type": kind, "time_created": f"2026-11-22T00:{second // 60:02d}:{second % 60:02d}Z",
        "superevent_id": event, "event": None if kind == "RETRACTION" else EVENT | of_event, "external_coinc": None,
        "urls": {},
    }  # fmt: skip


def as_avro(alert: dict[str, Any]) -> bytes:
    return encode_alert(alert)


def as_json(alert: dict[str, Any]) -> bytes:
    event = alert["event"]
    if event is not None:
        event = event | {"skymap": base64.b64encode(event["skymap"]).decode()}
    return json.dumps(alert | {"event": event}).encode()


class Given:
    """A source that hands out what it was given, once; what is done with is remembered."""

    ended = False

    def __init__(self, name: str, values: Sequence[bytes], headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        self.name = name
        self._left = [
            SourceMessage(v, name, "t", f"t[0]@{k}", 0, headers, Message("t", 0, k, None, v, headers, 0))
            for k, v in enumerate(values)
        ]
        self.placed = self.held = 0

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        found, self._left, self.ended = self._left, [], True
        return found

    def hold(self) -> None:
        self.held += 1

    def done(self, messages: Sequence[SourceMessage]) -> None:
        self.placed += len(messages)

    def close(self) -> None:
        pass


def engine_of(
    *sources: Given, state: State | None = None, routes: tuple[Route, ...] = (Route(),), **more: Any
) -> Engine:
    state = state or State(Database(None))
    return Engine(sources, state, Subscription(routes, "x", **more), unix_ns=lambda: NOW_NS)


def run(*sources: Given, **more: Any) -> list[Delivery]:
    return list(engine_of(*sources, **more).deliveries(threading.Event()))


def kinds(deliveries: list[Delivery]) -> list[str]:
    return [delivery.alert.record["alert_type"] for delivery in deliveries]


def only(kind: str) -> Route:
    """Return a rule that matches one kind of alert, to an action."""

    def judge(alert: ReceivedAlert) -> Judged:
        matched = alert.record["alert_type"] == kind
        return Judged(matched, (f"alert type is {'' if matched else 'not '}{kind}",))

    return Route("rule", judge, ("slew",))


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


def test_a_retraction_reaches_whoever_got_the_alert() -> None:
    """Though a rule cannot match it: it tells nothing. Who was told nothing of the event does not hear of it."""
    values = [as_avro(record("INITIAL", 1)), as_avro(record("RETRACTION", 2))]
    found = run(Given("local", values), routes=(only("INITIAL"),))
    assert kinds(found) == ["INITIAL", "RETRACTION"]
    assert [(v.judged.matched, v.followed) for v in found[1].verdicts] == [(False, True)]
    assert run(Given("local", values), routes=(only("UPDATE"),)) == []


def test_a_retraction_follows_though_the_rules_have_other_names_by_now(tmp_path: Path) -> None:
    """Who got the alert is the subscription: as when --where has become a preset."""
    for routes, kind in (((only("INITIAL"),), "INITIAL"), ((replace(only("UPDATE"), name="tarot"),), "RETRACTION")):
        database = Database(tmp_path / "x")
        values = [as_avro(record("INITIAL", 1)), as_avro(record("RETRACTION", 2))][: 1 if kind == "INITIAL" else 2]
        [found] = run(Given("local", values), state=State(database), routes=routes)
        assert (kinds([found]), found.actions) == ([kind], ("slew",))
        database.close()


def downgraded(database: Database) -> None:
    """Make of a state file one of version 1."""
    with database.transaction() as run_sql:
        run_sql.execute("DROP TABLE told_action")
        run_sql.execute("PRAGMA user_version = 1")


@pytest.mark.parametrize(
    ("former", "now", "configured", "told"),
    [
        (("a",), ("a", "b"), "ab", "ab"),  # b was added: it may hear of what it was not told
        (("a", "b"), ("a",), "ab", "ab"),  # b is another rule's by now, or of none
        (("a", "b"), ("a",), "a", "a"),  # b is gone
        (("a",), ("b",), "ab", "ba"),
        (("a",), (), "a", "a"),
        ((), ("a",), "a", "a"),
    ],
)
def test_a_retraction_reaches_each_action_that_was_told_and_is_still_there(
    former: tuple[str, ...], now: tuple[str, ...], configured: str, told: str, tmp_path: Path
) -> None:
    """Though its rule names others by now, and whether or not it was done by then."""
    rule, values = only("INITIAL"), [as_avro(record("INITIAL", 1)), as_avro(record("RETRACTION", 2))]
    for actions, names, count in ((former, frozenset(former), 1), (now, frozenset(configured), 2)):
        state = State(database := Database(tmp_path / "x"))
        found = run(
            Given("local", values[:count]), state=state, routes=(replace(rule, actions=actions),), actions=names
        )
        for name in former if count == 1 else ():
            job = Queue(database).take(name, NOW_NS)
            assert job is not None
            Queue(database).done(job)
        database.close()
    assert (kinds(found), found[0].actions) == (["RETRACTION"], tuple(told))


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


def test_a_retraction_that_comes_with_its_alert_reaches_whoever_another_rule_told() -> None:
    """Before either was written."""
    routes = (replace(only("INITIAL"), name="one"), replace(only("UPDATE"), name="two", actions=("tell",)))
    values = [as_avro(record(*a)) for a in (("INITIAL", 1), ("UPDATE", 2), ("RETRACTION", 3))]
    found = run(Given("local", values), routes=routes, actions=frozenset({"slew", "tell"}))
    assert [delivery.actions for delivery in found] == [("slew",), ("slew", "tell"), ("slew", "tell")]


def test_a_state_file_of_version_1_is_taken_over_whole(tmp_path: Path) -> None:
    """What was delivered stays known, what waits is done, who was told hears of the retraction; none is lost."""
    values = [as_avro(record("INITIAL", 1)), as_avro(record("RETRACTION", 2))]
    run(Given("local", values[:1]), state=State(database := Database(tmp_path / "x")), routes=(only("INITIAL"),))
    downgraded(database)
    beside = Database(tmp_path / "x", beside=True)
    assert Queue(beside).waiting() == {"slew": 1}
    beside.close()
    database.close()
    state = State(database := Database(tmp_path / "x"))
    assert state.places("local") == {("t", 0): 1}
    assert state.told("S261122a") == {"rule"}
    assert Queue(database).waiting() == {"slew": 1}
    other = replace(only("INITIAL"), actions=("tell",))
    [found] = run(Given("local", values), state=state, routes=(other,), actions=frozenset({"slew", "tell"}))
    assert (kinds([found]), found.actions) == (["RETRACTION"], ("tell", "slew"))
    database.close()
    Database(tmp_path / "x").close()


def test_a_retraction_of_what_was_delivered_follows_though_its_source_tells_no_tests() -> None:
    event = "MS261122a"
    told, withdrawn = as_avro(record("INITIAL", 1, event)), as_avro(record("RETRACTION", 2, event))
    tests = {"local": True, "gcn": False}
    assert kinds(run(Given("local", [told]), Given("gcn", [withdrawn]), tests=tests)) == ["INITIAL", "RETRACTION"]
    assert run(Given("gcn", [told, withdrawn]), tests=tests) == []


def test_an_event_of_ours_is_not_lvks_of_the_same_id() -> None:
    """Both count a day's events from a: the retraction of one withdraws nothing of the other, nor overtakes it."""
    ours = (("tocsin.gps_ns", b"1400000000000000000"),)
    theirs, mine = (
        as_avro(record("INITIAL", 5)),
        [as_avro(record(k, s)) for k, s in (("INITIAL", 1), ("RETRACTION", 9))],
    )
    found = run(Given("gcn", [theirs]), Given("local", mine, ours))
    assert kinds(found) == ["INITIAL", "INITIAL", "RETRACTION"]
    later = as_avro(record("UPDATE", 7))
    assert kinds(run(Given("local", mine, ours), Given("gcn", [theirs, later]))) == [
        *kinds(found[1:]),
        "INITIAL",
        "UPDATE",
    ]


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "x" * 1_000_000, "../x", "\x1b[2J"])
def test_an_id_that_no_file_can_hold_stops_nobody(name: str, tmp_path: Path) -> None:
    state = State(database := Database(tmp_path / "x"))
    found = run(Given("gcn", [as_json(record("INITIAL", 1, name))]), state=state, routes=(only("INITIAL"),))
    assert kinds(found) == ["INITIAL"]
    job = Queue(database).take("slew", NOW_NS)
    assert job is not None and job.superevent_id.isprintable() and len(job.superevent_id) <= 1000


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_every_order_of_arrival_nobody_is_left_with_an_alert_that_was_withdrawn(order: tuple[int, ...]) -> None:
    """What comes after its retraction is not acted upon; what came before is withdrawn."""
    values = [as_avro(a) for a in (record("INITIAL", 1), record("UPDATE", 2), record("RETRACTION", 3))]
    found = kinds(run(Given("local", [values[k] for k in order]), routes=(only("INITIAL"),)))
    assert found in (["INITIAL", "RETRACTION"], ["INITIAL", "UPDATE", "RETRACTION"], [])
    assert not found or found[-1] == "RETRACTION"


def test_an_alert_made_after_the_retraction_is_delivered() -> None:
    """As of an event that is taken up again."""
    values = [as_avro(record(*a)) for a in (("INITIAL", 1), ("RETRACTION", 2), ("UPDATE", 3), ("RETRACTION", 4))]
    assert kinds(run(Given("local", values))) == ["INITIAL", "RETRACTION", "UPDATE", "RETRACTION"]


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


def test_an_alert_that_waits_when_its_event_is_withdrawn_is_not_acted_upon(tmp_path: Path) -> None:
    state = State(database := Database(tmp_path / "x"))
    run(
        Given("local", [as_avro(record("INITIAL", 1)), as_avro(record("RETRACTION", 2))]),
        state=state,
        routes=(only("INITIAL"),),
    )
    queue = Queue(database)
    job = queue.take("slew", NOW_NS)
    assert job is not None
    assert Call.of(job).alert.record["alert_type"] == "RETRACTION"
    assert queue.waiting() == {"slew": 1}
    queue.done(job)
    assert queue.waiting() == {} and queue.dead() == []


@pytest.mark.parametrize("now", [(), ("tell",)])
def test_what_waits_for_an_action_that_is_gone_is_withdrawn_too(tmp_path: Path, now: tuple[str, ...]) -> None:
    """Else it would be done when the action comes back."""
    rule, values = only("INITIAL"), [as_avro(record("INITIAL", 1)), as_avro(record("RETRACTION", 2))]
    state = State(database := Database(tmp_path / "x"))
    run(Given("local", values[:1]), state=state, routes=(rule,))
    run(Given("local", values), state=state, routes=(replace(rule, actions=now),), actions=frozenset(now))
    assert Queue(database).waiting() == dict.fromkeys(now, 1)


def test_who_keeps_alerts_has_those_of_a_withdrawn_event_too(tmp_path: Path) -> None:
    """An archive is no telescope: it does not matter what was withdrawn before it was written."""
    values = [as_avro(record(*a)) for a in (("INITIAL", 1), ("UPDATE", 2), ("RETRACTION", 3))]
    state = State(database := Database(tmp_path / "x"))
    run(Given("local", values), state=state, routes=(only("INITIAL"),), keeping=frozenset({"slew"}))
    assert Queue(database).waiting() == {"slew": 3}


def test_a_full_queue_makes_dead_letters_and_lets_retractions_in(tmp_path: Path) -> None:
    state = State(database := Database(tmp_path / "x"), most_waiting=2)
    values = [as_avro(record("INITIAL", k, f"S26112{k}a")) for k in range(4)] + [
        as_avro(record("RETRACTION", 9, "S261123a"))
    ]
    run(Given("local", values), state=state, routes=(only("INITIAL"),))
    queue = Queue(database)
    assert queue.waiting() == {"slew": 3}
    assert [letter.superevent_id for letter in queue.dead()] == ["S261122a", "S261123a"]
    assert queue.revive(NOW_NS) == 1, "but what was withdrawn stays"


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
