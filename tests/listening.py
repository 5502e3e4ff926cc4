"""A listener in a thread, with a notice reader that knows no mission, and what it left on the topic."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from external import Heard, read_plain

from pipelines.listen import Wanted, run
from pipelines.listen.tally import Tally
from stream.codec.avro import decode_external
from stream.errors import TransportError
from stream.kafka.producer import Producer
from stream.kafka.reading import read_all
from stream.records import ExternalEvent
from stream.settings import Settings
from stream.timebase import SystemClock


class Run:
    """A listener in a thread, until told to stop."""

    def __init__(self, settings: Settings, topics: Sequence[str] = ("notices",), start: str = "unread") -> None:
        self.heard, self.stop = Heard(), threading.Event()
        self.tally: Tally | None = None
        self.error: Exception | None = None
        self._wanted = Wanted(["local"], topics, start=start)
        self._settings = settings
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.tally = run(self._settings, self._wanted, read_plain, SystemClock(), self.stop, self.heard)
        except TransportError as error:
            self.error = error

    def until(self, there: Callable[[], bool], timeout_s: float = 60.0) -> None:
        end_s = time.monotonic() + timeout_s
        while not there():
            assert time.monotonic() < end_s and self._thread.is_alive(), self.error
            time.sleep(0.02)

    def ended(self) -> None:
        self._thread.join(90)
        assert not self._thread.is_alive()

    def end(self) -> None:
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


def send(settings: Settings, payloads: Sequence[bytes], topic: str = "notices") -> None:
    producer = Producer(settings.kafka)
    for payload in payloads:
        producer.send(topic, "key", payload, (("_format", b"json"),))
    producer.flush()
    producer.close()


def on_the_topic(settings: Settings) -> list[ExternalEvent]:
    found = list(read_all(settings.kafka, settings.topics.external))
    events = [decode_external(message.value or b"") for message in found]
    assert [message.key for message in found] == [f"{e.source}/{e.event_id}".encode() for e in events]
    return events


def names(events: Sequence[ExternalEvent]) -> list[str]:
    return [event.event_id for event in events]
