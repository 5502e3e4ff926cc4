"""The publisher while a candidate waits for its map: its strain is not let go; whatever kills it, nothing is lost."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broker import child
from fake_kafka import FakeKafka, until
from findings import SOURCE, mapped

from pipelines.live import publisher as module
from pipelines.live.publisher import Published, Publisher
from stream.codec.alert import decode, encode
from stream.errors import PublishError, SchemaError, TransportError
from stream.publish import Outbox
from stream.records import Decision
from stream.settings import KafkaSettings, PublishSettings, Settings
from stream.superevent import known
from stream.timebase import SystemClock

LONG_S = 600.0


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    return FakeKafka.instead(monkeypatch)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"), publish=PublishSettings(outbox=tmp_path / "outbox")
    )


def ready(settings: Settings, published: list[Published] | None = None) -> Publisher:
    publisher = Publisher(settings, SystemClock(), None if published is None else published.append)
    assert until(lambda: publisher.ready)
    return publisher


def avro(kafka: FakeKafka) -> list[dict[str, Any]]:
    return [decode(value)[0] for value in kafka.sent[::2]]


def confirmation(superevent_id: str) -> Decision:
    return Decision(str(uuid.uuid4()), superevent_id, "confirm", "seen by two", "on shift", child.GPS_NS)


def test_when_its_time_is_up_a_candidate_leaves_though_no_block_comes_and_its_map_follows(
    kafka: FakeKafka, settings: Settings
) -> None:
    published: list[Published] = []
    publisher, candidate = ready(settings, published), child.candidate()
    publisher.publish(candidate, 0.15)
    assert until(lambda: len(published) == 1)
    publisher.publish(mapped(candidate))
    publisher.close()
    assert [(p.number, p.alert_type, p.followed and p.followed.known) for p in published] == [
        (0, "PRELIMINARY", None),
        (1, "UPDATE", ("skymap", "classification", "properties", "mchirp_source")),
    ]
    assert [alert["event"]["skymap"] for alert in avro(kafka)] == [None, b"map"]


def test_while_a_candidate_waits_nothing_is_committed_and_a_restart_that_hears_it_again_says_it_once(
    kafka: FakeKafka, settings: Settings
) -> None:
    """A daemon that is killed then had it in memory alone."""
    killed, published = ready(settings), list[Published]()
    killed.publish(child.candidate(), LONG_S)
    assert (killed.safe, killed.waiting, list(settings.publish.outbox.iterdir())) == (False, 1, [])
    again, candidate = ready(settings, published), child.candidate()
    again.publish(candidate, LONG_S)
    again.publish(mapped(candidate))
    assert again.safe
    again.close()
    assert [(p.superevent_id, p.number) for p in published] == [("TS240517a", 0)]
    assert len(kafka.sent) == 2
    killed.close(0.0)


@pytest.mark.parametrize("sent", [False, True])
def test_a_restart_between_alert_and_map_brings_the_map_once(sent: bool, kafka: FakeKafka, settings: Settings) -> None:
    """Whether the alert was on Kafka by then, or in the outbox."""
    kafka.refusals = 0 if sent else 1_000_000
    before = ready(settings)
    before.publish(child.candidate(), 0.0)
    assert until(lambda: bool(kafka.sent) or kafka.tried.is_set())
    before.close(0.2)
    kafka.refusals = 0
    for _ in range(2):
        candidate = child.candidate()
        publisher = ready(settings)
        publisher.publish(candidate, LONG_S)
        publisher.publish(mapped(candidate))
        publisher.close()
    said = [(alert["alert_type"], alert["event"]["skymap"]) for alert in avro(kafka)]
    assert said == [("PRELIMINARY", None), ("UPDATE", b"map")]


def test_the_end_waits_for_a_candidate_whose_time_is_not_up_and_sends_it(kafka: FakeKafka, settings: Settings) -> None:
    publisher = ready(settings)
    publisher.publish(child.candidate(), 0.4)
    publisher.close()
    assert (publisher.safe, len(kafka.sent)) == (True, 2)


def test_what_cannot_be_written_when_the_time_is_up_ends_the_daemon(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found in a thread of the publisher's: the search is told when it looks."""
    publisher = ready(settings)

    def full(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(Outbox, "put", full)
    publisher.publish(child.candidate(), 0.05)
    assert until(lambda: not publisher.alive)
    with pytest.raises(Exception, match="no room"):
        publisher.check()
    assert not publisher.safe
    publisher.close(0.0)


def test_a_map_that_cannot_be_encoded_stays_behind_with_the_reason_and_its_alert_leaves(
    kafka: FakeKafka, settings: Settings
) -> None:
    publisher, candidate = ready(settings), child.candidate()
    publisher.publish(candidate, LONG_S)
    publisher.publish(replace(mapped(candidate), skymap_fits="no bytes"))  # type: ignore[arg-type]
    publisher.close()
    (alert,) = avro(kafka)
    assert (alert["alert_type"], alert["event"]["skymap"], alert["event"]["classification"]) == (
        "PRELIMINARY",
        None,
        {},
    )
    assert b"cannot be written into an alert" in dict(kafka.topic[0].headers)["tocsin.unknown"]
    assert publisher.safe


@pytest.mark.parametrize("error", [SchemaError("odd"), MemoryError()])
def test_an_alert_that_cannot_be_encoded_ends_the_daemon_and_is_never_safe(
    error: Exception, kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who brings the map may swallow what is raised; that it is let go again later must not make it look said."""
    publisher, candidate = ready(settings), child.candidate()
    publisher.publish(candidate, LONG_S)

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "encode", fails)
    with pytest.raises(type(error)):
        publisher.publish(mapped(candidate))
    monkeypatch.setattr(module, "encode", encode)
    publisher._events.turn()
    assert (publisher.safe, publisher.alive, publisher.waiting, kafka.sent) == (False, False, 1, [])
    with pytest.raises(PublishError, match="the publisher stopped"):
        publisher.check()
    publisher.close()
    assert not publisher.safe


@pytest.mark.parametrize("where", ["memory", "outbox", "topic"])
def test_a_confirmation_repeats_map_and_class_from_wherever_they_are(
    where: str, kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known yet, waiting in the outbox of a daemon that was killed, or on the topic alone."""
    monkeypatch.setattr(known, "MAPS_KEPT", 16 if where == "memory" else 0)
    kafka.refusals = 1_000_000 if where == "outbox" else 0
    publisher, candidate = ready(settings), child.candidate()
    publisher.publish(mapped(candidate))
    assert until(lambda: bool(kafka.sent) or kafka.tried.is_set())
    if where == "topic":
        publisher.close()
        publisher = ready(settings)
    publisher.decide(confirmation("TS240517a"))
    kafka.refusals = 0
    publisher.close()
    first, initial = avro(kafka)
    assert (initial["alert_type"], initial["event"]) == ("INITIAL", first["event"])
    assert (initial["event"]["skymap"], initial["event"]["properties"]) == (b"map", dict(SOURCE.properties or {}))
    headers = dict(kafka.topic[1].headers)
    assert headers["tocsin.followed"] == dict(kafka.topic[0].headers)["tocsin.followed"]


def test_a_confirmation_waits_while_the_topic_that_has_the_map_cannot_be_read(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "MAPS_KEPT", 0)
    publisher = ready(settings)
    publisher.publish(mapped(child.candidate()))
    assert until(lambda: bool(kafka.sent) and not publisher.waiting)
    kafka.unreadable.set()
    with pytest.raises(TransportError):
        publisher.decide(confirmation("TS240517a"))
    kafka.unreadable.clear()
    publisher.decide(confirmation("TS240517a"))
    publisher.close()
    assert [alert["alert_type"] for alert in avro(kafka)] == ["PRELIMINARY", "INITIAL"]
