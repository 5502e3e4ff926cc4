"""Apache Kafka for tests: one KRaft node on free ports, from its Maven jars (`.ci/fetch-kafka`)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

from stream.errors import TransportError
from stream.kafka.topics import list_topics
from stream.settings import KafkaSettings, Settings

START_S = 90.0
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
num.partitions=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.flush.interval.messages=1000000
"""


def version() -> str:
    pom = (Path(__file__).parent / "pom.xml").read_text()
    return re.findall(r"<version>(\d+\.[\d.]+)</version>", pom)[0]


def home() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("TOCSIN_KAFKA_HOME") or cache / "tocsin" / f"kafka-{version()}")


def missing() -> str | None:
    """Return why Apache Kafka cannot run here, or None."""
    if shutil.which("java") is None:
        return "Apache Kafka needs Java 17 or later"
    if not (home() / f"kafka_2.13-{version()}.jar").exists():
        return f"Apache Kafka's jars are not in {home()}: run .ci/fetch-kafka"
    return None


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class ApacheKafka:
    """One node that can be stopped, killed and started again on the same port with what it held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._properties = folder / "server.properties"
        self._properties.write_text(_PROPERTIES.format(port=self.port, controller=free_port(), folder=folder))
        (folder / "log4j2.yaml").write_text(
            "Configuration:\n  Appenders:\n    Console:\n      name: Out\n"
            "  Loggers:\n    Root:\n      level: WARN\n      AppenderRef:\n        - ref: Out\n"
        )
        self._java("kafka.tools.StorageTool", "format", "-t", _uuid(), "-c", str(self._properties)).wait(START_S)
        self.start()

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _java(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.folder / "kafka.log").open("ab")
        command = [
            "java", "-Xmx512m", "-Xms256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.yaml'}",
            "-cp", f"{home()}/*", main, *arguments,
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def start(self) -> None:
        """Start and wait until it answers."""
        self._process = self._java("kafka.Kafka", str(self._properties))
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=self.bootstrap_servers, operation_timeout_s=5))
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert self._process.poll() is None, (self.folder / "kafka.log").read_text()[-4000:]
            try:
                list_topics(settings)
                return
            except TransportError:
                time.sleep(0.2)
        raise AssertionError(f"Apache Kafka did not start: {(self.folder / 'kafka.log').read_text()[-4000:]}")

    def down(self) -> None:
        """Stop it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self._end(signal.SIGKILL)

    def up(self) -> None:
        self.start()

    def _end(self, number: int) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait(60)
            self._process = None

    def create_topic(self, name: str, partitions: int = 1) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic  # noqa: PLC0415

        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        config = {"max.message.bytes": str(8 * 1024 * 1024)}
        for future in admin.create_topics([NewTopic(name, partitions, config=config)]).values():
            future.result(30)

    def close(self) -> None:
        self._end(signal.SIGTERM)


def _uuid() -> str:
    import base64  # noqa: PLC0415

    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
