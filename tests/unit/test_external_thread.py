"""The thread that takes other messengers' notices, without a broker: none is lost, none stops those behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fake_kafka import until
from findings import MERGER_NS
from messengers import burst
from structlog.testing import capture_logs

from pipelines.live import external as module
from pipelines.live.external import ExternalEvents
from stream import metrics
from stream.codec.avro import encode_external
from stream.errors import Fenced, PublishError, StoreError, TransportError
from stream.kafka.consumer import Message
from stream.records import ExternalEvent
from stream.superevent import Change

GOOD = encode_external(burst())


class Clock:
    def now_ns(self) -> int:
        return MERGER_NS


class Topic:
    """A consumer whose topic holds some messages."""

    def __init__(self, *values: bytes) -> None:
        self.left = [Message("external.events", 0, k, None, value, (), 0) for k, value in enumerate(values)]
        self.stored: list[int] = []
        self.polls = 0
        self.paused = False
        self.errors: list[Exception] = []
        self.closed = False

    def pause(self, wanted: bool) -> None:
        self.paused = wanted

    def poll_batch(self, timeout_s: float, most: int) -> list[Message]:
        self.polls += 1
        threading.Event().wait(0.001)
        if self.errors:
            raise self.errors.pop(0)
        if self.paused:
            return []
        found, self.left = self.left[:most], self.left[most:]
        return found

    def store(self, message: Message) -> None:
        self.stored.append(message.offset)

    def commit(self) -> None: ...

    def close(self) -> None:
        self.closed = True


class Hearer:
    """Takes notices, after as many errors as it is given."""

    def __init__(self, *errors: Exception) -> None:
        self.ready = self.safe = self.caught_up = True
        self.errors = list(errors)
        self.taken: list[ExternalEvent] = []

    def hear(self, external: ExternalEvent) -> tuple[Change, ...]:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(external)
        return ("joined",)

    def catch_up(self) -> tuple[Change, ...]:
        self.caught_up = True
        return ("moved",)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_S", 0.01)


def listened(topic: Any, hearer: Any, so: Callable[[], bool]) -> list[Any]:
    with capture_logs() as logged:
        events = ExternalEvents(topic, hearer, Clock())
        assert until(so)
        events.close()
    assert topic.closed
    return [e["event"] for e in logged]


def test_what_cannot_be_read_or_taken_is_counted_named_and_passed_over() -> None:
    topic, hearer = (
        Topic(b"rubbish", GOOD, GOOD, GOOD),
        Hearer(PublishError("odd"), ZeroDivisionError("a fault of ours")),
    )
    refused = metrics.MESSAGES_REFUSED.labels("external.events")._value.get()
    logged = listened(topic, hearer, lambda: topic.stored == [0, 1, 2, 3])
    assert hearer.taken == [burst()]
    assert logged == ["external_event_refused"] * 3 + ["coincidence_told"]
    assert metrics.MESSAGES_REFUSED.labels("external.events")._value.get() == refused + 3


def test_notices_wait_while_the_alert_topic_is_not_known_and_polls_go_on() -> None:
    topic, hearer = Topic(GOOD), Hearer()
    hearer.ready = False
    events = ExternalEvents(topic, hearer, Clock())  # type: ignore[arg-type]
    assert until(lambda: topic.polls > 10)
    assert (hearer.taken, topic.stored) == ([], [])
    hearer.ready = True
    assert until(lambda: topic.stored == [0])
    events.close()


def test_what_the_disk_or_a_broker_does_not_take_now_is_given_again_and_its_place_stays() -> None:
    topic, hearer = Topic(GOOD, GOOD), Hearer(StoreError("full"), TransportError("no leader"))
    logged = listened(topic, hearer, lambda: topic.stored == [0, 1])
    assert logged.count("external_event_waits") == 2
    assert len(hearer.taken) == 2


def test_a_notice_that_a_dying_publisher_did_not_take_is_left_for_the_next_start() -> None:
    class Dying(Hearer):
        def hear(self, external: ExternalEvent) -> tuple[Change, ...]:
            self.ready = False
            raise PublishError("the publisher stopped")

    topic, hearer = Topic(GOOD), Dying()
    listened(topic, hearer, lambda: not hearer.ready and topic.polls > 5)
    assert topic.stored == []


def test_whatever_stands_against_reading_is_tried_again_and_a_group_that_is_lost_ends_it() -> None:
    topic, hearer = Topic(GOOD), Hearer()
    topic.errors = [TransportError("not allowed")]
    assert listened(topic, hearer, lambda: topic.stored == [0])[0] == "external_events_not_read"
    topic, hearer = Topic(GOOD), Hearer()
    topic.errors = [ZeroDivisionError("a fault of ours")]
    assert listened(topic, hearer, lambda: topic.stored == [0])[0] == "external_events_failed"
    topic = Topic()
    topic.errors = [Fenced("another has the name")]
    assert listened(topic, Hearer(), lambda: not topic.errors) == ["external_events_ended"]
    assert metrics.EXTERNAL_LISTENING._value.get() == 0


def test_sources_are_strangers_words_and_only_so_many_have_a_metric() -> None:
    values = [encode_external(burst(source=f"mission-{k}")) for k in range(module._MOST_SOURCES + 5)]
    topic, hearer = Topic(*values), Hearer()
    other = metrics.EXTERNAL_EVENTS.labels("other", "told")._value.get()
    listened(topic, hearer, lambda: len(topic.stored) == len(values))
    assert metrics.EXTERNAL_EVENTS.labels("other", "told")._value.get() == other + 5
