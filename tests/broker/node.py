"""One node of Apache Kafka in KRaft, as a process of its own, from its Maven jars (`.ci/fetch-kafka`)."""

from __future__ import annotations

import base64
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

START_S = 90.0
_PORTS, _DRAW = range(20_000, 32_000), random.SystemRandom()  # Hypothesis seeds the other one: alike in every run
_LOG4J = (
    "Configuration:\n  Appenders:\n    Console:\n      name: Out\n"
    "  Loggers:\n    Root:\n      level: WARN\n      AppenderRef:\n        - ref: Out\n"
)
# Small, for several nodes share a machine with the code under test; what is compacted here is a few kilobytes.
_SMALL = {
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),
    "log.flush.interval.messages": "1000000",
}
_ALWAYS = {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "num.partitions": "1",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
}


def version() -> str:
    pom = (Path(__file__).parent / "pom.xml").read_text()
    found: list[str] = re.findall(r"<version>(\d+\.[\d.]+)</version>", pom)
    return found[0]


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


def free_ports(count: int) -> list[int]:
    """Return different free ports that no system hands out: nobody gets one while its broker is away."""
    found: set[int] = set()
    while len(found) < count:
        port = _DRAW.choice(_PORTS)
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def cluster_id() -> str:
    """Return a random id; one that began with a dash would be taken for an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


class Node:
    """A broker, a controller or both; it keeps its ports and what it held from one start to the next.

    Parameters
    ----------
    folder : Path
        Its own: properties, log and data.
    node_id : int
    roles : str
        ``broker,controller``, ``broker`` or ``controller``.
    port, controller_port : int
        Its listeners; a role that it does not have needs none.
    voters : str
        The quorum of controllers, ``id@host:port`` with commas.
    properties : mapping
        More broker settings.
    java : sequence of str
        More options of the Java machine.
    """

    def __init__(
        self, folder: Path, node_id: int, roles: str, port: int, controller_port: int, voters: str,
        properties: Mapping[str, str], java: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._options = tuple(java)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.node_id, self.roles, self.port = folder, node_id, roles, port
        self.paused = False
        self._process: subprocess.Popen[bytes] | None = None
        listeners = []
        if "broker" in roles:
            listeners.append(f"PLAINTEXT://127.0.0.1:{port}")
        if "controller" in roles:
            listeners.append(f"CONTROLLER://127.0.0.1:{controller_port}")
        own = {
            "process.roles": roles,
            "node.id": str(node_id),
            "controller.quorum.voters": voters,
            "listeners": ",".join(listeners),
            "log.dirs": str(folder / "data"),
        }
        if "broker" in roles:
            own |= {"advertised.listeners": listeners[0], "inter.broker.listener.name": "PLAINTEXT"}
        text = "".join(f"{key}={value}\n" for key, value in {**_ALWAYS, **_SMALL, **own, **properties}.items())
        (folder / "server.properties").write_text(text)
        (folder / "log4j2.yaml").write_text(_LOG4J)

    def format(self, cluster: str, *more: str) -> subprocess.Popen[bytes]:
        """Begin to format its storage; wait for what is returned."""
        file = str(self.folder / "server.properties")
        return self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", file, *more)

    def start(self) -> None:
        """Start its process and return at once."""
        self._process = self._java("kafka.Kafka", str(self.folder / "server.properties"))

    def end(self, number: int) -> None:
        """End it with a signal and wait; a paused one is woken for any signal but SIGKILL."""
        if self._process is None:
            return
        os.killpg(self._process.pid, number)
        if self.paused and number != signal.SIGKILL:
            self.resume()
        self._process.wait(60)
        self._process, self.paused = None, False

    def pause(self) -> None:
        """Hang: its sockets stay open and nothing answers."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        """Go on where :meth:`pause` stopped it."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGCONT)
        self.paused = False

    @property
    def running(self) -> bool:
        """Whether it has a process, be it paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "kafka.log").read_text()[-4000:]

    def _java(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [
            "java", "-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.yaml'}", *self._options,
            "-cp", f"{home()}/*", main, *arguments,
        ]  # fmt: skip
        with (self.folder / "kafka.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
