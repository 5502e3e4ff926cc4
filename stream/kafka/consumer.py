"""Consumers: offsets stored by hand, cooperative rebalancing, broker loss survived.

librdkafka reconnects by itself; errors it reports meanwhile are counted and logged, not raised, for a daemon
outlives its brokers' restarts. What cannot mend itself (authentication, a topic that is not allowed) is raised; a
token that ended in mid-handshake, or an issuer that is ill, does mend itself, and is counted and logged.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import confluent_kafka
import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, TopicPartition

from stream.errors import Fenced, TransportError
from stream.kafka import config
from stream.kafka.deadline import Deadline
from stream.kafka.standing import INTERVAL_MS, LeaderWatch, Standing
from stream.kafka.watch import BrokerWatch
from stream.settings import KafkaSettings

log = structlog.get_logger()
_CLOSE_S = 10.0
_AGAIN_S = 0.2
_END_S = 2.0
_KEPT = ("committed", "unread")
LAST = "last:"
_MARKS = 16
_OF_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED}

FATAL = {KafkaError._AUTHENTICATION, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}


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


@dataclass(frozen=True, slots=True)
class Foreign:
    """How a broker is read that others run.

    Attributes
    ----------
    on_no_topic : callable
        Told in a poll of a topic that is not there, or that one may not read, and why; the others are read on. At a
        broker of our own, a topic that is not allowed is an error.
    extra : mapping
        More librdkafka settings.
    places : mapping of (str, int) to int
        Offsets at which topics' partitions are read on from, whatever the start and the group's place are.
    """

    on_no_topic: Callable[[str, str], None]
    extra: Mapping[str, object]
    places: Mapping[tuple[str, int], int] = field(default_factory=dict)


class Consumer:
    """Read topics as a member of a group.

    Parameters
    ----------
    settings : KafkaSettings
    topics : sequence of str
    start : {"committed", "unread", "earliest", "latest", "last:N"} or int
        Where to begin; an int is a Unix time in nanoseconds. ``committed`` falls back to ``latest``, ``unread`` to
        ``earliest``. ``last:N`` begins at least N messages before each partition's end: half of what a transactional
        topic holds may be marks of transactions.
    group_id : str, optional
        Instead of the settings' group; a reader that keeps no place gets one of its own.
    instance_id : str, optional
        A fixed name in the group: its holder comes back without a rebalance, and the younger of two ends the older.
    may_commit : callable
        Asked before each commit; while it says no, the place on the broker stays where it is.
    on_answer : callable, optional
        Told in a poll what the coordinator answered to :meth:`ask`, with its number.
    foreign : Foreign, optional
        How a broker is read that others run.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        start: str | int = "committed",
        group_id: str | None = None,
        instance_id: str | None = None,
        may_commit: Callable[[], bool] = lambda: True,
        on_answer: Callable[[int, KafkaError | None], None] = lambda number, error: None,
        foreign: Foreign | None = None,
    ) -> None:
        self._may_commit = may_commit
        self._foreign = foreign
        self._refusal_passes = foreign is not None or settings.sasl_mechanism == "OAUTHBEARER"
        self._on_answer = on_answer
        self._topics = frozenset(topics)
        self._timeout_s = settings.operation_timeout_s
        self._start = start
        self._closed = False
        self._assigned: frozenset[tuple[str, int]] = frozenset()
        self._paused: frozenset[tuple[str, int]] = frozenset()
        self._next: dict[tuple[str, int], int] = dict(foreign.places if foreign is not None else {})
        self._watch = BrokerWatch("consumer")
        if start not in _KEPT and group_id is None:
            group_id = f"{settings.group_id}-{uuid.uuid4().hex[:12]}"
        self._leaders = LeaderWatch()
        callbacks: dict[str, object] = {"error_cb": self._watch, "on_commit": self._committed}
        if foreign is None:
            callbacks |= {"stats_cb": self._leaders, "statistics.interval.ms": INTERVAL_MS}
        if start == "unread":
            callbacks["auto.offset.reset"] = "earliest"
        whole = (
            config.consumer(settings, group_id, instance_id)
            | callbacks
            | dict(foreign.extra if foreign is not None else {})
        )
        self._consumer = confluent_kafka.Consumer(whole)
        self._to_join: list[str] | None = list(topics)

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

    @property
    def places(self) -> dict[tuple[str, int], int]:
        """Where each partition is read on from, by topic and number: behind the last message that was handed out."""
        return dict(self._next)

    def standing(self) -> dict[str, Standing]:
        """Return how each topic that has been read stands, as of the last poll; nothing of a foreign broker's."""
        return self._leaders.standing()

    def poll_batch(self, timeout_s: float, max_messages: int = 500) -> list[Message]:
        """Return what is there: at once when something is, after ``timeout_s`` with nothing otherwise.

        Raises
        ------
        TransportError
            For an error that will not mend itself.
        """
        self._subscribe()
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        batch = [first]
        if max_messages > 1:
            batch += self._consumer.consume(max_messages - 1, 0)
        found = [message for raw in batch if (message := self._checked(raw)) is not None]
        self._next.update({(m.topic, m.partition): m.offset + 1 for m in found})
        return found

    def _anchor(self, end: confluent_kafka.Message) -> None:
        """Keep a partition's end as our place, if nothing of it has been read: what comes while we are away is new.

        Without it a group that heard nothing yet has no place, and begins at the end again when it comes back.
        """
        topic, number, offset = end.topic(), end.partition(), end.offset()
        assert topic is not None and number is not None and offset is not None
        if (topic, number) not in self._next:
            self._next[topic, number] = offset
            self._consumer.store_offsets(offsets=[TopicPartition(topic, number, offset)])

    def _subscribe(self) -> None:
        """Join the group, at the first poll and not before.

        Partitions that were assigned to a consumer which nobody polls are only taken in its close, where librdkafka may
        never answer the client that gives them back again, with the interpreter's lock in its hand.
        """
        if self._to_join is not None:
            topics, self._to_join = self._to_join, None
            self._consumer.subscribe(topics, on_assign=self._on_assign, on_revoke=self._on_revoke)

    def store(self, message: Message) -> None:
        """Mark a message, and all before it in its partition, as done with."""
        try:
            self._consumer.store_offsets(offsets=[TopicPartition(message.topic, message.partition, message.offset + 1)])
        except confluent_kafka.KafkaException as error:
            # The partition went to another member meanwhile: its offset is that member's business.
            log.info("offset_not_stored", topic=message.topic, partition=message.partition, error=str(error))

    def commit(self) -> None:
        """Commit the stored offsets; a failure is logged, the next commit carries them again."""
        if not self._may_commit():
            return
        try:
            self._consumer.commit(asynchronous=True)
        except confluent_kafka.KafkaException as exception:
            if exception.args[0].code() != KafkaError._NO_OFFSET:
                log.warning("offsets_not_committed", error=str(exception))

    def pause(self, wanted: bool) -> None:
        """Read nothing for a while, or go on; polls then keep the membership alive and return nothing."""
        want = self._assigned if wanted else frozenset()
        for change, apply in (
            (want - self._paused, self._consumer.pause),
            (self._paused - want, self._consumer.resume),
        ):
            if change:
                apply([TopicPartition(topic, number) for topic, number in change])
        self._paused = want

    def ask(self, topic: str, number: int) -> None:
        """Ask the coordinator whether this is a member still; ``on_answer`` is told in a later poll.

        It commits a number as the place in a topic that the group does not read: only the answer to that counts.
        """
        self._consumer.commit(offsets=[TopicPartition(topic, 0, number)], asynchronous=True)

    def seek_to_end(self) -> None:
        """Skip to now in every partition; one that cannot be moved just now is logged and read on."""
        for topic, number in self.assigned:
            try:
                self._consumer.seek(TopicPartition(topic, number, OFFSET_END))
                self._next.pop((topic, number), None)
            except confluent_kafka.KafkaException as error:
                log.warning("not_skipped", topic=topic, partition=number, error=str(error))

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Commit what is stored and leave; a coordinator that is away is not waited for longer than stated."""
        if self._closed:
            return
        self._closed = True
        # librdkafka's own calls wait for the coordinator as long as the session lasts.
        leaving = threading.Thread(target=self._leave, name="consumer-close", daemon=True)
        leaving.start()
        leaving.join(timeout_s)
        if leaving.is_alive():
            log.warning("group_not_left", after_s=timeout_s, effect="what was read since the last commit is read again")

    def _leave(self) -> None:
        try:
            if self._to_join is None and self._may_commit():
                self._consumer.commit(asynchronous=False)
        except confluent_kafka.KafkaException as exception:
            if exception.args[0].code() != KafkaError._NO_OFFSET:
                log.warning("offsets_not_committed", error=str(exception))
        self._consumer.close()

    def _committed(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        for place in places:
            if place.topic not in self._topics:
                self._on_answer(place.offset, error or place.error)
        if error is not None and error.code() != KafkaError._NO_OFFSET:
            self._watch(error)

    def _on_assign(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        # A partition that comes back, after a time without a coordinator, is read on from where it was.
        known = [
            TopicPartition(p.topic, p.partition, self._next[p.topic, p.partition])
            for p in partitions
            if (p.topic, p.partition) in self._next
        ]
        fresh = [p for p in partitions if (p.topic, p.partition) not in self._next]
        if self._start not in _KEPT and fresh:
            fresh = self._placed(consumer, fresh)
        partitions = known + fresh
        log.info("partitions_assigned", partitions=[f"{p.topic}[{p.partition}]" for p in partitions])
        consumer.incremental_assign(partitions)
        self._assigned |= {(p.topic, p.partition) for p in partitions}

    def _placed(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        if isinstance(self._start, int):
            wanted = [TopicPartition(p.topic, p.partition, self._start // 1_000_000) for p in partitions]
            return self._at_time(consumer, wanted)
        if isinstance(self._start, str) and self._start.startswith(LAST):
            count = int(self._start.removeprefix(LAST))
            return [TopicPartition(p.topic, p.partition, self._before_end(consumer, p, count)) for p in partitions]
        if self._start == "earliest":
            return [TopicPartition(p.topic, p.partition, OFFSET_BEGINNING) for p in partitions]
        return [TopicPartition(p.topic, p.partition, self._end(consumer, p)) for p in partitions]

    def _end(self, consumer: confluent_kafka.Consumer, partition: TopicPartition) -> int:
        """Return the present end as a number, so that it is still the same one if the partition must come back."""
        try:
            _, end = consumer.get_watermark_offsets(partition, timeout=_END_S)
        except confluent_kafka.KafkaException as error:
            self._watch(error.args[0])
            return int(OFFSET_END)
        self._next[partition.topic, partition.partition] = end
        return int(end)

    def _before_end(self, consumer: confluent_kafka.Consumer, partition: TopicPartition, count: int) -> int:
        """Return an offset that so many messages follow, each with the mark of a transaction of its own."""
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=_END_S)
        except confluent_kafka.KafkaException as error:
            self._watch(error.args[0])
            return int(OFFSET_BEGINNING)
        return max(int(low), int(high) - 2 * count - _MARKS)

    def _at_time(self, consumer: confluent_kafka.Consumer, wanted: list[TopicPartition]) -> list[TopicPartition]:
        """Look the offsets up, as often as a missing leader makes it fail within the operation's time."""
        deadline = Deadline(self._timeout_s, f"looking up a time in {wanted[0].topic if wanted else 'no topic'}")
        while True:
            try:
                found: list[TopicPartition] = consumer.offsets_for_times(wanted, timeout=deadline.check())
                return found
            except confluent_kafka.KafkaException as error:
                self._watch(error.args[0])
                time.sleep(min(_AGAIN_S, deadline.check()))

    def _on_revoke(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        log.info("partitions_revoked", partitions=[f"{p.topic}[{p.partition}]" for p in partitions])
        self.commit()
        consumer.incremental_unassign(partitions)
        self._assigned -= {(p.topic, p.partition) for p in partitions}
        self._paused &= self._assigned

    def _checked(self, raw: confluent_kafka.Message) -> Message | None:
        error = raw.error()
        if error is None:
            return message_of(raw)
        if error.code() == KafkaError._FATAL or error.fatal():
            raise Fenced(
                f"the group membership ended: {error.str()}: another daemon has this kafka.group_id and "
                "kafka.group_instance_id: stop one of them, or give it another name"
            )
        if error.code() == KafkaError._PARTITION_EOF:
            self._anchor(raw)
            return None
        if self._foreign is not None and error.code() in _OF_TOPIC:
            self._foreign.on_no_topic(raw.topic() or "", error.str())
            return None
        if error.code() in FATAL and not (self._refusal_passes and error.code() == KafkaError._AUTHENTICATION):
            what = raw.topic() or "the group"
            raise TransportError(f"reading {what}: {error.str()}: check kafka.* credentials and the topic's ACL")
        self._watch(error)
        return None


def message_of(raw: confluent_kafka.Message) -> Message:
    """Return a message of Kafka's client as ours."""
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
