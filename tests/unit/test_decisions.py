"""The thread that takes decisions, without a broker: each is carried out before its place moves on, or passed over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import make_schema_examples as made
import pytest

from pipelines.live import decisions as module
from pipelines.live.decisions import Decisions
from stream.codec.avro import encode_decision
from stream.errors import Fenced, PublishError, TransportError
from stream.kafka.consumer import Message
from stream.records import Decision

GOOD = encode_decision(made.DECISION)


class Topic:
    """An ownership whose topic holds some messages; ``done`` remembers which are."""

    def __init__(self, *values: bytes) -> None:
        self.left = [Message("events.decisions", 0, k, b"TS150914a", value, (), 0) for k, value in enumerate(values)]
        self.done_with: list[int] = []
        self.polls = 0
        self.lost: TransportError | None = None

    def poll(self, timeout_s: float, *, paused: bool = False) -> Message | None:
        time.sleep(0.001)
        self.polls += 1
        if self.lost is not None:
            raise self.lost
        return self.left.pop(0) if self.left and not paused else None

    def done(self, message: Message) -> None:
        self.done_with.append(message.offset)

    def fail(self, error: TransportError) -> None:
        self.lost = error

    def close(self) -> None:
        pass


class Decider:
    """Carries decisions out, after as many errors as it is given."""

    def __init__(self, *errors: Exception) -> None:
        self.ready = True
        self.errors = list(errors)
        self.taken: list[Decision] = []

    def decide(self, decision: Decision) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(decision)


def until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_S", 0.01)


def running(topic: Any, decider: Decider) -> Decisions:
    return Decisions(topic, decider)


def test_what_cannot_be_read_or_carried_out_is_passed_over() -> None:
    topic, decider = Topic(b"rubbish", GOOD, GOOD), Decider(PublishError("superevent TS150914a is not known"))
    decisions = running(topic, decider)
    until(lambda: topic.done_with == [0, 1, 2])
    decisions.close()
    assert decider.taken == [made.DECISION]


def test_a_decision_waits_while_the_alert_topic_is_not_known_and_polls_go_on() -> None:
    topic, decider = Topic(GOOD), Decider()
    decider.ready = False
    decisions = running(topic, decider)
    until(lambda: topic.polls > 10)
    assert (decider.taken, topic.done_with) == ([], [])
    decider.ready = True
    until(lambda: topic.done_with == [0])
    decisions.close()


def test_a_decision_whose_event_cannot_be_read_now_is_tried_again_and_its_place_stays() -> None:
    topic, decider = Topic(GOOD), Decider(TransportError("no leader"), TransportError("no leader"))
    decisions = running(topic, decider)
    until(lambda: topic.done_with == [0])
    decisions.close()
    assert decider.taken == [made.DECISION]


def test_a_decision_that_a_dying_publisher_did_not_take_is_left_for_the_next_start() -> None:
    class Dying(Decider):
        def decide(self, decision: Decision) -> None:
            self.ready = False
            raise PublishError("the publisher stopped")

    topic, decider = Topic(GOOD), Dying()
    decisions = running(topic, decider)
    until(lambda: not decider.ready and topic.polls > 5)
    decisions.close()
    assert topic.done_with == []


def test_the_thread_ends_when_another_daemon_takes_over() -> None:
    topic = Topic()
    topic.lost = Fenced("another producer has publish.transactional_id=x")
    before = threading.active_count()
    decisions = running(topic, Decider())
    until(lambda: threading.active_count() == before)
    decisions.close()


def test_a_thread_that_dies_is_told_to_who_publishes() -> None:
    """Its polls keep the right to publish; a daemon that went on without them would hear of no decision."""
    topic, decider = Topic(GOOD), Decider(ValueError("a fault of our own"))
    decisions = running(topic, decider)
    until(lambda: topic.lost is not None)
    decisions.close()
    assert "a fault of our own" in str(topic.lost)
    assert topic.done_with == []
