"""Feeding strain to Kafka through an outage: nothing is dropped, nothing ends, and a stop is heard."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.feeds.feed import feed
from stream.codec.avro import decode_strain
from stream.kafka import config
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.reading import read_all
from stream.records import Block
from stream.settings import KafkaSettings, Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import HOP_NS, NS_PER_S, SystemClock

pytestmark = pytest.mark.kafka
START_NS = 1_400_000_000 * NS_PER_S
HOPS = 32


@pytest.fixture
def settings(embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A client whose queue is full after eight blocks, as after minutes of an outage."""
    original = config.producer

    def small(kafka: KafkaSettings) -> dict[str, Any]:
        return original(kafka) | {"queue.buffering.max.messages": 8}

    monkeypatch.setattr(config, "producer", small)
    embedded.create_topic("strain.H1")
    return Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers, operation_timeout_s=0.2))


def blocks(embedded: EmbeddedBroker, outage: threading.Event) -> Iterator[Block]:
    """Take the broker down after the fourth block."""
    network = SyntheticNetwork(NetworkConfig(detectors=("H1",), seed=3, witnesses=False))
    for number, block in enumerate(network.blocks(START_NS, START_NS + HOPS * HOP_NS, 1)):
        if number == 4:
            embedded.down()
            outage.set()
        yield block


def test_strain_waits_for_a_broker_for_longer_than_an_operation_may_take(
    embedded: EmbeddedBroker, settings: Settings
) -> None:
    """With its queue full the feed waits; when the broker is back all blocks are there, in order."""
    outage, sent = threading.Event(), []
    work = threading.Thread(
        target=lambda: sent.append(feed(blocks(embedded, outage), settings, SystemClock(), speed=1000.0)), daemon=True
    )
    work.start()
    assert outage.wait(20)
    work.join(3.0)
    assert work.is_alive()
    embedded.up()
    work.join(60)
    assert sent == [HOPS]
    patient = settings.kafka.model_copy(update={"operation_timeout_s": 30.0})
    found = [decode_strain(m.value or b"").gps_ns for m in read_all(patient, "strain.H1")]
    assert [START_NS + k * HOP_NS for k in range(HOPS)] == found


def test_a_feed_that_waits_for_its_broker_ends_when_told(embedded: EmbeddedBroker, settings: Settings) -> None:
    outage, stop = threading.Event(), threading.Event()
    work = threading.Thread(
        target=feed, args=(blocks(embedded, outage), settings, SystemClock()), kwargs={"speed": 1000.0, "stop": stop}
    )
    work.start()
    assert outage.wait(20)
    stop.set()
    work.join(30)
    assert not work.is_alive()
