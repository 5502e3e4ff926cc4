"""Sky maps in alerts, end to end on the embedded broker; the follower is a test's own, its process is the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_kafka import until
from mergers import inject
from own_settings import settings_of
from running import Run

from pipelines.feeds.feed import feed
from pipelines.subscribe import receive
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.reading import read_all
from stream.kafka.topics import required_topics
from stream.records import Block
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import NS_PER_S, SystemClock

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def two_mergers(start_ns: int, mergers_ns: tuple[int, int]) -> Iterator[Block]:
    network = inject(SyntheticNetwork(NetworkConfig(seed=5, witnesses=False)), *mergers_ns)
    return network.blocks(start_ns, mergers_ns[-1] + 2 * NS_PER_S, 1)


def test_a_follow_up_that_is_killed_costs_one_alert_its_map_and_no_alert_its_time(
    embedded: EmbeddedBroker, fresh: str, tmp_path: Path
) -> None:
    """The first merger rings without a map, and says why; the next has one again, and nothing is lost or doubled."""
    settings = settings_of(
        embedded.bootstrap_servers, fresh, tmp_path,
        kafka={"session_timeout_s": 3.0}, localize={"enabled": True},
        publish={"transactions": False, "wait_for_map_s": 10.0},
    )  # fmt: skip
    for topic in required_topics(settings):
        embedded.create_topic(topic.name, topic.partitions)
    clock = SystemClock()
    with Run(settings, follower="followers:KilledOnce") as run:
        run.wait_until_attended()
        start_ns = (clock.now_ns() // NS_PER_S + 1) * NS_PER_S
        mergers_ns = (start_ns + 13 * NS_PER_S, start_ns + 15 * NS_PER_S)
        feed(two_mergers(start_ns, mergers_ns), settings, clock)
        assert run.observer is not None
        publisher = run.observer.publisher
        assert until(lambda: len(run.found) == 2 and publisher.safe and publisher.waiting == 0)
    heard = [receive(message) for message in read_all(settings.kafka, settings.topics.alerts)]
    assert len({(a.superevent_id, a.extra["revision"]) for a in heard}) == len(heard)
    first, second = ([a for a in heard if abs(a.extra["gps_ns"] - m) < NS_PER_S] for m in mergers_ns)
    assert len({a.superevent_id for a in heard}) == 2
    assert first[0].record["event"]["skymap"] is None
    assert first[0].extra["unknown"]["skymap"] == "not made: its process ended"
    assert second[0].record["event"]["skymap"] == b"map"
    assert second[0].extra["followed"]["area90_deg2"] == 501.25
