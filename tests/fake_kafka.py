"""Kafka as the publisher sees it, without a broker; and waits for what other threads do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipelines.live import drain, truth
from stream.codec.alert import Outgoing
from stream.errors import TransportError
from stream.kafka.consumer import Message


class FakeKafka:
    """Transactions and the truth; each fails as often as it is told to."""

    def __init__(self) -> None:
        self.refusals = 0
        self.unreadable, self.was_read, self.tried = (threading.Event() for _ in range(3))
        self.lost_answers = 0
        self.producers = 0
        self.when_refused: Callable[[], None] = lambda: None
        self.sent: list[bytes] = []
        self.topic: list[Message] = []

    def producer(self, *_: Any) -> FakeKafka:
        self.producers += 1
        return self

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.open: list[Message] = []
        yield
        if self.refusals:
            self.tried.set()
            self.refusals -= 1
            self.when_refused()
            raise TransportError("commit_transaction failed: not enough replicas")
        self.sent += [message.value or b"" for message in self.open]
        self.topic += [message for message in self.open if message.topic == "alerts.gw"]
        if self.lost_answers:
            self.lost_answers -= 1
            raise TransportError("commit_transaction failed: the broker is away")

    def send(self, topic: str, key: str, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        self.open.append(Message(topic, 0, len(self.topic), key.encode(), value, headers, 0))

    def close(self, timeout_s: float | None = None) -> None:
        pass

    def read_since(self, *_: Any) -> Iterator[Any]:
        if self.unreadable.is_set():
            raise TransportError("topic alerts.gw, partition 0 has no leader")
        yield from list(self.topic)
        self.was_read.set()

    def foreign(self, alert: Outgoing) -> None:
        """Let another daemon have sent an alert."""
        offset = len(self.topic)
        self.topic.append(Message("alerts.gw", 0, offset, alert.superevent_id.encode(), alert.avro, alert.headers, 0))

    @classmethod
    def instead(cls, monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
        """Return one that stands where Kafka stood."""
        fake = cls()
        monkeypatch.setattr(drain, "TransactionalProducer", fake.producer)
        monkeypatch.setattr(truth, "read_since", fake.read_since)
        monkeypatch.setattr(truth, "oldest_unheard_ns", lambda *_: None)
        return fake


def until(so: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not so() and time.monotonic() < end:
        time.sleep(0.01)
    return so()
