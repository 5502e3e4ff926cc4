"""The publisher without a broker: what it does when Kafka refuses, and when the truth cannot be read."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from broker import child

from pipelines.live import publisher as module
from pipelines.live.publisher import Published, Publisher
from stream.codec.alert import encode_alert
from stream.errors import PublishError, TransportError
from stream.kafka.consumer import Message
from stream.publish import make_alert
from stream.publish.alert import companion, hop_headers, tocsin_headers
from stream.settings import KafkaSettings, PublishSettings, Settings
from stream.timebase import SystemClock


class FakeKafka:
    """Transactions and the truth; each fails as often as it is told to."""

    def __init__(self) -> None:
        self.refusals = 0
        self.unreadable, self.was_read, self.tried = (threading.Event() for _ in range(3))
        self.sent: list[bytes] = []
        self.topic: list[Message] = []

    def producer(self, *_: Any) -> FakeKafka:
        return self

    @contextmanager
    def transaction(self) -> Iterator[None]:
        before = len(self.sent)
        yield
        if self.refusals:
            self.tried.set()
            self.refusals -= 1
            del self.sent[before:]
            raise TransportError("commit_transaction failed: not enough replicas", retry_after_s=0.5)

    def send(self, topic: str, key: str, value: bytes, headers: object = ()) -> None:
        self.sent.append(value)

    def close(self, timeout_s: float | None = None) -> None:
        pass

    def read_all(self, *_: Any) -> Iterator[Any]:
        if self.unreadable.is_set():
            raise TransportError("topic alerts.gw, partition 0 has no leader")
        yield from list(self.topic)
        self.was_read.set()


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    fake = FakeKafka()
    monkeypatch.setattr(module, "TransactionalProducer", fake.producer)
    monkeypatch.setattr(module, "read_all", fake.read_all)
    return fake


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"), publish=PublishSettings(outbox=tmp_path / "outbox")
    )


def until(so: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not so() and time.monotonic() < end:
        time.sleep(0.01)
    return so()


def stranded(kafka: FakeKafka, settings: Settings) -> None:
    """Leave an alert in the outbox: Kafka takes it from nobody until the publisher ends."""
    kafka.refusals = 1_000_000
    publisher = Publisher(settings, SystemClock())
    publisher.publish(child.candidate())
    publisher.close(0.3)
    assert publisher.waiting == 1
    kafka.refusals = 0


def test_an_alert_out_of_the_outbox_that_is_refused_is_tried_again_at_once(
    kafka: FakeKafka, settings: Settings
) -> None:
    """Nobody need hand over another candidate first."""
    stranded(kafka, settings)
    kafka.refusals = 2
    published: list[Published] = []
    told = threading.Event()

    def tell(one: Published) -> None:
        published.append(one)
        told.set()

    publisher = Publisher(settings, SystemClock(), tell)
    assert told.wait(10)
    publisher.close()
    assert [p.superevent_id for p in published] == ["TS240517a"]
    assert len(kafka.sent) == 2


def test_candidates_wait_while_the_truth_cannot_be_read(kafka: FakeKafka, settings: Settings) -> None:
    """Without the truth no id may be given; until it is read the strain's place must not move on."""
    kafka.unreadable.set()
    told = threading.Event()
    publisher = Publisher(settings, SystemClock(), lambda _: told.set())
    publisher.publish(child.candidate())
    assert not told.wait(0.3)
    assert (publisher.ready, publisher.safe, publisher.alive, publisher.waiting) == (False, False, True, 1)
    kafka.unreadable.clear()
    assert told.wait(10)
    publisher.close()
    assert publisher.safe
    assert len(kafka.sent) == 2


def test_the_end_does_not_wait_for_a_truth_that_cannot_be_read(kafka: FakeKafka, settings: Settings) -> None:
    """What was found is found again by the next start, for its strain's place has not moved."""
    kafka.unreadable.set()
    publisher = Publisher(settings, SystemClock())
    publisher.publish(child.candidate())
    publisher.close(0.3)
    assert not publisher.safe
    assert publisher.waiting == 1
    assert kafka.sent == []


def test_what_is_found_while_an_alert_is_being_sent_is_on_disk_at_once_and_leaves_in_its_order(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit may wait for a broker for long: a process that is killed meanwhile has lost nothing."""
    sending, never = threading.Event(), threading.Event()
    original = Publisher._send

    def blocked(self: Publisher, alert: Any) -> None:
        sending.set()
        never.wait(20)
        raise TransportError("the process is gone")

    monkeypatch.setattr(Publisher, "_send", blocked)
    killed = Publisher(settings, SystemClock())
    assert until(lambda: killed.ready)
    for seconds in (0, 60):
        killed.publish(child.candidate(seconds))
    assert sending.wait(10)
    assert len(list(settings.publish.outbox.glob("*.alert"))) == 2
    assert (killed.safe, killed.waiting) == (True, 2)

    monkeypatch.setattr(Publisher, "_send", original)
    published: list[Published] = []
    restarted = Publisher(settings, SystemClock(), published.append)
    restarted.close()
    assert [p.superevent_id for p in published] == ["TS240517a", "TS240517b"]
    never.set()
    killed.close(0.0)


def test_a_caller_is_told_when_too_many_wait_for_the_truth_and_the_end_comes_all_the_same(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No candidate gets its id while the truth cannot be read; one too many ends the daemon, and it does end."""
    monkeypatch.setattr(module, "_HELD", 2)
    kafka.unreadable.set()
    publisher = Publisher(settings, SystemClock())
    for _ in range(2):
        publisher.publish(child.candidate())
    with pytest.raises(PublishError, match="wait for topic"):
        publisher.publish(child.candidate())
    publisher.close(0.2)
    assert (publisher.alive, publisher.safe) == (False, False)


def test_an_alert_that_stands_nowhere_but_in_memory_is_not_safe(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full and the broker away: a crash would lose it, were its strain's place to move on."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    kafka.refusals = 1_000_000
    told = threading.Event()
    publisher = Publisher(settings, SystemClock(), lambda _: told.set())
    publisher.publish(child.candidate())
    assert kafka.tried.wait(10)
    assert not publisher.safe
    kafka.refusals = 0
    assert told.wait(10)
    publisher.close()
    assert publisher.safe


def test_an_event_that_another_daemon_has_sent_meanwhile_is_not_sent_again(
    kafka: FakeKafka, settings: Settings
) -> None:
    """Two daemons overlap while the younger takes over: to send, the older one fenced the younger's producer."""
    publisher = Publisher(settings, SystemClock())
    assert kafka.was_read.wait(10)
    candidate = child.candidate()
    alert = make_alert(candidate, "TS240517a", candidate.gps_ns, 1e-7)
    headers = (*hop_headers(str(uuid.uuid4()), settings.publish), *tocsin_headers(companion(candidate)))
    kafka.topic = [Message("alerts.gw", 0, 0, b"TS240517a", encode_alert(alert), headers, 0)]
    kafka.refusals = 1
    publisher.publish(candidate)
    publisher.close()
    assert kafka.tried.is_set()
    assert (publisher.waiting, kafka.sent) == (0, [])
    assert list(settings.publish.outbox.glob("*.alert")) == []
