"""The topics that Tocsin needs, as they must be: partitions, retention, message size, clean-up.

One partition each: the order of a detector's blocks, and of a superevent's alerts, is the order of the topic.
"""

from __future__ import annotations

from dataclasses import dataclass

import confluent_kafka
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from stream.errors import TransportError
from stream.kafka import config
from stream.settings import Settings

_HOUR_MS = 3_600_000


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


@dataclass(frozen=True, slots=True)
class TopicCheck:
    """One topic's state: ``problem`` is None when it is as it must be."""

    name: str
    problem: str | None
    remedy: str | None = None


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
        TopicSpec(settings.topics.external, 30 * 24 * _HOUR_MS, block),
        TopicSpec(settings.topics.alerts, -1, config.MAX_MESSAGE_BYTES),
        TopicSpec(settings.topics.alerts_json, -1, config.MAX_MESSAGE_BYTES),
        TopicSpec(settings.topics.heartbeat, 24 * _HOUR_MS, 1024 * 1024),
    ]


def _admin(settings: Settings) -> AdminClient:
    return AdminClient(config.common(settings.kafka))


def list_topics(settings: Settings) -> dict[str, int]:
    """Return the broker's topics and their numbers of partitions.

    Raises
    ------
    TransportError
        If no broker answers.
    """
    timeout_s = settings.kafka.operation_timeout_s
    try:
        metadata = _admin(settings).list_topics(timeout=timeout_s)
    except confluent_kafka.KafkaException as error:
        raise TransportError(
            f"no broker at {settings.kafka.bootstrap_servers} within {timeout_s:g} s: {error.args[0].str()}",
            retry_after_s=5,
        ) from error
    return {name: len(t.partitions) for name, t in metadata.topics.items() if not name.startswith("__")}


def create(settings: Settings) -> list[str]:
    """Make the topics that are missing; return their names.

    Raises
    ------
    TransportError
        If the broker is away or refuses.
    """
    there = list_topics(settings)
    missing = [s for s in required_topics(settings) if s.name not in there]
    if not missing:
        return []
    new = [NewTopic(s.name, num_partitions=s.partitions, config=s.config()) for s in missing]
    admin = _admin(settings)  # kept until its futures are done: its end ends them
    for name, future in admin.create_topics(new).items():
        try:
            future.result(settings.kafka.operation_timeout_s)
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() != confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                raise TransportError(f"topic {name} could not be made: {error.args[0].str()}") from error
        except TimeoutError as error:
            raise TransportError(f"topic {name} could not be made: the broker did not answer in time") from error
    return [s.name for s in missing]


def check(settings: Settings) -> list[TopicCheck]:
    """Compare each required topic with what the broker has."""
    there = list_topics(settings)
    return [_check_one(settings, spec, there.get(spec.name)) for spec in required_topics(settings)]


def _check_one(settings: Settings, spec: TopicSpec, partitions: int | None) -> TopicCheck:
    if partitions is None:
        return TopicCheck(spec.name, "missing", "tocsin topics create")
    if partitions != spec.partitions:
        return TopicCheck(
            spec.name,
            f"{partitions} partitions, not {spec.partitions}: blocks would lose their order",
            "delete it, create anew",
        )
    resource, admin = ConfigResource(ResourceType.TOPIC, spec.name), _admin(settings)
    try:
        found = admin.describe_configs([resource])[resource].result(settings.kafka.operation_timeout_s)
    except confluent_kafka.KafkaException as error:
        return TopicCheck(spec.name, f"its configuration cannot be read: {error.args[0].str()}", "check the ACL")
    except TimeoutError:
        return TopicCheck(spec.name, "its configuration cannot be read: no answer in time", "ask again")
    wrong = [
        f"{key}={found[key].value} (must be {value})"
        for key, value in spec.config().items()
        if key in found and not _suffices(key, str(found[key].value), value)
    ]
    if wrong:
        return TopicCheck(spec.name, ", ".join(wrong), "alter the topic's configuration")
    return TopicCheck(spec.name, None)


def _suffices(key: str, found: str, wanted: str) -> bool:
    """A longer retention and a larger message than needed are no fault."""
    if key == "cleanup.policy":
        return found == wanted
    have, need = int(found), int(wanted)
    return have == need or (have > need and need != -1) or (key == "retention.ms" and have == -1)
