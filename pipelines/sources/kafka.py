"""Any Kafka as a source: a member of a stable group, whose place is committed when messages are done with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from pipelines.sources.message import SourceMessage
from pipelines.sources.silence import SilenceWatch
from stream.kafka.consumer import Consumer, Foreign, Message
from stream.settings import KafkaSettings
from stream.text import clean
from stream.timebase import Clock

log = structlog.get_logger()
_MOST = 200
_COMMIT_S = 1.0
_EXTRA = {
    # Notices are few: what waits in the client is bounded by bytes, not by what a stranger sends.
    "queued.max.messages.kbytes": 16_384,
    "queued.min.messages": 100,
    # A topic of one notice a year has a place from its first day on.
    "enable.partition.eof": True,
    # The other side is a public service, and a thousandth of a second matters to no notice.
    "topic.metadata.refresh.interval.ms": 30_000,
    "fetch.wait.max.ms": 100,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source is read, where it is not as notices are.

    Attributes
    ----------
    places : mapping of (str, int) to int
        Offsets at which topics' partitions are read on from, whatever start and group say.
    instance : str or None
        A fixed name in the group: who comes back after it was killed gets its partitions at once.
    extra : mapping
        More librdkafka settings.
    monotonic : callable
    """

    places: Mapping[tuple[str, int], int] = field(default_factory=dict)
    instance: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic


_AS_NOTICES = Reading()


class KafkaSource:
    """Hand out the messages of some topics.

    Parameters
    ----------
    name : str
    settings : KafkaSettings
    topics : sequence of str
    group : str
    clock : Clock
        What ``received_ns`` is told by.
    start : {"committed", "unread"} or int
        Where a group begins that has no place yet: at the end, or at the beginning; an int is a Unix time in
        nanoseconds at which it begins in any case.
    silence : SilenceWatch, optional
        For a source that has heartbeats.
    reading : Reading
    """

    ended = False

    def __init__(
        self, name: str, settings: KafkaSettings, topics: Sequence[str], group: str, clock: Clock,
        start: str | int = "committed", silence: SilenceWatch | None = None,
        reading: Reading = _AS_NOTICES,
    ) -> None:  # fmt: skip
        self.name = name
        self._clock, self._monotonic, self._silence = clock, reading.monotonic, silence
        self._heartbeat = None if silence is None else silence.topic
        self._absent: set[str] = set()
        self._late: list[Message] = []
        self._committed_s = reading.monotonic()
        wanted = list(dict.fromkeys([*topics, *([] if silence is None else [silence.topic])]))
        self._consumer = Consumer(
            settings, wanted, start, group, reading.instance,
            foreign=Foreign(self._no_topic, _EXTRA | dict(reading.extra), reading.places),
        )  # fmt: skip
        log.info("source_opened", source=name, brokers=settings.bootstrap_servers, group=group, topics=len(topics))

    @property
    def places(self) -> dict[tuple[str, int], int]:
        """Where each partition is read on from, by topic and number, behind what :meth:`poll` returned."""
        return {(topic, n): at for (topic, n), at in self._consumer.places.items() if topic != self._heartbeat}

    @property
    def silent(self) -> bool:
        """Whether heartbeats have stopped."""
        return self._silence is not None and self._silence.silent

    @property
    def errors(self) -> int:
        """Errors of the connection so far, refused credentials among them."""
        return self._consumer.errors

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        """Return what is there, heartbeats apart.

        Raises
        ------
        TransportError
            For an error that will not mend itself, such as refused credentials.
        """
        self._consumer.pause(False)
        late, self._late = self._late, []
        batch = late or self._consumer.poll_batch(timeout_s, _MOST)
        now_ns = self._clock.now_ns()
        if self._silence is not None:
            self._silence(self._monotonic(), len(batch))
        for message in batch:
            self._absent.discard(message.topic)
        for beat in (m for m in batch if m.topic == self._heartbeat):
            self._consumer.store(beat)
        self._commit()
        return [self._message(m, now_ns) for m in batch if m.topic != self._heartbeat]

    def _message(self, message: Message, now_ns: int) -> SourceMessage:
        place = clean(f"{message.topic}[{message.partition}]@{message.offset}")
        return SourceMessage(message.value or b"", self.name, message.topic, place, now_ns, message.headers, message)

    def hold(self) -> None:
        """Stay a member and read nothing; what was on its way when reading paused is handed out by the next poll."""
        self._consumer.pause(True)
        self._late += self._consumer.poll_batch(0.0, 1)

    def done(self, messages: Sequence[SourceMessage]) -> None:
        """Move the place on; the broker is told about once a second."""
        last = {(m.topic, m.origin.partition): m.origin for m in messages if m.origin is not None}
        for origin in last.values():
            self._consumer.store(origin)
        self._commit()

    def _commit(self) -> None:
        now_s = self._monotonic()
        if now_s - self._committed_s >= _COMMIT_S:
            self._consumer.commit()
            self._committed_s = now_s

    def close(self) -> None:
        """Commit what is done with, and leave the group."""
        self._consumer.close()

    def _no_topic(self, topic: str, why: str) -> None:
        if topic not in self._absent:
            self._absent.add(topic)
            log.warning(
                "topic_not_read", source=self.name, topic=clean(topic), reason=why, effect="the others are read"
            )
