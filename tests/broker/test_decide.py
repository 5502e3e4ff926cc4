"""What people decide, on Apache Kafka: withdrawn and confirmed once, by whichever daemon runs next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker import child
from broker.apache_kafka import ApacheKafka
from broker.daemons import Running, daemon_settings, wait

from pipelines.live.decide import await_alert, decide
from pipelines.subscribe import receive
from stream.codec.avro import encode_decision
from stream.errors import ConfigurationError, DeadlineExceeded, PublishError
from stream.kafka.producer import Producer
from stream.kafka.reading import read_all
from stream.kafka.topics import create
from stream.settings import Settings
from stream.timebase import SystemClock

pytestmark = pytest.mark.broker
CLOCK = SystemClock()
ID = "TS240517a"


@pytest.fixture
def settings(kafka: ApacheKafka, fresh: str, tmp_path: Path) -> Settings:
    made = daemon_settings(kafka, fresh, tmp_path, fresh)
    create(made)
    return made


Start = Callable[[], Running]


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    running: list[Running] = []

    def begin() -> Running:
        running.append(Running(settings))
        return running[-1]

    yield begin
    for each in running:
        each.close()


def send(settings: Settings, *messages: bytes) -> None:
    producer = Producer(settings.kafka)
    for message in messages:
        producer.send(settings.topics.decisions, ID, message)
    producer.flush()
    producer.close()


def types(settings: Settings) -> list[tuple[str, str]]:
    found = [receive(m) for m in read_all(settings.kafka, settings.topics.alerts)]
    return [(alert.superevent_id, alert.record["alert_type"]) for alert in found]


def test_an_alert_is_withdrawn_once_however_often_that_is_decided_and_read(settings: Settings, start: Start) -> None:
    """Rubbish on the topic of decisions is passed over; the event is far older than what a start reads."""
    daemon = start()
    daemon.publisher.publish(child.candidate())
    wait(lambda: daemon.publisher.ready and daemon.publisher.waiting == 0)
    send(settings, b"no decision")
    decision = decide(settings, "retract", ID, "a glitch in L1", "shift", CLOCK)
    alert = receive(await_alert(settings, decision, 30))
    assert (alert.superevent_id, alert.record["alert_type"], alert.record["event"]) == (ID, "RETRACTION", None)
    assert alert.extra["decision_id"] == decision.decision_id
    with pytest.raises(PublishError, match="was withdrawn by its revision 1, which is final"):
        decide(settings, "confirm", ID, "or not?", "shift", CLOCK)
    daemon.close()
    send(settings, encode_decision(decision))
    again = start()
    wait(lambda: again.publisher.ready)
    again.publisher.decide(decision)
    assert types(settings) == [(ID, "PRELIMINARY"), (ID, "RETRACTION")]


def test_a_decision_waits_on_its_topic_until_a_daemon_runs(settings: Settings, start: Start) -> None:
    with pytest.raises(PublishError, match=f"{ID} is not on topic {settings.topics.alerts}"):
        decide(settings, "confirm", ID, "clean", "shift", CLOCK)
    first = start()
    first.publisher.publish(child.candidate())
    wait(lambda: first.publisher.ready and first.publisher.waiting == 0)
    first.close()
    decision = decide(settings, "confirm", ID, "clean", "shift", CLOCK)
    with pytest.raises(DeadlineExceeded, match=f"stands on topic {settings.topics.decisions} and is carried out when"):
        await_alert(settings, decision, 0)
    start()
    confirmed = receive(await_alert(settings, decision, 30))
    assert confirmed.record["alert_type"] == "INITIAL"
    assert confirmed.far_hz == child.candidate().far_hz
    assert types(settings) == [(ID, "PRELIMINARY"), (ID, "INITIAL")]


@pytest.mark.parametrize("wrong", ["S240517a", "TS24a", "240517a", "TS240517A", "../TS240517a"])
def test_an_id_of_another_form_or_kind_is_wrong_usage(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="expected the form TS261122a"):
        decide(Settings(), "retract", wrong, "why", "who", CLOCK)


@pytest.mark.parametrize(("why", "who"), [(" ", "me"), ("x" * 2001, "me"), ("x", "y" * 201)])
def test_a_reason_is_needed_and_texts_are_bounded(why: str, who: str) -> None:
    with pytest.raises(ConfigurationError, match=r"characters|say why"):
        decide(Settings(), "retract", ID, why, who, CLOCK)
