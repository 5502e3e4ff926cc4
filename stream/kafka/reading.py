"""A topic read once, from a place to its end as it stands now: what a start and a test must know of it.

The end is the high watermark, behind the last message that was sent, be it committed or not. The *last stable
offset*, which a reader of committed messages is told instead, lags behind: ``commit_transaction`` returns when the
coordinator has written its decision, and the markers by which the topic's own broker learns of it follow. A reader
that stopped there would miss the newest message, and an alert that is not seen is sent twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import confluent_kafka
from confluent_kafka import IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream.errors import TransportError
from stream.kafka import config
from stream.kafka.consumer import FATAL, Message, message_of
from stream.kafka.deadline import Deadline
from stream.settings import KafkaSettings

_AGAIN_S = 0.2
_LOOK_S = 2.0
_LOW, _HIGH = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
_EVER = OffsetSpec.for_timestamp(0)
_NEVER_NS = 2**63
_LITTLE = {
    "fetch.message.max.bytes": 1024 * 1024,
    "queued.min.messages": 100,
    "queued.max.messages.kbytes": 4096,
    "auto.offset.reset": "earliest",
}
"""What is fetched ahead: a message that is larger comes all the same."""


def read_all(settings: KafkaSettings, topic: str, timeout_s: float | None = None) -> Iterator[Message]:
    """Yield a topic's messages from its beginning to its end; see :func:`read_since`."""
    return read_since(settings, topic, None, timeout_s)


def read_since(
    settings: KafkaSettings,
    topic: str,
    since_unix_ns: int | None,
    timeout_s: float | None = None,
    places: Mapping[int, int] | None = None,
) -> Iterator[Message]:
    """Yield a topic's messages from a time to its end as it stands now, committed ones only.

    A transaction that is open before that end is waited for: it may yet be committed. Messages come one by one, and few
    are fetched ahead of who takes them, so that memory does not grow with the topic.

    Parameters
    ----------
    settings : KafkaSettings
    topic : str
    since_unix_ns : int or None
        The first message that is not older is the first one read; None reads all. A broker that cannot look up a time
        (the embedded one, which keeps 5 MiB) is read from its beginning.
    timeout_s : float, optional
        How long nothing may come; by default the operation's deadline.
    places : mapping of int to int, optional
        Offset to begin at, by partition, where that is known better than by a time.

    Raises
    ------
    TransportError
        If the topic is not there.
    DeadlineExceeded
        If no broker answered in time, a partition had no leader or a transaction stayed open; it says which.
    """
    deadline = Deadline(timeout_s or settings.operation_timeout_s, f"reading topic {topic}")
    consumer = _consumer(settings, f"{settings.group_id}-reader")
    try:
        starts, ends = _bounds(consumer, _Offsets(settings, deadline), topic, since_unix_ns)
        starts |= {p: max(start, starts[p]) for p, start in (places or {}).items() if p in starts}
        unread = {p: end for p, end in ends.items() if end > starts[p]}
        consumer.assign([TopicPartition(topic, p, starts[p]) for p in unread])
        yield from _read(consumer, topic, unread, deadline)
    finally:
        consumer.close()


def oldest_unheard_ns(settings: KafkaSettings, topics: Sequence[str], timeout_s: float) -> int | None:
    """Return when the oldest message was sent that the group has yet to hear, Unix; None if there is none.

    Parameters
    ----------
    settings : KafkaSettings
        Says the group.
    topics : sequence of str
        Of one partition each.
    timeout_s : float
        Deadline of the whole.

    Raises
    ------
    DeadlineExceeded
        If it could not be found out in time.
    """
    deadline = Deadline(timeout_s, f"asking what group {settings.group_id} has heard")
    consumer = _consumer(settings, settings.group_id)
    try:
        unheard = _unheard(consumer, topics, _Offsets(settings, deadline))
        consumer.assign(unheard)
        oldest: dict[str, int] = {}
        while len(oldest) < len(unheard):
            raw = consumer.poll(min(_AGAIN_S, deadline.check()))
            if raw is None:
                continue
            error, name = raw.error(), raw.topic()
            assert name is not None or error is not None
            if error is None:
                oldest.setdefault(str(name), message_of(raw).timestamp_ns)
            elif error.code() == KafkaError._PARTITION_EOF:
                oldest.setdefault(str(name), _NEVER_NS)
            else:
                deadline.waits_for(error.str())
        return min((ns for ns in oldest.values() if ns != _NEVER_NS), default=None)
    finally:
        consumer.close()


