"""How fast alerts are read: ``tocsin subscribe --json`` beside confluent-kafka with fastavro, in one run.

Both are processes of their own that read the same topic from its beginning and write a line of JSON for each alert into
a pipe; the time is from the first line to the last, so that neither start counts.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import schemas
from pipelines.show.machine import machine
from stream.codec.alert import decode_alert, encode_alert
from stream.codec.skymap import encode_skymap
from stream.configuration import load_settings
from stream.errors import TransportError
from stream.healpix import area_sr, centres, uniq_of
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.records import SkyMap
from stream.settings import KafkaSettings
from stream.superevent.ids import letters

TOPIC = "bench.alerts"
_EMBEDDED_BYTES = 4 << 20
_COARSE, _FINE, _REFINED = 3, 4, 328
_MAPS = 16
_LONGEST_S = 600.0

_PEER = """
import base64, io, json, sys
import confluent_kafka, fastavro
brokers, topic, count, as_json = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "json"
consumer = confluent_kafka.Consumer(
    {"bootstrap.servers": brokers, "group.id": "peer-" + sys.argv[4], "auto.offset.reset": "earliest"}
)
consumer.subscribe([topic])
while count:
    for message in consumer.consume(min(count, 500), 0.1):
        if message.error() is not None:
            continue
        (record,) = fastavro.reader(io.BytesIO(message.value()))
        if as_json:
            record["event"]["skymap"] = base64.b64encode(record["event"]["skymap"]).decode()
            sys.stdout.write(json.dumps(record) + "\\n")
        else:
            sys.stdout.write(record["superevent_id"] + "\\n")
        count -= 1
sys.stdout.flush()
consumer.close()
"""


def reading(
    alerts: int = 20_000, broker: str | None = None, progress: Callable[[int, int], None] = lambda done, of: None
) -> dict[str, Any]:
    """Return how many alerts a second each reads.

    Parameters
    ----------
    alerts : int
    broker : str, optional
        Kafka to use instead of the embedded broker, which holds all of them in memory.
    progress : callable
    """
    if broker is not None:
        load_settings(None, {"kafka": {"bootstrap_servers": broker}})  # refused before anything is made
    size = len(next(an_alert_each())[1])
    with _topic(broker, alerts * size) as (brokers, topic):
        _fill(brokers, topic, alerts, progress)
        ours = [
            sys.executable, "-m", "pipelines.cli", "subscribe", "--json", "--topic", topic, "--from", "earliest",
            "-n", str(alerts), "--broker", brokers,
        ]  # fmt: skip
        peer = [sys.executable, "-c", _PEER, brokers, topic, str(alerts)]
        rates = {
            "tocsin_per_s": _rate(ours, alerts),
            "peer_json_per_s": _rate([*peer, "json"], alerts),
            "peer_decoded_per_s": _rate([*peer, "decoded"], alerts),
        }
    ratio = rates["tocsin_per_s"] / rates["peer_json_per_s"]
    return {
        "alerts": alerts, "alert_bytes": size, **{k: round(v, 1) for k, v in rates.items()},
        "ratio_to_peer": round(ratio, 2), "broker": broker or "embedded", "machine": machine(),
    }  # fmt: skip


def an_alert_each(prefix: str = "TS") -> Iterator[tuple[str, bytes]]:
    """Yield alerts without end, each of an event of its own with a map of 80 kB: the event's id, and the message."""
    record: dict[str, Any] = decode_alert(schemas.example("alert", schemas.versions("alert")[-1]))
    maps = [encode_skymap(_map_about(seed), []) for seed in range(_MAPS)]
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    number = 0
    while True:
        number += 1
        day, letter = divmod(number, 20_000)
        event = f"{prefix}26{1 + day // 28:02d}{1 + day % 28:02d}{letters(letter + 1)}"
        record |= {"superevent_id": event, "time_created": created, "alert_type": "PRELIMINARY"}
        record["event"] |= {"skymap": maps[number % _MAPS], "far": 1e-9 * (1 + number % 1000)}
        yield event, encode_alert(record)


def _map_about(seed: int) -> SkyMap:
    """Return a map of some 2000 pixels of two orders, with distances, about a place of its own."""
    generator = np.random.default_rng(seed)
    axis = generator.normal(size=3)
    axis /= np.linalg.norm(axis)

    def closeness(uniq: Any) -> Any:
        ra_rad, dec_rad = centres(uniq)
        at = np.stack([np.cos(dec_rad) * np.cos(ra_rad), np.cos(dec_rad) * np.sin(ra_rad), np.sin(dec_rad)])
        return axis @ at

    coarse = np.arange(12 * 4**_COARSE)
    ranked = np.argsort(-closeness(uniq_of(_COARSE, coarse)))
    fine = (4 * coarse[ranked[:_REFINED], None] + np.arange(4)).ravel()
    uniq = np.concatenate([uniq_of(_COARSE, np.sort(coarse[ranked[_REFINED:]])), uniq_of(_FINE, np.sort(fine))])
    density = np.exp((closeness(uniq) - 1) / (2 * math.radians(8) ** 2))
    order = np.where(uniq < 4 ** (_FINE + 1), _COARSE, _FINE)
    density /= np.sum(density * area_sr(order))
    flat = np.ones(len(uniq))
    return SkyMap(
        uniq=uniq, probdensity=density, distmu_mpc=100 * flat, distsigma_mpc=20 * flat, distnorm=flat / 1.04e4,
        distmean_mpc=100.0, diststd_mpc=20.0, detectors=("H1", "L1"), gps_ns=None, creator="bench",
    )  # fmt: skip


@contextmanager
def _topic(broker: str | None, size: int) -> Iterator[tuple[str, str]]:
    if broker is not None:
        yield broker, f"{TOPIC}.{int(time.time())}"
        return
    with EmbeddedBroker() as embedded:
        embedded.create_topic(TOPIC, max(1, math.ceil(size / _EMBEDDED_BYTES)))
        yield embedded.bootstrap_servers, TOPIC


def _fill(brokers: str, topic: str, alerts: int, progress: Callable[[int, int], None]) -> None:
    producer = Producer(KafkaSettings(bootstrap_servers=brokers))
    try:
        for done, (event, value) in zip(range(alerts), an_alert_each(), strict=False):
            producer.send(topic, event, value)
            if done % 200 == 0:
                producer.flush()
                progress(done, alerts)
        producer.flush()
    finally:
        producer.close()


def _rate(command: list[str], alerts: int) -> float:
    """Return lines a second that a command writes, from its first to its last."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, env=os.environ | {"NO_COLOR": "1"})
        assert process.stdout is not None
        lines, first_s, last_s, began_lines, end_s = 0, 0.0, 0.0, 0, time.monotonic() + _LONGEST_S
        try:
            while lines < alerts and time.monotonic() < end_s:
                chunk = os.read(process.stdout.fileno(), 1 << 20)
                if not chunk:
                    break
                lines += chunk.count(b"\n")
                last_s = time.monotonic()
                if first_s == 0.0:
                    first_s, began_lines = last_s, lines
        finally:
            process.stdout.close()
            process.terminate()
            process.wait()
        if lines < alerts:
            said.seek(0)
            raise TransportError(f"{lines} of {alerts} alerts were read: {said.read()[-500:].decode(errors='replace')}")
    return (lines - began_lines) / max(1e-9, last_s - first_s)
