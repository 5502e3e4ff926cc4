"""Other messengers, live: from their topic into the events' loop, by a thread of its own.

A notice's place on the topic moves on when it is kept and what follows from it is on disk, also what has to wait since
too much was told of late; whatever kills the daemon, it is heard again, and a notice that was taken before changes
nothing. One that cannot be read is counted, named with its place and passed over. While none can be taken, as until the
alert topic has been read or while the disk is full, the topic is paused and polls go on. The search does not depend on
any of this: what goes wrong here is logged and tried again, and the daemon goes on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from stream import metrics
from stream.codec.avro import decode_external
from stream.coincide.coincidences import Coincidences
from stream.coincide.store import Store
from stream.errors import Fenced, StoreError, TocsinError, TransportError
from stream.kafka.consumer import Consumer, Message
from stream.records import ExternalEvent
from stream.settings import Settings
from stream.superevent import Change
from stream.timebase import NS_PER_S, Clock

log = structlog.get_logger()
_POLL_S = 0.1
_BATCH = 100
_COMMIT_S = 2.0
_AGAIN_S = 2.0
_MOST_SOURCES = 32
"""So many sources have a metric of their own: their names are strangers' words."""


class Hearer(Protocol):
    """Who takes notices: the publisher."""

    @property
    def ready(self) -> bool:
        """Whether notices can be taken now."""
        ...

    @property
    def safe(self) -> bool:
        """Whether what follows from all that was taken is on disk."""
        ...

    @property
    def caught_up(self) -> bool:
        """Whether nothing that was heard waits to be told."""
        ...

    def hear(self, external: ExternalEvent) -> tuple[Change, ...]:
        """Take a notice; what follows from it is on disk when this returns, unless it waits for :meth:`catch_up`."""
        ...

    def catch_up(self) -> tuple[Change, ...]:
        """Tell what has waited long enough."""
        ...


@contextmanager
def keeping(settings: Settings, clock: Clock) -> Iterator[Coincidences | None]:
    """Keep the recent events of both kinds; None where nothing is listened to.

    Raises
    ------
    ConfigurationError
        If a search has no window or no rate.
    """
    external = settings.external
    if not external.enabled:
        yield None
        return
    coincidences = Coincidences(external, Store(external.store, external.keep_days, clock), settings.publish.kind)
    try:
        yield coincidences
    finally:
        coincidences.close()


@contextmanager
def listening(settings: Settings, hearer: Hearer, clock: Clock) -> Iterator[None]:
    """Listen to other messengers, where the settings say so."""
    if not settings.external.enabled:
        yield
        return
    kafka = settings.kafka
    consumer = Consumer(
        kafka, [settings.topics.external], start="unread", group_id=f"{kafka.group_id}-external",
        instance_id=f"{kafka.group_instance_id}-external"[:249], may_commit=lambda: hearer.safe and hearer.caught_up,
    )  # fmt: skip
    listener = ExternalEvents(consumer, hearer, clock)
    try:
        yield
    finally:
        listener.close()


class ExternalEvents:
    """Poll the topic in a thread of its own, until closed; hand on what comes.

    Parameters
    ----------
    consumer : Consumer
        Closed with this.
    hearer : Hearer
    clock : Clock
        Says how long a notice took.
    """

    def __init__(self, consumer: Consumer, hearer: Hearer, clock: Clock) -> None:
        self._consumer = consumer
        self._hearer = hearer
        self._clock = clock
        self._waiting: deque[Message] = deque()
        self._not_before_s = 0.0
        self._commit_s = 0.0
        self._sources: set[str] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="external", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and leave the group."""
        self._closed.set()
        self._thread.join()
        self._consumer.close()

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                self._turn()
                metrics.EXTERNAL_LISTENING.set(1)
                continue
            except Fenced as error:
                log.error("external_events_ended", error=str(error))
                self._closed.set()
            except TransportError as error:
                log.error("external_events_not_read", error=str(error))
            except Exception as error:  # the search must not end because nobody listens any more
                log.error("external_events_failed", error=repr(error), exc_info=True)
            metrics.EXTERNAL_LISTENING.set(0)
            self._closed.wait(_AGAIN_S)

    def _turn(self) -> None:
        self._consumer.pause(bool(self._waiting) or not self._hearer.ready)
        self._waiting.extend(self._consumer.poll_batch(_POLL_S, _BATCH))
        while self._waiting and not self._closed.is_set() and self._is_done(self._waiting[0]):
            self._consumer.store(self._waiting.popleft())
        self._catch_up()
        if time.monotonic() >= self._commit_s:
            self._commit_s = time.monotonic() + _COMMIT_S
            self._consumer.commit()

    def _catch_up(self) -> None:
        if self._hearer.caught_up or not self._hearer.ready or time.monotonic() < self._not_before_s:
            return
        try:
            changes = self._hearer.catch_up()
        except Fenced:
            raise
        except TocsinError as error:
            self._not_before_s = time.monotonic() + _AGAIN_S
            log.warning("coincidence_waits", error=str(error))
            return
        for change in changes:
            metrics.COINCIDENCES.labels(change).inc()
            log.info("coincidence_told_late", change=change)

    def _is_done(self, message: Message) -> bool:
        """Take a notice, or pass it over; return False if it has to wait."""
        if not self._hearer.ready or time.monotonic() < self._not_before_s:
            return False
        try:
            external = decode_external(message.value or b"")
            changes = self._hearer.hear(external)
        except (StoreError, TransportError) as error:
            self._not_before_s = time.monotonic() + _AGAIN_S
            log.warning("external_event_waits", offset=message.offset, error=str(error))
            return False
        except Exception as error:  # whatever a notice brings up, those behind it are heard
            if not self._hearer.ready:  # it died; the next start takes the notice
                return False
            self._refused(message, error)
            return True
        self._heard(external, changes)
        return True

    def _refused(self, message: Message, error: Exception) -> None:
        metrics.MESSAGES_REFUSED.labels(message.topic).inc()
        log.error(
            "external_event_refused", topic=message.topic, partition=message.partition, offset=message.offset,
            error=str(error), exc_info=not isinstance(error, TocsinError),
        )  # fmt: skip

    def _heard(self, external: ExternalEvent, changes: tuple[Change, ...]) -> None:
        """Count a notice, and say what it changed."""
        metrics.EXTERNAL_EVENTS.labels(self._label(external.source), "told" if changes else "kept").inc()
        for change in changes:
            metrics.COINCIDENCES.labels(change).inc()
        if changes:
            after_s = (self._clock.now_ns() - external.received_ns) / NS_PER_S
            metrics.EXTERNAL_TO_REVISION.observe(after_s)
            log.info(
                "coincidence_told", source=external.source, event_id=external.event_id, changes=changes,
                alert_type=external.alert_type, after_receipt_s=round(after_s, 4),
            )  # fmt: skip

    def _label(self, source: str) -> str:
        if len(self._sources) < _MOST_SOURCES:
            self._sources.add(source)
        return source if source in self._sources else "other"
