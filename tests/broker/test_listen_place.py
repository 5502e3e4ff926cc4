"""A listener at Apache Kafka: its place in the group survives it, and moves on only behind what was acknowledged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from broker.apache_kafka import ApacheKafka
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from external import notice
from listening import Run, names, on_the_topic, send
from own_settings import settings_of

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
    """Return where the group is to begin; negative while it has no place."""
    asking = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": settings.listen.group})
    (found,) = asking.committed([TopicPartition(topic, 0)], timeout=10)
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
