"""Sources by their names, as settings and options give them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from pipelines.sources.credentials import gcn_kafka, scimma_kafka
from pipelines.sources.kafka import KafkaSource
from pipelines.sources.silence import SilenceWatch
from pipelines.sources.topics import HEARTBEATS, TOPICS
from stream.errors import ConfigurationError
from stream.settings import KafkaSettings, Settings
from stream.timebase import Clock

_MORE = "+"


def open_source(
    name: str, settings: Settings, clock: Clock, environ: Mapping[str, str], topics: Sequence[str] = (),
    start: str | int = "committed",
) -> KafkaSource:  # fmt: skip
    """Return a source.

    Parameters
    ----------
    name : {"gcn", "scimma", "local"}
    settings : Settings
    clock : Clock
    environ : mapping
        Where credentials stand.
    topics : sequence of str
        Instead of ``listen.topics`` and the table; those that begin with ``+`` besides.
    start : {"committed", "unread"} or int
        As in :class:`~pipelines.sources.kafka.KafkaSource`.

    Raises
    ------
    ConfigurationError
        If there is no such source, it has no topics, or credentials are missing.
    """
    check_source(name, settings, environ, topics)
    kafka, group = _reached(name, settings, environ)
    found = topics_of(name, settings, topics)
    silence = None
    if name in HEARTBEATS:
        silence = SilenceWatch(name, HEARTBEATS[name], settings.listen.silence_s, time.monotonic())
    return KafkaSource(name, kafka, found, group, clock, start, silence)


def check_source(name: str, settings: Settings, environ: Mapping[str, str], topics: Sequence[str] = ()) -> None:
    """Raise what :func:`open_source` would, without opening it."""
    _reached(name, settings, environ)
    if not topics_of(name, settings, topics):
        raise ConfigurationError(f"source {name} has no topics: name them with --topic, or in listen.topics")


def _reached(name: str, settings: Settings, environ: Mapping[str, str]) -> tuple[KafkaSettings, str]:
    """Return how to reach a source, and our group there."""
    group = settings.listen.group
    if name == "gcn":
        return gcn_kafka(settings.listen.gcn_domain, environ), group
    if name == "scimma":
        kafka = scimma_kafka(environ)
        return kafka, f"{kafka.sasl_username}-{group}"
    if name == "local":
        return settings.kafka, group
    raise ConfigurationError(f"{name!r} is no source: choose from {', '.join(TOPICS)}")


def topics_of(name: str, settings: Settings, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the topics to read: those asked for, or the settings', or the table's; ``+NAME`` adds to them."""
    usual = tuple(settings.listen.topics.get(name, "").split()) or TOPICS[name]
    instead = tuple(topic for topic in asked if not topic.startswith(_MORE))
    more = tuple(topic.removeprefix(_MORE) for topic in asked if topic.startswith(_MORE))
    found = tuple(dict.fromkeys((*(instead or usual), *more)))
    if settings.topics.external in found and name == "local":
        raise ConfigurationError(
            f"topic {settings.topics.external} is where events go: reading it would send each of them again and again"
        )
    return found
