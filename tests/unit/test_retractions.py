"""A retraction reaches whoever got the alert, in every order of arrival, and what waits of its event is not done."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from delivering import NOW_NS, Given, as_avro, kinds, only, record, run

from pipelines.subscribe.actions import Call
from pipelines.subscribe.database import Database
from pipelines.subscribe.queue import Queue
from pipelines.subscribe.state import State


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
