"""A start reads of the alert topic what it needs, and no more, however long the topic is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from broker.apache_kafka import ApacheKafka
from broker.archive import DAY_S, HOUR_S, fill
from broker.daemons import daemon_settings, wait

from pipelines.live.truth import Truth, since_unix_ns
from stream.kafka.consumer import Consumer, Message
from stream.kafka.producer import Producer
from stream.kafka.topics import create
from stream.settings import Settings
from stream.timebase import SystemClock, unix_ns_to_gps_ns

pytestmark = pytest.mark.broker
NS = 1_000_000_000


class At:
    """A clock that stands."""

    def __init__(self, unix_s: int) -> None:
        self._ns = unix_ns_to_gps_ns(unix_s * NS)

    def now_ns(self) -> int:
        return self._ns


@pytest.fixture
def settings(kafka: ApacheKafka, fresh: str, tmp_path: Path) -> Settings:
    made = daemon_settings(kafka, fresh, tmp_path / "outbox", fresh)
    kafka.create_topic(made.topics.strain_prefix + "H1")  # ours keeps an hour: strain of days ago may be gone at once
    create(made)
    return made


def test_a_start_reads_the_alerts_of_a_day_or_two_of_a_topic_of_months(settings: Settings) -> None:
    """Half of 2000 alerts are spread over 100 days until yesterday; the others fall in the last hour."""
    now_s = int(time.time()) // DAY_S * DAY_S - 12 * HOUR_S  # a noon that is over: brokers refuse what is yet to come
    fill(settings, [now_s - (1000 - k) * DAY_S // 10 - DAY_S for k in range(1000)], 10_000)
    fill(settings, [now_s - HOUR_S + 3 * k for k in range(1000)], 10_000)
    found = list(Truth(settings, At(now_s)).news())
    assert len(found) == 1000
    newest = found[-1][1]
    assert newest is not None
    assert newest.gps_ns == unix_ns_to_gps_ns((now_s - HOUR_S + 2997) * NS)


def test_a_second_look_reads_only_what_has_come_since(settings: Settings) -> None:
    now_s = int(time.time())
    truth = Truth(settings, At(now_s))
    fill(settings, [now_s - 60, now_s - 50], 100)
    assert len(list(truth.news())) == 2
    fill(settings, [now_s - 40], 100)
    assert len(list(truth.news())) == 1


def test_a_start_reads_from_the_day_of_the_oldest_strain_that_its_group_has_not_heard(settings: Settings) -> None:
    """After days without a daemon, alerts of what will be heard again may be as old."""
    now_s = int(time.time())
    before = now_s - 5 * DAY_S
    producer = Producer(settings.kafka)
    topic = settings.topics.strain_prefix + "H1"
    for k in range(3):
        producer._producer.produce(topic, b"strain", timestamp=(before + k * DAY_S) * 1000)
    producer.flush()
    producer.close()
    with Consumer(settings.kafka, [topic], "unread", settings.kafka.group_id) as consumer:
        heard: list[Message] = []

        def two() -> bool:
            heard.extend(consumer.poll_batch(0.1, 1))
            return len(heard) >= 2

        wait(two)
        consumer.store(heard[0])
    assert since_unix_ns(settings, At(now_s)) == (before + DAY_S - 600) // DAY_S * DAY_S * NS


def test_a_start_reads_from_the_day_of_the_oldest_alert_in_the_outbox(settings: Settings) -> None:
    """It may have been committed just before the daemon was killed."""
    settings.publish.outbox.mkdir()
    (settings.publish.outbox / "0000000001-TS240517a-x.alert").touch()
    now_s = int(time.time()) + 9 * DAY_S
    clock = SystemClock()
    written_s = int((settings.publish.outbox / "0000000001-TS240517a-x.alert").stat().st_mtime)
    assert clock.now_ns() < At(now_s).now_ns()
    assert since_unix_ns(settings, At(now_s)) == (written_s - 600) // DAY_S * DAY_S * NS
