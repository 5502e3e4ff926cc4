"""An alert that is too large for the broker: it leaves without its map, and holds up nobody."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broker import child
from fake_kafka import FakeKafka, until
from findings import SOURCE, mapped
from structlog.testing import capture_logs

from pipelines.live.publisher import Publisher
from stream.codec.alert import decode, decode_alert_json, sent_of
from stream.errors import MessageTooLarge
from stream.kafka.producer import TransactionalProducer
from stream.settings import KafkaSettings, PublishSettings, Settings
from stream.timebase import SystemClock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"), publish=PublishSettings(outbox=tmp_path / "outbox")
    )


def small(monkeypatch: pytest.MonkeyPatch, most_bytes: int) -> FakeKafka:
    """Return a broker that takes only so much."""
    take = FakeKafka.send

    def send(self: FakeKafka, topic: str, key: str, value: bytes, headers: Any = ()) -> None:
        if len(value) > most_bytes:
            raise MessageTooLarge(f"topic {topic} refused a message of {len(value)} bytes")
        take(self, topic, key, value, headers)

    monkeypatch.setattr(FakeKafka, "send", send)
    return FakeKafka.instead(monkeypatch)


def test_an_alert_that_is_too_large_leaves_without_its_map_and_those_behind_it_leave(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else is known of it stays; both messages say why the map does not."""
    kafka, candidate = small(monkeypatch, 100_000), child.candidate()
    publisher = Publisher(settings, SystemClock())
    publisher.publish(replace(mapped(candidate), skymap_fits=b"f" * 90_000))
    publisher.publish(child.candidate(50.0))
    assert until(lambda: len(kafka.sent) == 4)
    publisher.close()
    alert, extra = decode(kafka.sent[0], kafka.topic[0].headers)
    assert (alert["event"]["skymap"], alert["event"]["classification"]) == (None, dict(SOURCE.classification or {}))
    assert extra["unknown"]["skymap"].startswith("too large for the broker: ")
    assert json.loads(kafka.sent[1])["tocsin"] == extra
    assert decode_alert_json(kafka.sent[1])[0] == alert
    sent = sent_of(kafka.topic[0].key, kafka.topic[0].headers)
    assert sent is not None
    assert sent.followed is not None
    assert (sent.number, sent.followed.known) == (0, ("classification", "properties", "mchirp_source"))
    assert publisher.waiting == 0


def test_one_that_is_too_large_without_a_map_is_set_aside(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 100)
    with capture_logs() as logged:
        publisher = Publisher(settings, SystemClock())
        publisher.publish(child.candidate())
        publisher.publish(mapped(child.candidate(50.0)))
        assert until(lambda: publisher.ready and not publisher.waiting)
        publisher.close()
    assert [entry["event"] for entry in logged].count("outbox_entry_set_aside") == 2
    assert len(list(settings.publish.outbox.glob("*.refused"))) == 2


def test_a_message_that_this_client_does_not_take_is_told_by_its_size() -> None:
    producer = TransactionalProducer(KafkaSettings(bootstrap_servers="127.0.0.1:1"), "sizes", transactions=False)
    with pytest.raises(MessageTooLarge, match="refused a message of 9000000 bytes"), producer.transaction():
        producer.send("alerts.gw", "TS240517a", bytes(9_000_000))
