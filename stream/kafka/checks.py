"""Checks that the topics, and Kafka's own two beside them, are as they must be and can be written and read now.

Kafka keeps the groups' offsets and the transactions' state in topics of its own. They are made when first used, by
the brokers' settings, and an alert needs both: they are checked once they are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigEntry, ConfigResource, ResourceType, TopicMetadata

from stream.kafka.topics import TopicSpec, admin_client, cluster_metadata, copies, required_topics
from stream.settings import Settings

_INTERNAL = {
    "__consumer_offsets": "offsets.topic.replication.factor",
    "__transaction_state": "transaction.state.log.replication.factor",
}
_MIN_ISR = "min.insync.replicas"


@dataclass(frozen=True, slots=True)
class TopicCheck:
    """One topic's state: ``problem`` is None when it is as it must be."""

    name: str
    problem: str | None
    remedy: str | None = None


def check(settings: Settings) -> list[TopicCheck]:
    """Compare each required topic with what the brokers have.

    Raises
    ------
    TransportError
        If no broker answers.
    """
    there = cluster_metadata(settings)
    wanted = copies(settings, there)
    specs = required_topics(settings)
    names = [s.name for s in specs if s.name in there.topics] + [name for name in _INTERNAL if name in there.topics]
    read = _Configurations(settings, names)
    found = [_own(spec, there, wanted, read) for spec in specs]
    return found + [_internal(name, there, wanted, read) for name in _INTERNAL if name in there.topics]


class _Configurations:
    """The topics' configurations, asked for in one request."""

    def __init__(self, settings: Settings, names: list[str]) -> None:
        self._timeout_s = settings.kafka.operation_timeout_s
        self._admin: AdminClient = admin_client(settings)  # kept until its futures are done: its end ends them
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._admin.describe_configs(resources, request_timeout=self._timeout_s) if resources else {}
        self._answers = {resource.name: future for resource, future in answers.items()}

    def of(self, name: str) -> Mapping[str, ConfigEntry] | TopicCheck:
        """Return a topic's configuration, or why it cannot be had."""
        try:
            found: Mapping[str, ConfigEntry] = self._answers[name].result(self._timeout_s)
        except KafkaException as error:
            return TopicCheck(name, f"its configuration cannot be read: {error.args[0].str()}", "check the ACL")
        except TimeoutError:
            return TopicCheck(name, "its configuration cannot be read: no answer in time", "ask again")
        return found


def _own(spec: TopicSpec, there: ClusterMetadata, wanted: tuple[int, int], read: _Configurations) -> TopicCheck:
    topic = there.topics.get(spec.name)
    if topic is None:
        return TopicCheck(spec.name, "missing", "tocsin topics create")
    if len(topic.partitions) != spec.partitions:
        return TopicCheck(
            spec.name,
            f"{len(topic.partitions)} partitions, not {spec.partitions}: blocks would lose their order",
            "delete it, create anew",
        )
    found = read.of(spec.name)
    if isinstance(found, TopicCheck):
        return found
    wrong = [
        f"{key}={found[key].value} (must be {value})"
        for key, value in spec.config().items()
        if key in found and not _suffices(key, str(found[key].value), value)
    ]
    remedies = ["alter the topic's configuration"] if wrong else []
    for problem, remedy in _durability(topic, found, wanted):
        wrong.append(problem)
        remedies.append(remedy)
    return _checked(spec.name, wrong, remedies)


def _internal(name: str, there: ClusterMetadata, wanted: tuple[int, int], read: _Configurations) -> TopicCheck:
    found = read.of(name)
    if isinstance(found, TopicCheck):
        return found
    # Offsets are Kafka's to keep: its default of one copy in sync is how they are made everywhere.
    least = wanted if name != "__consumer_offsets" else (wanted[0], 1)
    faults = _durability(there.topics[name], found, least)
    remedies = [remedy.replace("topics.replication", _INTERNAL[name]) for _, remedy in faults]
    return _checked(name, [problem for problem, _ in faults], remedies)


def _checked(name: str, wrong: list[str], remedies: list[str]) -> TopicCheck:
    if not wrong:
        return TopicCheck(name, None)
    return TopicCheck(name, ", ".join(wrong), ", ".join(dict.fromkeys(remedies)))


def _durability(
    topic: TopicMetadata, found: Mapping[str, ConfigEntry], wanted: tuple[int, int]
) -> list[tuple[str, str]]:
    """Return what is wrong with a topic's copies, each with its remedy."""
    replication, wanted_isr = wanted
    has = min((len(p.replicas) for p in topic.partitions.values()), default=0)
    min_isr = int(str(found[_MIN_ISR].value)) if _MIN_ISR in found else 1
    faults = []
    if has < replication:
        faults.append((
            f"replication {has} (must be {replication}): lost with its broker",
            "give it more replicas with kafka-reassign-partitions, or set topics.replication",
        ))  # fmt: skip
    if min_isr < wanted_isr:
        faults.append((f"{_MIN_ISR}={min_isr} (must be {wanted_isr})", "alter the topic's configuration"))
    elif min_isr > max(wanted_isr, has - 1):
        faults.append((
            f"{_MIN_ISR}={min_isr} of {has} replicas: one lost broker stops it", "alter the topic's configuration"
        ))  # fmt: skip
    for number, partition in sorted(topic.partitions.items()):
        in_sync = len(partition.isrs)
        start = f"start the brokers that hold it: {', '.join(map(str, sorted(partition.replicas)))}"
        if partition.leader < 0:
            faults.append((f"partition {number} has no leader", start))
        elif in_sync < min_isr:
            faults.append((
                f"partition {number} has {in_sync} of {len(partition.replicas)} replicas in sync, "
                f"and {min_isr} are needed to write",
                start,
            ))  # fmt: skip
    return faults


def _suffices(key: str, found: str, wanted: str) -> bool:
    """A longer retention and a larger message than needed are no fault."""
    if key == "cleanup.policy":
        return found == wanted
    have, need = int(found), int(wanted)
    return have == need or (have > need and need != -1) or (key == "retention.ms" and have == -1)
