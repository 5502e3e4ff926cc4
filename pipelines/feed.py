"""Feed blocks to Kafka as detectors do: each one when its last sample has been taken.

``simulate --to kafka``, ``replay --to kafka``, ``demo`` and ``bench`` send through here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from pipelines.search import Block
from stream.codec.avro import encode_strain, encode_witness
from stream.codec.registry import SchemaRegistry, schema_registry
from stream.kafka.producer import Producer
from stream.records import StrainBlock
from stream.settings import Settings, TopicSettings
from stream.timebase import NS_PER_S, Clock


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
    data are of the present, and each block leaves when the clock reaches its end.
    """
    producer, registry = Producer(settings.kafka), schema_registry(settings.kafka)
    stop = stop or threading.Event()
    started_ns: int | None = None
    first_end_ns = count = 0
    try:
        for block in source:
            now_ns = clock.now_ns()
            if started_ns is None:
                first_end_ns = block.end_ns
                started_ns = first_end_ns if abs(first_end_ns - now_ns) < 60 * NS_PER_S else now_ns
            due_ns = started_ns + round((block.end_ns - first_end_ns) / speed)
            if due_ns > now_ns and stop.wait((due_ns - now_ns) / NS_PER_S):
                break
            if stop.is_set():
                break
            send(block, producer, settings.topics, clock.now_ns(), registry)
            count += 1
            if on_block is not None:
                on_block(block)
        producer.flush()
    finally:
        producer.close()
    return count
