"""A daemon that was away hears all of what it missed: a merger every 6 s in a backlog of 170 s, with both detectors."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from mergers import inject, is_of
from running import Run

from pipelines.feeds.feed import send
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.kafka.topics import required_topics
from stream.records import Block, StrainBlock
from stream.settings import Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import NS_PER_S, SystemClock

HEARD_S, AWAY_S, EVERY_S = 14, 170, 6


def network(start_ns: int) -> tuple[SyntheticNetwork, list[int]]:
    """Return detectors with a loud merger every six seconds of the time away, and when they are."""
    first_ns = start_ns + (HEARD_S + 3) * NS_PER_S + 300_000_000
    mergers = [first_ns + k * EVERY_S * NS_PER_S for k in range((AWAY_S - 6) // EVERY_S + 1)]
    return inject(SyntheticNetwork(NetworkConfig(seed=11, witnesses=False)), *mergers, network_snr=25.0), mergers


def in_half(block: Block) -> Block:
    """Send float32, as sites may: the embedded broker keeps 5 MiB a partition."""
    return replace(block, samples=block.samples.astype(np.float32)) if isinstance(block, StrainBlock) else block


def test_every_merger_of_a_backlog_is_found_with_both_detectors(tmp_path: Path) -> None:
    """All of one detector's backlog lies on its topic before the other's first block is sent."""
    with EmbeddedBroker() as broker:
        settings = Settings.model_validate(
            {
                # The embedded broker makes a member that comes back wait for a session.
                "kafka": {"bootstrap_servers": broker.bootstrap_servers, "session_timeout_s": 3.0},
                "publish": {"outbox": tmp_path / "outbox", "transactions": False},
                "daemon": {"state_dir": tmp_path / "state", "http_port": 0},
            }
        )
        for topic in required_topics(settings):
            broker.create_topic(topic.name)
        now_ns = SystemClock().now_ns()
        start_ns = (now_ns // NS_PER_S - HEARD_S - AWAY_S - 2) * NS_PER_S
        synthetic, mergers = network(start_ns)
        blocks = [in_half(b) for b in synthetic.blocks(start_ns, start_ns + (HEARD_S + AWAY_S) * NS_PER_S, 1)]
        heard_ns = start_ns + HEARD_S * NS_PER_S
        producer = Producer(settings.kafka)

        with Run(settings) as first:
            first.wait_until_attended()
            for block in blocks:
                if block.end_ns <= heard_ns:
                    send(block, producer, settings.topics, block.end_ns)
            producer.flush()
            first.wait_until_read(heard_ns)
            time.sleep(3.0)  # offsets are committed every two seconds
        assert first.found == []

        for detector in ("H1", "L1"):
            for block in blocks:
                if block.end_ns > heard_ns and block.detector == detector:
                    send(block, producer, settings.topics, block.end_ns)
            producer.flush()
        producer.close()
        with Run(settings) as second:
            second.wait_until_read(blocks[-1].end_ns)

    assert all(is_of(c.gps_ns, at_ns) for c, at_ns in zip(second.found, mergers, strict=True))
    assert {c.peak.detectors for c in second.found} == {("H1", "L1")}
    took_s = second.times[-1] - second.times[0]
    span_s = (mergers[-1] - mergers[0]) / NS_PER_S
    print(f"{len(mergers)} mergers in {span_s:.0f} s of backlog, searched in {took_s:.2f} s: {span_s / took_s:.0f} x")
