"""Feed blocks to Kafka as detectors do: each one when its last sample has been taken.

``simulate``, ``replay``, ``demo`` and ``bench`` send through here.

A detector does not stop because a broker did. Blocks wait in the client's queue for as long as it takes and arrive
late, in their order, each with the time at which it was sent; with the queue full (five minutes of two detectors) the
next block waits. What is in the queue when the feed is stopped with the broker away is counted and said.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import structlog

from stream.codec.avro import encode_strain, encode_witness
from stream.codec.registry import SchemaRegistry, schema_registry
from stream.errors import DeadlineExceeded
from stream.kafka.producer import Producer
from stream.records import Block, StrainBlock
from stream.settings import Settings, TopicSettings
from stream.timebase import NS_PER_S, Clock

log = structlog.get_logger()
_LOOK_UP_S = 1.0
_LAST_S = 5.0
_SAY_EVERY_S = 5.0


def send(
    block: Block, producer: Producer, topics: TopicSettings, sent_ns: int, registry: SchemaRegistry | None = None
) -> None:
    """Send one block to its detector's topic, stamped with the time of sending and framed if there is a registry."""
    stamped = replace(block, sent_ns=sent_ns)
    if isinstance(stamped, StrainBlock):
        topic, message = topics.strain_prefix + stamped.detector, encode_strain(stamped)
    else:
        topic, message = topics.witness_prefix + stamped.detector, encode_witness(stamped)
    if registry is not None:
        message = registry.frame(topic, message)
    producer.send(topic, stamped.detector, message)


def feed(
    source: Iterable[Block],
    settings: Settings,
    clock: Clock,
    *,
    speed: float = 1.0,
    stop: threading.Event | None = None,
    on_block: Callable[[Block], None] | None = None,
) -> int:
    """Send blocks at ``speed`` times real time; return how many.

    The first block leaves at once and sets the pace, unless its end lies within a minute of the clock: then the
    data are of the present, and each block leaves when the clock reaches its end (faster than real time, not before).
    """
    patient = settings.kafka.model_copy(update={"operation_timeout_s": _LOOK_UP_S})
    producer, registry = Producer(patient, {"message.timeout.ms": 0}), schema_registry(settings.kafka)
    stop = stop or threading.Event()
    started_ns: int | None = None
    first_end_ns = count = 0
    try:
        for block in source:
            now_ns = clock.now_ns()
            if started_ns is None:
                first_end_ns = block.end_ns
                is_present = abs(first_end_ns - now_ns) < 60 * NS_PER_S and (speed <= 1 or first_end_ns > now_ns)
                started_ns = first_end_ns if is_present else now_ns
            due_ns = started_ns + round((block.end_ns - first_end_ns) / speed)
            if due_ns > now_ns and stop.wait((due_ns - now_ns) / NS_PER_S):
                break
            if stop.is_set():
                break
            if not _sent(producer, stop, partial(send, block, producer, settings.topics, clock.now_ns(), registry)):
                break
            count += 1
            if on_block is not None:
                on_block(block)
        _sent(producer, stop, producer.flush)
    finally:
        producer.close(_LAST_S)
    return count


def _sent(producer: Producer, stop: threading.Event, act: Callable[[], None]) -> bool:
    """Act again and again while the broker is away; return False if stopped before it was done."""
    said_s = 0.0
    while True:
        try:
            act()
            return True
        except DeadlineExceeded:
            if stop.is_set():
                return False
            if time.monotonic() - said_s > _SAY_EVERY_S:
                said_s = time.monotonic()
                log.warning("blocks_wait_for_broker", waiting=producer.waiting)
