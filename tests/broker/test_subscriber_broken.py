"""A subscriber on Apache Kafka through kills and restarts of the broker; hop-client and gcn-kafka beside it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from broker.apache_kafka import ApacheKafka

from pipelines.show.load import Plan, load
from pipelines.subscribe import subscribe
from stream.kafka.producer import Producer
from stream.settings import KafkaSettings, Settings

pytestmark = pytest.mark.broker
_IN_ORDER = ("earlywarning", "preliminary", "ext-update", "initial", "update", "retraction")


def test_through_kills_and_restarts_each_alert_is_acted_upon_once(kafka: ApacheKafka, fresh: str) -> None:
    kafka.create_topic(fresh, 4)
    plan = Plan(seconds=12.0, per_s=25.0, kill_every_s=8.0, broker=kafka.bootstrap_servers, topic=fresh)
    figures = load(plan, breakable=kafka)
    assert (figures["sent"], figures["acted_upon"]) == (300, 300), figures
    assert (figures["lost"], figures["doubled"]) == (0, 0), figures
    assert figures["kills"] >= 1  # a slow machine is given time for more


def received(kafka: ApacheKafka, topic: str, folder: Path, count: int) -> list[str]:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers))
    stop, kinds = threading.Event(), []
    threading.Timer(60.0, stop.set).start()
    for alert in subscribe(
        "local", topics=[topic], name="x", state=folder, start="earliest", settings=settings, stop=stop
    ):
        kinds.append(alert.alert_type)
        if len(kinds) == count:
            stop.set()
    return kinds


def files(data_dir: Path, suffix: str) -> list[Path]:
    return [data_dir / f"alerts/lvk_userguide/MS181101ab-{name}.{suffix}" for name in _IN_ORDER]


def test_hop_client_writes_what_we_read_and_reads_what_we_write(
    kafka: ApacheKafka, fresh: str, data_dir: Path, tmp_path: Path
) -> None:
    """Run with ``uv run --with hop-client --with six pytest …``: it is no dependency of ours."""
    hop = pytest.importorskip("hop")
    kafka.create_topic(fresh)
    stream: Any = hop.io.Stream(auth=False, start_at=hop.io.StartPosition.EARLIEST, until_eos=True)
    url = f"kafka://{kafka.bootstrap_servers}/{fresh}"
    with stream.open(url, "w") as writer:
        for path in files(data_dir, "avro"):
            writer.write(hop.models.AvroBlob.deserialize(path.read_bytes()))
    assert received(kafka, fresh, tmp_path, 6)[::5] == ["EARLYWARNING", "RETRACTION"]
    with stream.open(url, "r") as reader:
        assert [message.content["superevent_id"] for message in reader] == ["MS181101ab"] * 6


def test_gcn_kafka_writes_what_we_read_and_reads_what_we_write(
    kafka: ApacheKafka, fresh: str, data_dir: Path, tmp_path: Path
) -> None:
    """Run with ``uv run --with gcn-kafka pytest …``: it is no dependency of ours."""
    gcn_kafka = pytest.importorskip("gcn_kafka")
    kafka.create_topic(fresh)
    there = {"bootstrap.servers": kafka.bootstrap_servers, "security.protocol": "PLAINTEXT"}
    theirs: Any = gcn_kafka.Producer(config=there | {"message.max.bytes": 8_000_000})
    for path in files(data_dir, "json"):
        theirs.produce(fresh, path.read_bytes())
    theirs.flush()
    assert received(kafka, fresh, tmp_path, 6)[::5] == ["EARLYWARNING", "RETRACTION"]
    ours = Producer(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers))
    kafka.create_topic(f"{fresh}-2")
    for path in files(data_dir, "json"):
        ours.send(f"{fresh}-2", "k", path.read_bytes())
    ours.flush()
    ours.close()
    reader: Any = gcn_kafka.Consumer(config=there | {"group.id": fresh, "auto.offset.reset": "earliest"})
    reader.subscribe([f"{fresh}-2"])
    found: list[str] = []
    for _ in range(60):
        found += [json.loads(m.value())["superevent_id"] for m in reader.consume(10, 1.0) if m.error() is None]
        if len(found) == 6:
            break
    reader.close()
    assert found == ["MS181101ab"] * 6
