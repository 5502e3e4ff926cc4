"""The topics that Tocsin needs, as they must be: partitions, copies, retention, message size, clean-up.

One partition each: the order of a detector's blocks, and of a superevent's alerts, is the order of the topic. Three
copies, of which two must have a message, wherever there are three brokers: then any one may be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import confluent_kafka
import structlog
from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic

from stream.errors import ConfigurationError, TransportError
from stream.kafka import config
from stream.settings import Settings

log = structlog.get_logger()
_HOUR_MS = 3_600_000
_REPLICATION = 3
_LOOK_S = 1.0
_SAY_EVERY = 10


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must be. ``retention_ms`` -1 keeps for ever: the alert topic is the truth."""

    name: str
    retention_ms: int
    max_message_bytes: int
    partitions: int = 1
    cleanup_policy: str = "delete"

    def config(self) -> dict[str, str]:
        """Return the broker's names and values."""
        return {
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "cleanup.policy": self.cleanup_policy,
        }


def required_topics(settings: Settings) -> list[TopicSpec]:
    """Return the topics of this configuration."""
    block = 4 * 1024 * 1024
    specs = []
    for detector in settings.strain.detectors:
        specs.append(TopicSpec(settings.topics.strain_prefix + detector, _HOUR_MS, block))
        if settings.strain.witnesses:
            specs.append(TopicSpec(settings.topics.witness_prefix + detector, _HOUR_MS, block))
    return [
        *specs,
        TopicSpec(settings.topics.external, 30 * 24 * _HOUR_MS, config.MAX_MESSAGE_BYTES),
        TopicSpec(settings.topics.alerts, -1, config.MAX_MESSAGE_BYTES),
        TopicSpec(settings.topics.alerts_json, -1, config.MAX_MESSAGE_BYTES),
        TopicSpec(settings.topics.decisions, -1, 1024 * 1024),
        TopicSpec(settings.topics.heartbeat, 24 * _HOUR_MS, 1024 * 1024),
    ]


def admin_client(settings: Settings) -> AdminClient:
    """Return a client that can make and describe topics; it must outlive the futures that it returns."""
    return AdminClient(config.common(settings.kafka))


def cluster_metadata(settings: Settings) -> ClusterMetadata:
    """Return brokers and topics.

    Raises
    ------
    TransportError
        If no broker answers.
    """
    timeout_s = settings.kafka.operation_timeout_s
    try:
        return admin_client(settings).list_topics(timeout=timeout_s)
    except confluent_kafka.KafkaException as error:
        raise TransportError(
            f"no broker at {settings.kafka.bootstrap_servers} within {timeout_s:g} s: {error.args[0].str()}"
        ) from error


def list_topics(settings: Settings) -> dict[str, int]:
    """Return the broker's topics and their numbers of partitions.

    Raises
    ------
    TransportError
        If no broker answers.
    """
    topics = cluster_metadata(settings).topics
    return {name: len(t.partitions) for name, t in topics.items() if not name.startswith("__")}


def copies(settings: Settings, there: ClusterMetadata) -> tuple[int, int]:
    """Return replication and min ISR as they must be: three copies, two of them in sync, where there are brokers."""
    replication = settings.topics.replication or min(_REPLICATION, len(there.brokers))
    min_isr = settings.topics.min_insync_replicas or (2 if replication >= _REPLICATION else 1)
    if min_isr > replication:
        raise ConfigurationError(
            f"topics.min_insync_replicas={min_isr} is more than the {replication} copies of a topic: lower it, or "
            "raise topics.replication"
        )
    return replication, min_isr


def wait_for_topics(settings: Settings, stopped: Callable[[], bool], turned: Callable[[], None]) -> bool:
    """Wait until a broker answers, saying so, and see that every topic is there; return False if stopped before.

    Parameters
    ----------
    settings : Settings
    stopped : callable
        Once it returns True, nothing is waited for any longer.
    turned : callable
        Called about once a second while waiting.

    Raises
    ------
    TransportError
        If a topic is missing.
    """
    quick = settings.kafka.model_copy(update={"operation_timeout_s": min(_LOOK_S, settings.kafka.operation_timeout_s)})
    asking, looks = settings.model_copy(update={"kafka": quick}), 0
    while not stopped():
        turned()
        try:
            there = cluster_metadata(asking)
        except TransportError as error:
            if looks % _SAY_EVERY == 0:
                log.warning("waiting_for_broker", brokers=settings.kafka.bootstrap_servers, error=str(error))
            looks += 1
            continue
        _need(settings, there)
        return True
    return False


def _need(settings: Settings, there: ClusterMetadata) -> None:
    names = [spec.name for spec in required_topics(settings)]
    missing = [name for name in names if name not in there.topics]
    if missing:
        raise TransportError(f"topics are missing: {', '.join(missing)}: make them with `tocsin topics create`")
    for name in names:
        for number, partition in there.topics[name].partitions.items():
            if partition.leader < 0:
                log.warning("waiting_for_leader", topic=name, partition=number, replicas=sorted(partition.replicas))


def create(settings: Settings) -> list[str]:
    """Make the topics that are missing; return their names.

    Raises
    ------
    TransportError
        If the broker is away or refuses.
    ConfigurationError
        If more copies must be in sync than there are.
    """
    there = cluster_metadata(settings)
    missing = [s for s in required_topics(settings) if s.name not in there.topics]
    if not missing:
        return []
    replication, min_isr = copies(settings, there)
    durable = {"min.insync.replicas": str(min_isr)}
    new = [
        NewTopic(s.name, num_partitions=s.partitions, replication_factor=replication, config=s.config() | durable)
        for s in missing
    ]
    admin = admin_client(settings)  # kept until its futures are done: its end ends them
    timeout_s = settings.kafka.operation_timeout_s
    futures = admin.create_topics(new, operation_timeout=timeout_s, request_timeout=timeout_s)
    for name, future in futures.items():
        try:
            future.result(timeout_s)
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() != confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                raise TransportError(f"topic {name} could not be made: {error.args[0].str()}") from error
        except TimeoutError as error:
            raise TransportError(f"topic {name} could not be made: the broker did not answer in time") from error
    return [s.name for s in missing]
