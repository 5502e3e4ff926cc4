"""Consumers: offsets stored by hand, cooperative rebalancing, broker loss survived.

librdkafka reconnects by itself; errors it reports meanwhile are counted and logged, not raised, for a daemon
outlives its brokers' restarts. What cannot mend itself (authentication, a topic that is not allowed) is raised.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import confluent_kafka
import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, TopicPartition

from stream.errors import TransportError
from stream.kafka import config
from stream.kafka.deadline import Deadline
from stream.kafka.standing import INTERVAL_MS, LeaderWatch, Standing
from stream.kafka.watch import BrokerWatch
from stream.settings import KafkaSettings

log = structlog.get_logger()

_FATAL = {KafkaError._AUTHENTICATION, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was read; ``timestamp_ns`` is Unix time, resolved to the millisecond."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ns: int


class Consumer:
    """Read topics as a member of a group.

    Parameters
    ----------
    settings : KafkaSettings
    topics : sequence of str
    start : {"committed", "earliest", "latest"} or int
        Where to begin; an int is a Unix time in nanoseconds. ``committed`` falls back to ``latest``.
    group_id : str, optional
        Instead of the settings' group; a reader that keeps no place gets one of its own.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        start: str | int = "committed",
        group_id: str | None = None,
    ) -> None:
        self._timeout_s = settings.operation_timeout_s
        self._start = start
        self._closed = False
        self._assigned: frozenset[tuple[str, int]] = frozenset()
        self._watch = BrokerWatch("consumer")
        if start != "committed" and group_id is None:
            group_id = f"{settings.group_id}-{uuid.uuid4().hex[:12]}"
        self._leaders = LeaderWatch()
        self._consumer = confluent_kafka.Consumer(
            config.consumer(settings, group_id)
            | {"error_cb": self._watch, "stats_cb": self._leaders, "statistics.interval.ms": INTERVAL_MS}
        )
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke)

    def __enter__(self) -> Consumer:
        """Return itself; leaving closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    @property
    def errors(self) -> int:
        """Broker errors so far."""
        return self._watch.errors

    @property
    def assigned(self) -> list[tuple[str, int]]:
        """Partitions that this consumer reads; kept here, for asking librdkafka may wait for a broker."""
        return sorted(self._assigned)

    def standing(self) -> dict[str, Standing]:
        """Return how each topic that has been read stands, as of the last poll."""
        return self._leaders.standing()

    def poll_batch(self, timeout_s: float, max_messages: int = 500) -> list[Message]:
        """Return what is there: at once when something is, after ``timeout_s`` with nothing otherwise.

        Raises
        ------
        TransportError
            For an error that will not mend itself.
        """
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        batch = [first]
        if max_messages > 1:
            batch += self._consumer.consume(max_messages - 1, 0)
        return [message for raw in batch if (message := self._checked(raw)) is not None]

    def store(self, message: Message) -> None:
        """Mark a message, and all before it in its partition, as done with."""
        try:
            self._consumer.store_offsets(offsets=[TopicPartition(message.topic, message.partition, message.offset + 1)])
        except confluent_kafka.KafkaException as error:
            # The partition went to another member meanwhile: its offset is that member's business.
            log.info("offset_not_stored", topic=message.topic, partition=message.partition, error=str(error))

    def commit(self) -> None:
        """Commit the stored offsets; a failure is logged, the next commit carries them again."""
        try:
            self._consumer.commit(asynchronous=True)
        except confluent_kafka.KafkaException as exception:
            if exception.args[0].code() != KafkaError._NO_OFFSET:
                log.warning("offsets_not_committed", error=str(exception))

    def seek_to_end(self) -> None:
        """Skip to now in every partition."""
        for partition in self._consumer.assignment():
            self._consumer.seek(TopicPartition(partition.topic, partition.partition, OFFSET_END))

    def close(self) -> None:
        """Commit what is stored and leave the group."""
        if self._closed:
            return
        self._closed = True
        try:
            self._consumer.commit(asynchronous=False)
        except confluent_kafka.KafkaException as exception:
            if exception.args[0].code() != KafkaError._NO_OFFSET:
                log.warning("offsets_not_committed", error=str(exception))
        self._consumer.close()

    def _on_assign(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        if self._start != "committed":
            partitions = self._placed(consumer, partitions)
        log.info("partitions_assigned", partitions=[f"{p.topic}[{p.partition}]" for p in partitions])
        consumer.incremental_assign(partitions)
        self._assigned |= {(p.topic, p.partition) for p in partitions}

    def _placed(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        if isinstance(self._start, int):
            wanted = [TopicPartition(p.topic, p.partition, self._start // 1_000_000) for p in partitions]
            found: list[TopicPartition] = consumer.offsets_for_times(wanted, timeout=self._timeout_s)
            return found
        offset = OFFSET_BEGINNING if self._start == "earliest" else OFFSET_END
        return [TopicPartition(p.topic, p.partition, offset) for p in partitions]

    def _on_revoke(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        log.info("partitions_revoked", partitions=[f"{p.topic}[{p.partition}]" for p in partitions])
        self.commit()
        consumer.incremental_unassign(partitions)
        self._assigned -= {(p.topic, p.partition) for p in partitions}

    def _checked(self, raw: confluent_kafka.Message) -> Message | None:
        error = raw.error()
        if error is None:
            return _message(raw)
        if error.code() in _FATAL or error.fatal():
            raise TransportError(f"reading {raw.topic()}: {error.str()}: check kafka.* credentials and the topic's ACL")
        self._watch(error)
        return None


def _message(raw: confluent_kafka.Message) -> Message:
    topic, partition, offset = raw.topic(), raw.partition(), raw.offset()
    assert topic is not None and partition is not None and offset is not None
    _, timestamp_ms = raw.timestamp()
    key, value = _bytes(raw.key()), _bytes(raw.value())
    return Message(topic, partition, offset, key, value, _headers(raw), max(0, timestamp_ms) * 1_000_000)


def _headers(raw: confluent_kafka.Message) -> tuple[tuple[str, bytes], ...]:
    """Return a message's headers; none where a name is not UTF-8, which confluent-kafka answers with a SystemError."""
    try:
        return tuple((str(name), _bytes(value) or b"") for name, value in raw.headers() or ())  # type: ignore[str-unpack]
    except (SystemError, UnicodeError) as error:
        log.warning(
            "headers_not_read", topic=raw.topic(), partition=raw.partition(), offset=raw.offset(), error=str(error)
        )
        return ()


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def read_all(settings: KafkaSettings, topic: str, timeout_s: float | None = None) -> Iterator[Message]:
    """Yield a topic's messages from its beginning to its end as it stands now, committed ones only.

    Raises
    ------
    TransportError
        If the topic is not there.
    DeadlineExceeded
        If no broker answered in time.
    """
    deadline = Deadline(timeout_s or settings.operation_timeout_s, f"reading topic {topic}")
    consumer = confluent_kafka.Consumer(
        config.consumer(settings, f"{settings.group_id}-reader") | {"enable.partition.eof": True}
    )
    try:
        ends = _ends(consumer, topic, deadline)
        open_partitions = {p for p, (low, high) in ends.items() if high > low}
        consumer.assign([TopicPartition(topic, p, ends[p][0]) for p in open_partitions])
        while open_partitions:
            raw = consumer.poll(min(0.2, deadline.check()))
            if raw is None:
                continue
            error = raw.error()
            if error is None:
                yield _message(raw)
            elif error.code() == KafkaError._PARTITION_EOF:
                # With transactions the last offsets are markers, not messages: the end is where the broker says so.
                open_partitions.discard(raw.partition())
            elif error.fatal() or error.code() in _FATAL:
                raise TransportError(f"reading {topic}: {error.str()}")
    finally:
        consumer.close()


def _ends(consumer: confluent_kafka.Consumer, topic: str, deadline: Deadline) -> dict[int, tuple[int, int]]:
    """Return low and high offsets by partition."""
    while True:
        try:
            found = consumer.list_topics(topic, timeout=min(2.0, deadline.check())).topics[topic]
        except confluent_kafka.KafkaException:
            continue
        if found.error is not None or not found.partitions:
            raise TransportError(f"topic {topic} is not there: make it with `tocsin topics create`")
        return {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=deadline.check())
            for p in found.partitions
        }
