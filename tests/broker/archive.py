"""An alert topic as years leave it: many alerts, at times of their own, with payloads that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stream.codec.alert import encode
from stream.kafka import config
from stream.kafka.producer import Producer
from stream.records import Background, Candidate, Peak
from stream.settings import Settings
from stream.superevent import Superevents
from stream.timebase import unix_ns_to_gps_ns

HOUR_S = 3600
DAY_S = 24 * HOUR_S
_POOL_BYTES = 1 << 26


def fill(settings: Settings, times_unix_s: Iterable[int], size: int) -> None:
    """Append an alert at each time, with the headers of a real one and ``size`` random bytes as its payload."""
    pool = np.random.default_rng(1).bytes(_POOL_BYTES)
    names = Superevents(settings.publish.kind)
    producer = Producer(settings.kafka, {"compression.type": "none", "linger.ms": 20, "batch.size": 1 << 20})
    for k, unix_s in enumerate(times_unix_s):
        gps_ns = unix_ns_to_gps_ns(unix_s * 1_000_000_000)
        peak = Peak(gps_ns, 9.0, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), gps_ns + 180_000_000)
        candidate = Candidate(peak, 1e-9, True, Background("shipped", 1e9, ("H1", "L1")), "test-1")
        for revision in names.step(candidate, gps_ns):
            alert = encode(revision, settings.publish, settings.significance)
            begin = k * 7919 % (_POOL_BYTES - size)
            _append(
                producer, settings.topics.alerts, alert.superevent_id, pool[begin : begin + size], alert.headers, unix_s
            )
    producer.flush(600)
    producer.close()


def _append(
    producer: Producer, topic: str, key: str, value: bytes, headers: tuple[tuple[str, bytes], ...], unix_s: int
) -> None:
    """Send with a time of its own, which a :class:`Producer` leaves to the client."""
    assert len(value) < config.MAX_MESSAGE_BYTES
    while True:
        try:
            producer._producer.produce(topic, value, key, headers=list(headers), timestamp=unix_s * 1000)
            producer._producer.poll(0)
            return
        except BufferError:
            producer._producer.poll(0.1)
