"""Notices on a broker of one's own become external events: none lost, whatever else is on the topic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog
from external import notice
from listening import Run, names, on_the_topic, send

from pipelines.sources import KafkaSource
from pipelines.sources.kafka import Reading
from pipelines.sources.silence import SilenceWatch
from stream.configuration import load_settings
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.settings import Settings
from stream.timebase import SystemClock

pytestmark = pytest.mark.kafka


def settings_of(broker: EmbeddedBroker) -> Settings:
    kafka = {"bootstrap_servers": broker.bootstrap_servers, "operation_timeout_s": 10}
    return load_settings(None, {"kafka": kafka})


@pytest.fixture
def settings(embedded: EmbeddedBroker) -> Settings:
    for topic in ("notices", "external.events"):
        embedded.create_topic(topic)
    return settings_of(embedded)


def test_a_notice_becomes_an_event_on_the_topic_and_rubbish_is_counted(settings: Settings) -> None:
    send(settings, [notice("a"), b"rubbish", notice("b"), notice("a")])
    each = Run(settings)
    each.until(lambda: len(each.heard) == 2)
    each.end()
    assert names(on_the_topic(settings)) == ["a", "b"]
    assert on_the_topic(settings)[0].raw == notice("a")
    assert each.tally is not None
    assert (each.tally.refused, each.tally.repeated) == ({"unreadable": 1}, 1)


def test_a_topic_that_is_not_there_is_said_and_the_others_are_read(settings: Settings) -> None:
    send(settings, [notice("a")])
    with structlog.testing.capture_logs() as logs:
        each = Run(settings, ["gone", "notices", "gone.too"])
        each.until(lambda: len(each.heard) == 1)
        each.until(lambda: sum(entry["event"] == "topic_not_read" for entry in logs) == 2)
        each.end()
    assert {entry["topic"] for entry in logs if entry["event"] == "topic_not_read"} == {"gone", "gone.too"}


def test_a_broker_that_goes_and_comes_loses_nothing(settings: Settings, embedded: EmbeddedBroker) -> None:
    each = Run(settings)
    send(settings, [notice(f"a{k}") for k in range(20)])
    each.until(lambda: len(each.heard) >= 1)
    send(settings, [notice(f"b{k}") for k in range(200)])
    embedded.down()
    time.sleep(3.0)
    embedded.up()
    send(settings, [notice(f"c{k}") for k in range(20)])
    each.until(lambda: len(set(names(each.heard))) == 240)
    each.end()
    assert set(names(on_the_topic(settings))) == set(names(each.heard))


def test_heartbeats_are_heard_and_not_handed_out_and_their_end_is_said(
    settings: Settings, embedded: EmbeddedBroker
) -> None:
    embedded.create_topic("moon.heartbeat")
    now_s = [1000.0]
    watch, reading = SilenceWatch("moon", "moon.heartbeat", 60.0, now_s[0]), Reading(monotonic=lambda: now_s[0])
    source = KafkaSource("moon", settings.kafka, ["notices"], "group", SystemClock(), "unread", watch, reading)
    send(settings, [b"beat"] * 3, "moon.heartbeat")
    send(settings, [notice("a")])
    found, end_s = list[bytes](), time.monotonic() + 30
    while (watch.heard < 4 or not found) and time.monotonic() < end_s:
        found += [message.payload for message in source.poll(0.1)]
    assert (found, watch.heard, source.silent) == ([notice("a")], 4, False)
    now_s[0] += 61.0
    assert (source.poll(0.0), source.silent) == ([], True)
    source.close()


def memory_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc, which is not here")
def test_a_hostile_topic_bloats_neither_memory_nor_log(embedded: EmbeddedBroker, settings: Settings) -> None:
    """Rubbish by the ten thousand and by the megabyte, with one notice at its end."""
    each = Run(settings)
    send(settings, [notice("first")])
    each.until(lambda: len(each.heard) == 1)
    before_mib = memory_mib()
    producer = Producer(settings.kafka)  # one for all: each would need half a second

    def send_more(payloads: list[bytes]) -> None:
        for payload in payloads:
            producer.send("notices", "key", payload)
        producer.flush()

    with structlog.testing.capture_logs() as logs:
        for turn in range(10):
            send_more([os.urandom(40) + b"\x1b[2J" for _ in range(1000)])
            each.until(lambda turn=turn: len(each.heard) == turn + 1)  # type: ignore[misc]
            send_more([notice(f"between {turn}")])
            each.until(lambda turn=turn: len(each.heard) == turn + 2)  # type: ignore[misc]
        for turn in range(3):
            send_more([b"\xff" * (4 << 20)])
            send_more([notice(f"after {turn}")])
            each.until(lambda turn=turn: len(each.heard) == turn + 12)  # type: ignore[misc]
    each.end()
    producer.close()
    assert each.tally is not None and each.tally.refused == {"unreadable": 10_003}
    assert sum(entry["event"] == "notice_refused" for entry in logs) <= 3
    assert memory_mib() - before_mib < 200


def test_the_command_reads_a_notice_and_told_to_leave_says_what_became_of_all(
    settings: Settings, embedded: EmbeddedBroker, data_dir: Path
) -> None:
    alerts = data_dir / "alerts"
    real = (alerts / "gcn_schema/gcn/notices/icecube/lvk_nu_track_search.example.json").read_bytes()
    circular = (alerts / "gcn_schema/gcn/circulars.example.json").read_bytes()
    send(settings, [circular, real])
    options = ["--source", "local", "--topic", "notices", "--from", "earliest", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "listen", "--broker", embedded.bootstrap_servers, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    summary = json.loads(out.splitlines()[-1])["summary"]
    assert (told["source"], summary["refused"], summary["read"]) == ("IceCube-LVK", {"circular": 1}, 1)
    assert on_the_topic(settings)[0].raw == real
    assert "Traceback" not in err