def _unheard(consumer: confluent_kafka.Consumer, topics: Sequence[str], offsets: _Offsets) -> list[TopicPartition]:
    """Return the group's places that have something behind them, once the brokers tell."""
    deadline = offsets.deadline
    while True:
        try:
            places = consumer.committed([TopicPartition(t, 0) for t in topics], timeout=min(_LOOK_S, deadline.check()))
            kept = [place for place in places if place.offset >= 0]
            return [p for p, end in zip(kept, offsets.of(kept, _HIGH), strict=True) if p.offset < end]
        except confluent_kafka.KafkaException as error:
            deadline.waits_for(error.args[0].str())
        time.sleep(min(_AGAIN_S, deadline.check()))


def _consumer(settings: KafkaSettings, group_id: str) -> confluent_kafka.Consumer:
    return confluent_kafka.Consumer(config.consumer(settings, group_id) | _LITTLE | {"enable.partition.eof": True})


def _read(
    consumer: confluent_kafka.Consumer, topic: str, unread: dict[int, int], deadline: Deadline
) -> Iterator[Message]:
    """Yield messages until every partition's end is reached; the ends are exclusive."""
    while unread:
        raw = consumer.poll(min(_AGAIN_S, deadline.check()))
        if raw is None:
            continue
        error, partition, offset = raw.error(), raw.partition(), raw.offset()
        if error is None:
            assert partition is not None and offset is not None
            deadline.renew()
            if offset + 1 >= unread.get(partition, 0):
                unread.pop(partition, None)
            yield message_of(raw)
        elif error.code() == KafkaError._PARTITION_EOF:
            # All that is committed up to here has been read; what follows is open, and a marker will end it.
            assert partition is not None and offset is not None
            if offset >= unread.get(partition, 0):
                unread.pop(partition, None)
            else:
                deadline.waits_for(f"a transaction is open on topic {topic}, partition {partition}, offset {offset}")
        elif error.fatal() or error.code() in FATAL:
            raise TransportError(f"reading {topic}: {error.str()}")


class _Offsets:
    """Look-ups of offsets, also behind what is committed."""

    def __init__(self, settings: KafkaSettings, deadline: Deadline) -> None:
        self._admin = AdminClient(config.common(settings))
        self.deadline = deadline

    def of(self, partitions: Sequence[TopicPartition], which: OffsetSpec) -> list[int]:
        """Return an offset of each partition; -1 where there is none."""
        if not partitions:
            return []
        bare = [TopicPartition(p.topic, p.partition) for p in partitions]
        answers = self._admin.list_offsets(
            dict.fromkeys(bare, which),
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=min(_LOOK_S, self.deadline.check()),
        )
        return [answers[partition].result().offset for partition in bare]

    def since(self, partitions: list[TopicPartition], unix_ns: int, ends: list[int]) -> list[int] | None:
        """Return the first offsets of a time, the ends where all is older; None where the broker cannot tell."""
        found = self.of(partitions, OffsetSpec.for_timestamp(max(0, unix_ns // 1_000_000)))
        if -1 in found and -1 in self.of(partitions, _EVER):
            return None  # not even of the oldest time; or a partition is empty, and all is read either way
        return [end if offset < 0 else offset for offset, end in zip(found, ends, strict=True)]


def _bounds(
    consumer: confluent_kafka.Consumer, offsets: _Offsets, topic: str, since_unix_ns: int | None
) -> tuple[dict[int, int], dict[int, int]]:
    """Return first and last offsets by partition, once each has a leader that answers."""
    deadline = offsets.deadline
    while True:
        try:
            found = consumer.list_topics(topic, timeout=min(_LOOK_S, deadline.check())).topics[topic]
            if found.error is not None and found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise TransportError(f"topic {topic} is not there: make it with `tocsin topics create`")
            headless = [p for p, partition in found.partitions.items() if partition.leader < 0]
            if found.partitions and not headless:
                partitions = [TopicPartition(topic, p) for p in found.partitions]
                ends = offsets.of(partitions, _HIGH)
                starts = offsets.since(partitions, since_unix_ns, ends) if since_unix_ns is not None else None
                starts = starts or offsets.of(partitions, _LOW)
                return dict(zip(found.partitions, starts, strict=True)), dict(zip(found.partitions, ends, strict=True))
            deadline.waits_for(f"topic {topic}, partition {', '.join(map(str, headless)) or 'any'} has no leader")
        except confluent_kafka.KafkaException as error:
            deadline.waits_for(f"topic {topic}: {error.args[0].str()}")
        time.sleep(min(_AGAIN_S, deadline.check()))
