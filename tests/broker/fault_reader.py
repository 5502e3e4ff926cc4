"""What the referee of the fault runs reads, with a Kafka client and an Avro reader of its own.

Strain (which hops are on Kafka), alerts (committed ones), heartbeats (how far the daemon is). Nothing of the pipeline's
code stands between Kafka and the verdict: a fault in its consumer or codec must not blind the referee too.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from .referee import HOP_NS, NS, Alert, Beat

_SCHEMAS = Path(__file__).parents[2] / "schemas"
_GPS_EPOCH_UNIX_S = 315_964_800
_LEAP_S = 18  # since 2017, and so far for good


def unix_to_gps_ns(unix_ns: int) -> int:
    """Return GPS nanoseconds of a Unix time of these years."""
    return unix_ns - (_GPS_EPOCH_UNIX_S - _LEAP_S) * NS


def now_ns() -> int:
    """Return the present, GPS nanoseconds."""
    return unix_to_gps_ns(time.time_ns())


def _by_fingerprint() -> dict[bytes, Any]:
    """Avro single objects name their schema by its CRC-64-AVRO, little-endian."""
    found = {}
    for path in _SCHEMAS.rglob("*.avsc"):
        schema = fastavro.schema.load_schema(str(path))
        canonical = fastavro.schema.to_parsing_canonical_form(schema)
        found[bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))] = schema
    return found


class Reader:
    """Read in a thread of its own until :meth:`close`.

    Parameters
    ----------
    bootstrap_servers : str
    strain, alerts, heartbeat : str
        Topics; ``strain`` maps a detector to its topic.

    Attributes
    ----------
    hops : dict
        By detector: when each hop was read first, GPS ns by the hop's number.
    """

    def __init__(self, bootstrap_servers: str, strain: dict[str, str], alerts: str, heartbeat: str) -> None:
        self._schemas = _by_fingerprint()
        self._detectors = {topic: detector for detector, topic in strain.items()}
        self._alerts, self._heartbeat = alerts, heartbeat
        self.hops: dict[str, dict[int, int]] = {d: {} for d in strain}
        self.sent_ns: list[int] = []
        self.alerts: list[Alert] = []
        self.beats: list[Beat] = []
        self.errors: list[str] = []
        self._at_end: set[str] = set()
        self._topics = [*strain.values(), alerts, heartbeat]
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "referee",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "socket.timeout.ms": 3000,
                "topic.metadata.refresh.interval.ms": 1000,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 2,
            }
        )
        self._consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in self._topics])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="referee", daemon=True)
        self._thread.start()

    def newest_ns(self, detector: str) -> int:
        """Return the end of a detector's newest strain on Kafka."""
        return (max(self.hops[detector], default=-1) + 1) * HOP_NS

    def searched_ns(self) -> int:
        """Return up to where the slowest detector's strain is known to have reached the daemon."""
        return min(self.beats[-1].newest_ns.get(d, 0) for d in self.hops) if self.beats else 0

    def catch_up(self, timeout_s: float = 30.0) -> bool:
        """Wait until all was read that is committed now; return whether it was."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            time.sleep(1.0)  # what was committed just now is fetched within this
            if self._at_end == set(self._topics):
                return True
        return False

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, 0.1):
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        self._at_end.add(str(message.topic()))
                    else:
                        self.errors.append(str(error))
                    continue
                self._at_end.discard(str(message.topic()))
                try:
                    self._take(message)
                except Exception as problem:  # the referee outlives what it cannot read, and says so
                    self.errors.append(f"{message.topic()} at {message.offset()}: {problem!r}")

    def _take(self, message: Message) -> None:
        topic, value = message.topic(), message.value() or b""
        record: Any
        stamped_ns = unix_to_gps_ns(message.timestamp()[1] * 1_000_000)
        if topic == self._alerts:
            (record,) = fastavro.reader(BytesIO(value))
            event = record["event"]
            message_id = dict(message.headers() or ()).get("_id")
            self.alerts.append(
                Alert(
                    record["superevent_id"],
                    _gps_ns(event["time"]),
                    tuple(event["instruments"]),
                    stamped_ns,
                    now_ns(),
                    message_id.hex() if isinstance(message_id, bytes) else "",
                )
            )
            return
        record = fastavro.schemaless_reader(BytesIO(value[10:]), self._schemas[value[2:10]], None)
        if topic == self._heartbeat:
            newest = {d["detector"]: d["last_sample_ns"] or 0 for d in record["detectors"]}
            self.beats.append(Beat(record["gps_ns"], newest, record["state"]))
            return
        first = record["gps_ns"] // HOP_NS
        hops = len(record["dq_mask"]) // 4
        read = self.hops[self._detectors[str(topic)]]
        for k in range(first, first + hops):
            read.setdefault(k, now_ns())
        self.sent_ns.append(stamped_ns)


def _gps_ns(iso: str) -> int:
    """Return the GPS time of an alert's UTC time, which has milliseconds."""
    utc = datetime.fromisoformat(iso.replace("Z", "+00:00")).astimezone(UTC)
    return unix_to_gps_ns(round(utc.timestamp() * 1000) * 1_000_000)
