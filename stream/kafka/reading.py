"""A topic read once, from a place to its end as it stands now: what a start and a test must know of it.

The end is the high watermark, behind the last message that was sent, be it committed or not. The *last stable
offset*, which a reader of committed messages is told instead, lags behind: ``commit_transaction`` returns when the
coordinator has written its decision, and the markers by which the topic's own broker learns of it follow. A reader
that stopped there would miss the newest message, and an alert that is not seen is sent twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

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


def read_all(settings: KafkaSettings, topic: str, timeout_s: float | None = None) -> Iterator[Message]:
    """Yield a topic's messages from its beginning to its end as it stands now, committed ones only.

    A transaction that is open before that end is waited for: it may yet be committed.

    Parameters
    ----------
    settings : KafkaSettings
    topic : str
    timeout_s : float, optional
        How long nothing may come; by default the operation's deadline.

    Raises
    ------
    TransportError
        If the topic is not there.
    DeadlineExceeded
        If no broker answered in time, a partition had no leader or a transaction stayed open; it says which.
    """
    deadline = Deadline(timeout_s or settings.operation_timeout_s, f"reading topic {topic}")
    consumer = confluent_kafka.Consumer(
        config.consumer(settings, f"{settings.group_id}-reader") | {"enable.partition.eof": True}
    )
    try:
        ends = _ends(consumer, AdminClient(config.common(settings)), topic, deadline)
        unread = {p: high for p, (low, high) in ends.items() if high > low}
        consumer.assign([TopicPartition(topic, p, ends[p][0]) for p in unread])
        yield from _read(consumer, topic, unread, deadline)
    finally:
        consumer.close()


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


def _ends(
    consumer: confluent_kafka.Consumer, admin: AdminClient, topic: str, deadline: Deadline
) -> dict[int, tuple[int, int]]:
    """Return low and high offsets by partition, once each has a leader that answers."""
    while True:
        try:
            found = consumer.list_topics(topic, timeout=min(_LOOK_S, deadline.check())).topics[topic]
            if found.error is not None and found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise TransportError(f"topic {topic} is not there: make it with `tocsin topics create`")
            headless = [p for p, partition in found.partitions.items() if partition.leader < 0]
            if found.partitions and not headless:
                partitions = [TopicPartition(topic, p) for p in found.partitions]
                low = _offsets(admin, partitions, _LOW, deadline)
                high = _offsets(admin, partitions, _HIGH, deadline)
                return {p: (low[p], high[p]) for p in low}
            deadline.waits_for(f"topic {topic}, partition {', '.join(map(str, headless)) or 'any'} has no leader")
        except confluent_kafka.KafkaException as error:
            deadline.waits_for(f"topic {topic}: {error.args[0].str()}")
        time.sleep(min(_AGAIN_S, deadline.check()))


def _offsets(
    admin: AdminClient, partitions: list[TopicPartition], which: OffsetSpec, deadline: Deadline
) -> dict[int, int]:
    answers = admin.list_offsets(
        dict.fromkeys(partitions, which),
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=min(_LOOK_S, deadline.check()),
    )
    return {partition.partition: answer.result().offset for partition, answer in answers.items()}
