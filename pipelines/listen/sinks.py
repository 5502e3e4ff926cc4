"""Where external events go: a Kafka topic, or a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

import structlog

from stream.codec.avro import encode_external
from stream.codec.external_file import ExternalFile
from stream.codec.limits import MAX_BYTES
from stream.errors import DeadlineExceeded, MessageTooLarge, TransportError
from stream.kafka.producer import Producer
from stream.metrics import NOTICES_SHORTENED
from stream.records import ExternalEvent
from stream.settings import KafkaSettings
from stream.text import clean

log = structlog.get_logger()
_SLICE_S = 0.5
_CLOSE_S = 5.0
_MOST_BYTES = MAX_BYTES["external"] - 64 * 1024
"""Room is left for key, headers and framing, below the size that a topic takes."""


_TAKEN_BY_ANY = 900_000
"""Kafka's default is 1 MiB."""


class Sink(Protocol):
    """What takes external events."""

    def put(self, event: ExternalEvent) -> None:
        """Take one."""
        ...

    def acknowledged(self, meanwhile: Callable[[], bool]) -> bool:
        """Wait until all are kept; ``meanwhile`` is called now and then, and ends the wait when it returns False."""
        ...

    def close(self) -> None:
        """End."""
        ...

    def __enter__(self) -> Sink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Closing:
    """Closes at the end of a ``with``."""

    def close(self) -> None:
        """End."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


class TopicSink(_Closing):
    """Send events to a topic, with key ``source/event_id``: what belongs to one event stays in its order.

    An event that is larger than a message may be goes without its notice, then without its map; both are counted.

    Parameters
    ----------
    settings : KafkaSettings
    topic : str
    """

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._timeout_s = settings.operation_timeout_s
        self._sent: list[ExternalEvent] = []
        # A broker that is away is waited for, however long: the source's place stays behind what waits.
        self._producer = Producer(settings, {"message.timeout.ms": 0, "topic.metadata.propagation.max.ms": 5000})

    def __enter__(self) -> TopicSink:
        """Return itself."""
        return self

    def put(self, event: ExternalEvent) -> None:
        """Hand an event to the client.

        Raises
        ------
        TransportError
            If the topic is not there, or does not take any event.
        """
        self._sent.append(event)
        self._send(event)

    def _send(self, event: ExternalEvent) -> None:
        self._producer.send(self._topic, f"{event.source}/{event.event_id}", fitted(event))

    def acknowledged(self, meanwhile: Callable[[], bool]) -> bool:
        """Wait until the broker has all; while it is away the wait goes on."""
        try:
            kept = self._flushed(meanwhile)
        except MessageTooLarge:
            # The broker takes less than we may send, and does not say which of them it refused: all again, the large
            # ones without what makes them so.
            for event in self._sent:
                self._send(shortened(event))
            kept = self._flushed(meanwhile)
        if kept:
            self._sent = []
        return kept

    def _flushed(self, meanwhile: Callable[[], bool]) -> bool:
        while True:
            try:
                self._producer.flush(_SLICE_S)
                return True
            except DeadlineExceeded:
                if not meanwhile():
                    return False
            except MessageTooLarge:
                raise
            except TransportError as error:
                raise TransportError(f"{error}: is the topic there? `tocsin topics create` makes it") from error

    def close(self) -> None:
        """Send what waits, for as long as an operation may take."""
        self._producer.close(min(self._timeout_s, _CLOSE_S))


def fitted(event: ExternalEvent) -> bytes:
    """Return an event as a message, without notice or map where it would be too large with them."""
    encoded = encode_external(event)
    if len(encoded) > _MOST_BYTES:
        _say_shortened(event, "raw")
        event = replace(event, raw=b"")
        encoded = encode_external(event)
    if len(encoded) > _MOST_BYTES:
        _say_shortened(event, "skymap")
        encoded = encode_external(replace(event, skymap=None))
    return encoded


def shortened(event: ExternalEvent) -> ExternalEvent:
    """Return an event without notice and map, if it is larger than what any broker takes."""
    if len(event.raw) + len(event.skymap or b"") <= _TAKEN_BY_ANY:
        return event
    _say_shortened(event, "raw and skymap")
    return replace(event, raw=b"", skymap=None)


def _say_shortened(event: ExternalEvent, part: str) -> None:
    NOTICES_SHORTENED.labels(part).inc()
    log.warning(
        "event_shortened", source=clean(event.source), event_id=clean(event.event_id), without=part,
        raw_bytes=len(event.raw), skymap_bytes=len(event.skymap or b""),
    )  # fmt: skip


class FileSink(_Closing):
    """Write events into a file that ``tocsin coincide --events`` reads."""

    def __init__(self, path: Path) -> None:
        self._file = ExternalFile(path)

    def __enter__(self) -> FileSink:
        """Return itself."""
        return self

    def put(self, event: ExternalEvent) -> None:
        """Append an event."""
        self._file.write(event)

    def acknowledged(self, meanwhile: Callable[[], bool]) -> bool:
        """Whether all is kept: a file takes at once."""
        return True

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


class NoSink(_Closing):
    """Take events and keep none: for looking at what would be sent."""

    def __enter__(self) -> NoSink:
        """Return itself."""
        return self

    def put(self, event: ExternalEvent) -> None:
        """Take one."""

    def acknowledged(self, meanwhile: Callable[[], bool]) -> bool:
        """Whether all is kept."""
        return True
