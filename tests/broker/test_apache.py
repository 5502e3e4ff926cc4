"""What only Apache Kafka can do: transactions and fencing, look-up by time, topics with their configuration."""

from __future__ import annotations

import os
import threading
import time

import pytest
from broker.apache_kafka import ApacheKafka
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from stream.errors import DeadlineExceeded, Fenced, MessageTooLarge
from stream.kafka.checks import check
from stream.kafka.consumer import Consumer, Message
from stream.kafka.producer import Producer, TransactionalProducer
from stream.kafka.reading import read_all
from stream.kafka.topics import create, list_topics
from stream.settings import KafkaSettings, Settings, TopicSettings

pytestmark = pytest.mark.broker


@pytest.fixture
def settings(kafka: ApacheKafka, fresh: str) -> KafkaSettings:
    kafka.create_topic(fresh)
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group_id=fresh)


def own_topics(kafka: ApacheKafka, fresh: str) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers),
        topics=TopicSettings(
            strain_prefix=fresh + "s.", external=fresh + "e", alerts=fresh + "a", alerts_json=fresh + "j",
            heartbeat=fresh + "h", decisions=fresh + "d",
        ),
    )  # fmt: skip


def test_an_aborted_transaction_is_never_read(settings: KafkaSettings, fresh: str) -> None:
    producer = TransactionalProducer(settings, fresh)
    with pytest.raises(ZeroDivisionError), producer.transaction():
        producer.send(fresh, "k", b"half")
        1 / 0  # noqa: B018
    with producer.transaction():
        producer.send(fresh, "k", b"whole")
    producer.close()
    assert [m.value for m in read_all(settings, fresh)] == [b"whole"]


def test_a_transaction_that_is_open_when_a_read_begins_is_waited_for(settings: KafkaSettings, fresh: str) -> None:
    """Its messages stand before the end, and may yet be committed: as is one whose markers are still on their way."""
    producer = TransactionalProducer(settings, fresh)
    sent, reading = threading.Event(), threading.Event()

    def slow() -> None:
        with producer.transaction():
            producer.send(fresh, "k", b"late")
            producer._producer.flush(20)
            sent.set()
            reading.wait(20)
            time.sleep(0.5)

    sender = threading.Thread(target=slow)
    sender.start()
    assert sent.wait(20)
    reading.set()
    assert [m.value for m in read_all(settings, fresh)] == [b"late"]
    sender.join()
    producer.close()


def test_a_transaction_that_stays_open_is_named(settings: KafkaSettings, fresh: str) -> None:
    producer = TransactionalProducer(settings, fresh)
    with producer.transaction():
        producer.send(fresh, "k", b"open")
        producer._producer.flush(20)
        with pytest.raises(DeadlineExceeded, match=f"a transaction is open on topic {fresh}, partition 0, offset 0"):
            list(read_all(settings, fresh, 1.5))
    producer.close()


def test_a_second_producer_with_the_same_id_fences_the_first(settings: KafkaSettings, fresh: str) -> None:
    first = TransactionalProducer(settings, fresh)
    second = TransactionalProducer(settings, fresh)
    with pytest.raises(Fenced, match=f"publish.transactional_id={fresh}: stop one"), first.transaction():
        first.send(fresh, "k", b"zombie")
    with second.transaction():
        second.send(fresh, "k", b"living")
    second.close()
    assert [m.value for m in read_all(settings, fresh)] == [b"living"]


def test_reading_from_a_time_starts_there(settings: KafkaSettings, fresh: str) -> None:
    producer = Producer(settings)
    producer.send(fresh, "k", b"old")
    producer.flush()
    time.sleep(0.05)
    since_ns = time.time_ns()
    time.sleep(0.05)
    producer.send(fresh, "k", b"new")
    producer.flush()
    producer.close()
    with Consumer(settings, [fresh], since_ns) as consumer:
        found: list[Message] = []
        end = time.monotonic() + 20
        while not found and time.monotonic() < end:
            found = consumer.poll_batch(0.2)
    assert [m.value for m in found] == [b"new"]


def test_topics_of_a_configuration_are_made_once_and_are_as_they_must_be(kafka: ApacheKafka, fresh: str) -> None:
    settings = own_topics(kafka, fresh)
    wanted = {fresh + "s.H1", fresh + "s.L1", fresh + "e", fresh + "a", fresh + "j", fresh + "h", fresh + "d"}
    assert {c.name for c in check(settings) if c.problem == "missing"} == wanted
    assert set(create(settings)) == wanted
    assert create(settings) == []
    assert wanted <= list_topics(settings).keys()
    assert [c for c in check(settings) if c.problem is not None] == []


def test_a_topic_that_would_forget_alerts_is_found(kafka: ApacheKafka, fresh: str) -> None:
    settings = own_topics(kafka, fresh)
    create(settings)
    resource = ConfigResource(
        ResourceType.TOPIC,
        fresh + "a",
        incremental_configs=[ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)],
    )
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.incremental_alter_configs([resource])[resource].result(20)
    # The controller has it then; the broker that answers the check learns of it a moment later.
    until_s = time.monotonic() + 20
    while not (found := [c for c in check(settings) if c.problem is not None]) and time.monotonic() < until_s:
        time.sleep(0.05)
    (wrong,) = found
    assert wrong.name == fresh + "a"
    assert wrong.problem == "retention.ms=1000 (must be -1)"


def test_a_topic_with_many_partitions_is_found(kafka: ApacheKafka, fresh: str) -> None:
    settings = own_topics(kafka, fresh)
    kafka.create_topic(fresh + "s.H1", 3)
    create(settings)
    (wrong,) = [c for c in check(settings) if c.problem is not None]
    assert "3 partitions, not 1" in str(wrong.problem)


@pytest.mark.parametrize("transactions", [True, False])
def test_a_message_beyond_what_the_topic_takes_is_told_by_its_size_and_the_next_producer_goes_on(
    transactions: bool, settings: KafkaSettings, fresh: str
) -> None:
    """Such as a map on a topic that was made with Kafka's own limit of 1 MiB: the broker refuses it, not the client."""
    topic = fresh + "small"
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)
    producer = TransactionalProducer(settings, fresh, transactions)
    with pytest.raises(MessageTooLarge, match=topic), producer.transaction():
        producer.send(topic, "k", os.urandom(2_000_000))
    producer = TransactionalProducer(settings, fresh, transactions)
    with producer.transaction():
        producer.send(topic, "k", b"small")
    assert [message.value for message in read_all(settings, topic)] == [b"small"]
