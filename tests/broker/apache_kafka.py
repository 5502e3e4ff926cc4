"""Apache Kafka for tests: one node, or a cluster of three whose nodes can be killed, paused and started again."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic

from stream.errors import TransportError
from stream.kafka.topics import list_topics
from stream.settings import KafkaSettings, Settings

from .node import START_S, Node, cluster_id, free_ports, missing, version

__all__ = ["ApacheKafka", "KafkaCluster", "missing", "version"]
_MAX_MESSAGE = {"max.message.bytes": str(8 * 1024 * 1024)}


class ApacheKafka:
    """One node that can be stopped, killed and started again on the same port with what it held."""

    def __init__(self, folder: Path) -> None:
        port, controller = free_ports(2)
        self.port = port
        self._node = Node(
            folder, 1, "broker,controller", port, controller, f"1@127.0.0.1:{controller}", _internal_topics(1, 1, 1)
        )
        self._node.format(cluster_id()).wait(START_S)
        self.start()

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it answers."""
        self._node.start()
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=self.bootstrap_servers, operation_timeout_s=5))
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert self._node.running, self._node.log
            try:
                list_topics(settings)
                return
            except TransportError:
                time.sleep(0.2)
        raise AssertionError(f"Apache Kafka did not start: {self._node.log}")

    def down(self) -> None:
        """Stop it in good order."""
        self._node.end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self._node.end(signal.SIGKILL)

    def up(self) -> None:
        self.start()

    def create_topic(self, name: str, partitions: int = 1) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        for future in admin.create_topics([NewTopic(name, partitions, config=_MAX_MESSAGE)]).values():
            future.result(30)

    def close(self) -> None:
        self._node.end(signal.SIGTERM)


