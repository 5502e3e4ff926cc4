"""A listener at Apache Kafka: its place in the group survives it, and moves on only behind what was acknowledged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from broker.apache_kafka import ApacheKafka
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from external import notice
from listening import Run, names, on_the_topic, send
from own_settings import settings_of

from pipelines.listen.reader import mark_of
from stream.settings import Settings

pytestmark = pytest.mark.broker


@pytest.fixture
def settings(kafka: ApacheKafka, fresh: str, tmp_path: Path) -> Settings:
    kafka.create_topic(f"{fresh}.notices")
    return settings_of(kafka.bootstrap_servers, fresh, tmp_path, listen={"group": f"{fresh}.listen"})


def test_the_next_listener_of_the_group_begins_where_the_first_one_left(
    settings: Settings, kafka: ApacheKafka, fresh: str
) -> None:
    topic = f"{fresh}.notices"
    kafka.create_topic(settings.topics.external)
    send(settings, [notice("a"), b"rubbish", notice("b")], topic)
    first = Run(settings, [topic])
    first.until(lambda: len(first.heard) == 2)
    first.end()
    send(settings, [notice("c")], topic)
    second = Run(settings, [topic])
    second.until(lambda: len(second.heard) == 1)
    second.end()
    assert names(on_the_topic(settings)) == ["a", "b", "c"]


def place_in(settings: Settings, topic: str) -> int:
    """Return where the group is to begin; negative while it has no place, or its coordinator does not say."""
    asking = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": settings.listen.group})
    try:
        (found,) = asking.committed([TopicPartition(topic, 0)], timeout=10)
    except KafkaException:
        return -1
    finally:
        asking.close()
    return int(found.offset)


def test_what_comes_while_a_listener_that_has_heard_nothing_yet_is_away_is_heard(
    settings: Settings, kafka: ApacheKafka, fresh: str
) -> None:
    """Most missions send less often than a process is started anew."""
    topic = f"{fresh}.notices"
    kafka.create_topic(settings.topics.external)
    send(settings, [notice("before")], topic)
    first = Run(settings, [topic], "committed")
    first.until(lambda: place_in(settings, topic) == 1)
    first.end()
    send(settings, [notice("meanwhile")], topic)
    second = Run(settings, [topic], "committed")
    second.until(lambda: len(second.heard) == 1)
    second.end()
    assert (names(first.heard), names(second.heard)) == ([], ["meanwhile"])


def test_where_events_cannot_go_the_place_stays(settings: Settings, kafka: ApacheKafka, fresh: str) -> None:
    """Whoever makes the topic later loses nothing."""
    topic = f"{fresh}.notices"
    send(settings, [notice("a")], topic)
    each = Run(settings, [topic])
    each.ended()
    assert "tocsin topics create" in str(each.error)
    assert each.heard == []
    kafka.create_topic(settings.topics.external)
    again = Run(settings, [topic])
    again.until(lambda: names(again.heard) == ["a"])
    again.end()


def test_an_event_that_the_topic_does_not_take_goes_without_its_notice_and_the_rest_goes_whole(
    settings: Settings, kafka: ApacheKafka, fresh: str
) -> None:
    """Only the broker knows what it takes."""
    topic = f"{fresh}.notices"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    small = NewTopic(settings.topics.external, 1, config={"max.message.bytes": "1000000"})
    admin.create_topics([small])[settings.topics.external].result(30)
    large = notice("large", padding=os.urandom(1_500_000).hex())
    send(settings, [notice("a"), large, notice("b")], topic)
    each = Run(settings, [topic])
    each.until(lambda: names(each.heard) == ["a", "large", "b"])
    each.end()
    assert {e.event_id: bool(e.raw) for e in on_the_topic(settings)} == {"a": True, "large": False, "b": True}


def test_killed_in_the_middle_it_loses_nothing_and_says_again_only_the_same(
    settings: Settings, kafka: ApacheKafka, fresh: str, data_dir: Path, tmp_path: Path
) -> None:
    """SIGKILL as it reads, three times; what is on the topic twice differs in when it was received, and in no more."""
    topic, file = f"{fresh}.notices", data_dir / "alerts/gcn_schema/gcn/notices/einstein_probe/wxt/alert.example.json"
    kafka.create_topic(settings.topics.external)
    template = json.loads(file.read_bytes())
    config = tmp_path / "tocsin.toml"
    config.write_text(
        f'[kafka]\nbootstrap_servers = "{kafka.bootstrap_servers}"\nsession_timeout_s = 2\n'
        f'[topics]\nexternal = "{settings.topics.external}"\n[listen]\ngroup = "{fresh}"\n'
    )
    command = [sys.executable, "-m", "pipelines.cli", "listen", "--config", str(config), "--source", "local"]
    ids = [f"{fresh}{k}" for k in range(400)]
    send(settings, [json.dumps(template | {"id": [name]}).encode() for name in ids], topic)
    for turn in range(4):
        process = subprocess.Popen(
            [*command, "--topic", topic, "--from", "earliest"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(50 if turn < 3 else 1):
            assert process.stdout.readline()
        if turn == 3:
            until(lambda: {e.event_id for e in on_the_topic(settings)} == set(ids))
            process.terminate()
        else:
            process.kill()
        process.communicate(timeout=60)
    same = {mark_of(event) for event in on_the_topic(settings)}
    assert len(same) == len(ids)


def until(there: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not there():
        assert time.monotonic() < end_s
        time.sleep(0.1)
