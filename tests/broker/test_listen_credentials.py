"""Sources that ask who one is: tokens are renewed before they end, and user and password are taken."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from broker.apache_kafka import missing
from broker.guarded import GuardedKafka, Issuer
from confluent_kafka.admin import AdminClient, NewTopic

from pipelines.sources import KafkaSource
from stream.errors import TransportError
from stream.kafka.producer import Producer
from stream.kafka.topics import list_topics
from stream.settings import KafkaSettings, Settings
from stream.timebase import SystemClock

pytestmark = pytest.mark.broker

LIFE_S = 4.0
LASTING_S = 9.0


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer(LIFE_S)
    yield made
    made.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer, kafka: object) -> Iterator[GuardedKafka]:
    """After ``kafka``, which skips or fails where Apache Kafka is not there."""
    assert missing() is None
    made = GuardedKafka(tmp_path_factory.mktemp("guarded"), issuer)
    wait_for(made)
    yield made
    made.close()


def wait_for(broker: GuardedKafka) -> None:
    end_s = time.monotonic() + 60
    while True:
        try:
            list_topics(Settings(kafka=plain(broker)))
            return
        except TransportError:
            assert time.monotonic() < end_s, broker.log


def plain(broker: GuardedKafka) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers, operation_timeout_s=2)


def topic_of(broker: GuardedKafka, name: str) -> str:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1)])[name].result(30)
    return name


def read(source: KafkaSource) -> list[bytes]:
    messages = source.poll(0.05)
    source.done(messages)
    return [message.payload for message in messages]


def test_tokens_that_live_for_seconds_are_renewed_and_nothing_is_missed(guarded: GuardedKafka, issuer: Issuer) -> None:
    """The broker closes a connection whose token has ended: several lives long, every message comes, once, in order."""
    topic, sender = topic_of(guarded, "tokens"), Producer(plain(guarded))
    source = KafkaSource("gcn", guarded.with_token(), [topic], "reader-tokens", SystemClock(), "unread")
    sent, found, end_s = 0, list[bytes](), time.monotonic() + LASTING_S
    while time.monotonic() < end_s:
        sender.send(topic, "k", b"%d" % sent)
        sent += 1
        found += read(source)
    late_s = time.monotonic() + 60
    while len(found) < sent and time.monotonic() < late_s:
        found += read(source)
    source.close()
    sender.close()
    assert found == [b"%d" % k for k in range(sent)]
    assert len(issuer.issued) >= 2


def test_user_and_password_are_taken(guarded: GuardedKafka) -> None:
    topic, sender = topic_of(guarded, "password"), Producer(plain(guarded))
    sender.send(topic, "k", b"heard")
    sender.flush()
    sender.close()
    source = KafkaSource("scimma", guarded.with_password(), [topic], "jo-reader", SystemClock(), "unread")
    found, end_s = list[bytes](), time.monotonic() + 30
    while not found and time.monotonic() < end_s:
        found += read(source)
    source.close()
    assert found == [b"heard"]


def test_credentials_that_are_refused_are_said_and_end_nothing(guarded: GuardedKafka, issuer: Issuer) -> None:
    """An issuer may be ill for a minute; a wrong secret is for a person to see in log and metrics."""
    sources = [
        KafkaSource("gcn", guarded.with_token("wrong"), ["tokens"], "reader-refused", SystemClock()),
        KafkaSource("scimma", guarded.with_password("wrong"), ["password"], "jo-refused", SystemClock()),
    ]
    end_s = time.monotonic() + 30
    while not all(source.errors for source in sources) and time.monotonic() < end_s:
        for source in sources:
            assert read(source) == []
    assert all(source.errors for source in sources)
    assert issuer.refused
    for source in sources:
        source.close()
