"""Producers, consumers and topics: the same behaviour is asked of the embedded broker and of Apache Kafka."""

from __future__ import annotations

import time

import pytest
from conftest import Broker
from fake_kafka import until

from stream.errors import DeadlineExceeded, TransportError
from stream.kafka.consumer import Consumer, Message
from stream.kafka.producer import Producer, TransactionalProducer
from stream.kafka.reading import read_all
from stream.kafka.topics import list_topics
from stream.settings import KafkaSettings, Settings


@pytest.fixture
def settings(any_broker: Broker, fresh: str) -> KafkaSettings:
    any_broker.create_topic(fresh)
    return KafkaSettings(
        bootstrap_servers=any_broker.bootstrap_servers, group_id=fresh, operation_timeout_s=30, session_timeout_s=5
    )


def read(consumer: Consumer, count: int, seconds: float = 60.0) -> list[Message]:
    found: list[Message] = []
    end = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        found += consumer.poll_batch(0.1)
    return found


def send(settings: KafkaSettings, topic: str, values: list[bytes]) -> None:
    producer = Producer(settings)
    for value in values:
        producer.send(topic, "key", value, (("a", b"1"), ("b", b"\x00\xff")))
    producer.flush()
    producer.close()


def test_messages_arrive_once_in_order_with_key_headers_and_time(settings: KafkaSettings, fresh: str) -> None:
    values = [b"%d" % k for k in range(500)]
    before_ns = time.time_ns()
    with Consumer(settings, [fresh], "earliest") as consumer:
        send(settings, fresh, values)
        found = read(consumer, len(values))
    assert [m.value for m in found] == values
    assert found[0].key == b"key"
    assert found[0].headers == (("a", b"1"), ("b", b"\x00\xff"))
    assert before_ns - 2_000_000 <= found[0].timestamp_ns <= time.time_ns()


def test_a_message_of_eight_megabytes_passes(settings: KafkaSettings, fresh: str) -> None:
    big = bytes(range(256)) * 4 * 1024 * 7
    send(settings, fresh, [big])
    assert [m.value for m in read_all(settings, fresh)] == [big]


def test_a_consumer_goes_on_where_the_last_one_stored(settings: KafkaSettings, fresh: str) -> None:
    send(settings, fresh, [b"0"])
    with Consumer(settings, [fresh], "earliest", group_id=fresh) as first:
        read(first, 1)
        send(settings, fresh, [b"1", b"2", b"3"])
        found = read(first, 3)
        first.store(found[0])
        first.commit()
    with Consumer(settings, [fresh], "committed") as second:
        assert [m.value for m in read(second, 2)] == [b"2", b"3"]


def test_a_place_that_may_not_move_stays(settings: KafkaSettings, fresh: str) -> None:
    """Neither a commit nor the end moves it."""
    send(settings, fresh, [b"0"])
    with Consumer(settings, [fresh], "earliest", group_id=fresh) as first:
        first.store(read(first, 1)[0])
        first.commit()
        send(settings, fresh, [b"1", b"2"])
    with Consumer(settings, [fresh], may_commit=lambda: False) as held:
        for message in read(held, 2):
            held.store(message)
        held.commit()
    with Consumer(settings, [fresh]) as third:
        assert [m.value for m in read(third, 2)] == [b"1", b"2"]


def test_a_new_group_starts_at_the_present(settings: KafkaSettings, fresh: str) -> None:
    send(settings, fresh, [b"old"])
    with Consumer(settings, [fresh], "latest") as consumer:
        assert until(lambda: not consumer.poll_batch(0.1) and (fresh, 0) in consumer.places)
        send(settings, fresh, [b"new"])
        assert [m.value for m in read(consumer, 1)] == [b"new"]


def test_skip_to_now_leaves_out_what_is_there(settings: KafkaSettings, fresh: str) -> None:
    send(settings, fresh, [b"%d" % k for k in range(50)])
    with Consumer(settings, [fresh], "earliest") as consumer:
        assert until(lambda: bool(consumer.poll_batch(0.1, 1)))
        consumer.seek_to_end()
        found: list[Message] = []

        def heard() -> bool:
            """Where the end was is asked of the broker: what comes before its answer is skipped, too."""
            send(settings, fresh, [b"after"])
            found.extend(consumer.poll_batch(0.5))
            return bool(found)

        assert until(heard)
        assert {message.value for message in found} == {b"after"}


def test_read_all_of_an_empty_topic_is_empty(settings: KafkaSettings, fresh: str) -> None:
    assert list(read_all(settings, fresh)) == []


def test_read_all_of_a_missing_topic_names_the_remedy(settings: KafkaSettings) -> None:
    with pytest.raises(TransportError, match="tocsin topics create"):
        list(read_all(settings, "nobody-made-this"))


def test_the_transactional_producer_sends_to_two_topics(
    any_broker: Broker, settings: KafkaSettings, fresh: str
) -> None:
    any_broker.create_topic(fresh + ".json")
    apache = type(any_broker).__name__ == "ApacheKafka"
    producer = TransactionalProducer(settings, fresh, transactions=apache)
    with producer.transaction():
        producer.send(fresh, "k", b"avro")
        producer.send(fresh + ".json", "k", b"json")
    assert [m.value for m in read_all(settings, fresh)] == [b"avro"]
    assert [m.value for m in read_all(settings, fresh + ".json")] == [b"json"]
    producer.close()


def test_a_broker_that_goes_and_returns_loses_nothing(any_broker: Broker, settings: KafkaSettings, fresh: str) -> None:
    """What is sent while it is away is delivered when it is back; the reader goes on by itself."""
    producer = Producer(settings)
    with Consumer(settings, [fresh], "earliest") as consumer:
        producer.send(fresh, "k", b"before")
        assert [m.value for m in read(consumer, 1)] == [b"before"]
        any_broker.down()
        producer.send(fresh, "k", b"during")
        with pytest.raises(DeadlineExceeded):
            producer.flush(1.0)
        assert read(consumer, 1, seconds=1.0) == []
        any_broker.up()
        producer.flush(30.0)
        producer.send(fresh, "k", b"after")
        producer.flush(30.0)
        assert [m.value for m in read(consumer, 2, seconds=40.0)] == [b"during", b"after"]
        assert consumer.errors > 0
    producer.close()


def test_nobody_there_is_said_within_the_time_given() -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1", operation_timeout_s=0.5))
    with pytest.raises(TransportError, match=r"no broker at 127\.0\.0\.1:1"):
        list_topics(settings)


def test_a_partition_that_cannot_be_moved_just_now_ends_nobody(settings: KafkaSettings, fresh: str) -> None:
    """As between a rebalance and the first fetch: to skip is a convenience, and its failure no reason to end."""
    with Consumer(settings, [fresh], "earliest") as consumer:
        consumer._assigned = frozenset({(fresh, 0)})
        consumer.seek_to_end()
        send(settings, fresh, [b"1"])
        assert [m.value for m in read(consumer, 1)] == [b"1"]