class KafkaCluster:
    """Three brokers, replication 3, min ISR 2; nodes are named by their ids 1, 2, 3.

    Parameters
    ----------
    folder : Path
    brokers : int
    session_timeout_ms : int
        After this much silence the controller takes a broker for dead; Kafka's default is 9000.
    separate_controllers : int
        Controllers in processes of their own (ids from 101), so that losing a broker never loses the controller;
        0 makes every broker a controller too.
    internal_partitions : int
        Partitions of the offsets and of the transaction state.
    """

    def __init__(
        self, folder: Path, brokers: int = 3, session_timeout_ms: int = 9000, separate_controllers: int = 0,
        internal_partitions: int = 3,
    ) -> None:  # fmt: skip
        self._partitions = internal_partitions
        ids = list(range(1, brokers + 1))
        controllers = list(range(101, 101 + separate_controllers)) or ids
        free = free_ports(len(ids) + len(controllers))
        ports = dict(zip(ids, free, strict=False))
        controller_ports = dict(zip(controllers, free[len(ids) :], strict=True))
        voters = ",".join(f"{i}@127.0.0.1:{port}" for i, port in controller_ports.items())
        properties = _internal_topics(min(3, brokers), min(2, brokers), internal_partitions) | {
            "broker.session.timeout.ms": str(session_timeout_ms),
            "broker.heartbeat.interval.ms": str(min(2000, session_timeout_ms // 4)),
            "default.replication.factor": str(min(3, brokers)),
        }
        self.nodes: dict[int, Node] = {}
        for i in sorted({*ids, *controllers}):
            roles = ",".join(role for role, who in (("broker", ids), ("controller", controllers)) if i in who)
            self.nodes[i] = Node(
                folder / str(i), i, roles, ports.get(i, 0), controller_ports.get(i, 0), voters, properties
            )
        self.brokers = tuple(ids)
        name = cluster_id()
        for formatting in [node.format(name) for node in self.nodes.values()]:
            formatting.wait(START_S)
        for node in self.nodes.values():
            node.start()
        self.wait_until_all_answer()

    def __enter__(self) -> KafkaCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"127.0.0.1:{self.nodes[i].port}" for i in self.brokers)

    # -- faults -------------------------------------------------------------------------------------------------

    def kill(self, node: int) -> None:
        """Kill a node, running or paused."""
        self.nodes[node].end(signal.SIGKILL)

    def stop(self, node: int) -> None:
        """Stop a node in good order: it hands its partitions over first."""
        self.nodes[node].end(signal.SIGTERM)

    def pause(self, node: int) -> None:
        """Hang a node (SIGSTOP)."""
        self.nodes[node].pause()

    def resume(self, node: int) -> None:
        """End a hang (SIGCONT)."""
        self.nodes[node].resume()

    def start(self, node: int) -> None:
        """Start a killed or stopped node, without waiting for it (:meth:`wait_until_healed`)."""
        self.nodes[node].start()

    def heal(self) -> None:
        """Wake what hangs, start what is down, and wait until every replica is in sync."""
        for node in self.nodes.values():
            if not node.running:
                node.start()
            elif node.paused:
                node.resume()
        self.wait_until_healed()

    # -- who is who ---------------------------------------------------------------------------------------------

    def leader(self, topic: str, partition: int = 0) -> int | None:
        """Return the broker that leads a partition; None while nobody does or the topic is not there."""
        found = self._metadata().topics.get(topic)
        if found is None or partition not in found.partitions:
            return None
        leader = int(found.partitions[partition].leader)
        return leader if leader >= 0 else None

    def in_sync(self, topic: str, partition: int = 0) -> frozenset[int]:
        """Return the brokers that are in sync with a partition's leader."""
        found = self._metadata().topics.get(topic)
        return frozenset() if found is None else frozenset(map(int, found.partitions[partition].isrs))

    def replicas(self, topic: str, partition: int = 0) -> frozenset[int]:
        """Return the brokers that hold a partition."""
        return frozenset(map(int, self._metadata().topics[topic].partitions[partition].replicas))

    def transaction_coordinator(self, transactional_id: str) -> int | None:
        """Return the broker that coordinates a transactional id; None before there was any transaction."""
        return self.leader("__transaction_state", abs(_java_hash(transactional_id)) % self._partitions)

    def group_coordinator(self, group_id: str) -> int | None:
        """Return the broker that coordinates a group; None before there was any group."""
        return self.leader("__consumer_offsets", abs(_java_hash(group_id)) % self._partitions)

    def controller(self) -> int | None:
        """Return the node that is the active controller, as the youngest of what the running nodes wrote down."""
        newest = (-1, -1)
        for node in self.nodes.values():
            state = node.folder / "data" / "__cluster_metadata-0" / "quorum-state"
            if node.running and not node.paused and state.exists():
                found = json.loads(state.read_text())
                newest = max(newest, (int(found["leaderEpoch"]), int(found["leaderId"])))
        return newest[1] if newest[1] >= 0 else None

    # -- waiting ------------------------------------------------------------------------------------------------

    def wait_until_all_answer(self, timeout_s: float = START_S) -> None:
        """Wait until every broker is in the metadata."""
        self._wait("every broker answers", lambda: set(self._metadata().brokers) == set(self.brokers), timeout_s)

    def wait_until_healed(self, timeout_s: float = START_S) -> None:
        """Wait until every broker is there and every replica is in sync."""
        self.wait_until_all_answer(timeout_s)
        self._wait("every replica is in sync", self._all_in_sync, timeout_s)

    def _all_in_sync(self) -> bool:
        partitions = [p for t in self._metadata().topics.values() for p in t.partitions.values()]
        return all(p.leader >= 0 and set(p.isrs) == set(p.replicas) for p in partitions)

    def _wait(self, what: str, there: Callable[[], bool], timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                if there():
                    return
            except KafkaException:
                pass
            time.sleep(0.2)
        logs = "\n".join(f"node {i}: {node.log[-1500:]}" for i, node in self.nodes.items())
        raise AssertionError(f"not within {timeout_s:g} s: {what}\n{logs}")

    def _metadata(self) -> ClusterMetadata:
        """Ask the first broker that answers; a client for each question, for one keeps to a broker that hangs."""
        living = [n for n in self.nodes.values() if n.port and n.running and not n.paused]
        servers = ",".join(f"127.0.0.1:{n.port}" for n in living)
        if not servers:
            raise AssertionError("no broker of the cluster runs")
        return AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=5)

    def create_topic(self, name: str, partitions: int = 1, replication: int = 3, min_insync_replicas: int = 2) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        config = _MAX_MESSAGE | {"min.insync.replicas": str(min_insync_replicas)}
        new = NewTopic(name, partitions, replication_factor=replication, config=config)
        for future in admin.create_topics([new]).values():
            future.result(30)

    def close(self) -> None:
        """End it; nothing of it is needed again."""
        for node in self.nodes.values():
            node.end(signal.SIGKILL)


def _internal_topics(replication: int, min_isr: int, partitions: int) -> dict[str, str]:
    return {
        "offsets.topic.replication.factor": str(replication),
        "offsets.topic.num.partitions": str(partitions),
        "transaction.state.log.replication.factor": str(replication),
        "transaction.state.log.min.isr": str(min_isr),
        "transaction.state.log.num.partitions": str(partitions),
        "share.coordinator.state.topic.replication.factor": str(replication),
        "share.coordinator.state.topic.min.isr": str(min_isr),
    }


def _java_hash(text: str) -> int:
    """``String.hashCode``: Kafka chooses a coordinator's partition with it."""
    value = 0
    for character in text.encode("utf-16-be")[1::2]:  # ASCII names
        value = (31 * value + character) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value
