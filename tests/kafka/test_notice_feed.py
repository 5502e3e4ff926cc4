"""``tocsin simulate --external`` on the embedded broker: what arrives is what a listener makes of notices."""

from __future__ import annotations

import json
import threading
from collections import defaultdict

import pytest

from pipelines.feeds.external import NoticeFeed
from pipelines.feeds.feed import feed
from pipelines.feeds.simulate import Simulation
from stream.codec.avro import decode_external
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.reading import read_all
from stream.records import ExternalEvent
from stream.settings import KafkaSettings, Settings
from stream.simulate.external import MessengerConfig, MessengerNetwork
from stream.simulate.notices import Seen
from stream.timebase import NS_PER_S, SystemClock

pytestmark = pytest.mark.kafka


def test_the_notices_of_a_merger_arrive_as_events_with_the_notice_kept(embedded: EmbeddedBroker) -> None:
    """A burst and a track of one merger, each event's notices in their order, marked as injections."""
    for topic in ("external.events", "strain.H1"):
        embedded.create_topic(topic)
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers))
    clock = SystemClock()
    start_ns = (clock.now_ns() // NS_PER_S - 10) * NS_PER_S
    network = MessengerNetwork(MessengerConfig(pace=0.003), start_ns)
    network.merger(Seen(start_ns, 1.0, 0.4))
    simulation = Simulation(witnesses=False, duration_s=8.0, block_s=1.0)
    with NoticeFeed(network, settings, clock) as notices:
        count = feed(
            simulation.source(("H1",), start_ns), settings, clock, speed=1000.0, on_block=notices.sent_until,
            stop=threading.Event(),
        )  # fmt: skip
    assert count == 8
    events: dict[str, list[ExternalEvent]] = defaultdict(list)
    for message in read_all(settings.kafka, "external.events"):
        event = decode_external(message.value or b"")
        assert message.key == f"{event.source}/{event.event_id}".encode()
        events[event.source].append(event)
    assert sorted(len(found) for found in events.values()) == [1, 7]
    bursts = events["Fermi-GBM"]
    assert [event.search for event in bursts] == ["GRB"] * 7
    assert [event.ra_deg is None for event in bursts] == [True] + [False] * 6
    assert {event.tense for found in events.values() for event in found} == {"injection"}
    assert [json.loads(event.raw)["record_number"] for event in bursts] == list(range(1, 8))
    assert all(0 < event.gps_ns - start_ns < 5 * NS_PER_S for event in bursts)
