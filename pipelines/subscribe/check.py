"""Whether a subscription would work: each thing it needs, looked at without delivering anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipelines.subscribe.opened import reached, topics_of
from pipelines.subscribe.running import Asked, state_folder
from stream.errors import ConfigurationError, TocsinError
from stream.kafka.topics import list_topics
from stream.settings import KafkaSettings, Settings

_LOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing: whether it is well, and what is found or to be done."""

    what: str
    ok: bool
    text: str


def check(settings: Settings, asked: Asked, environ: Mapping[str, str]) -> Iterator[Checked]:
    """Yield what was looked at: memory, credentials, brokers, topics, rules, actions."""
    yield _memory(settings, asked, environ)
    for source in dict.fromkeys(asked.sources):
        yield from _source(settings, asked, source, environ)
    for route in asked.routes:
        actions = ", ".join(route.actions) or "printed alone"
        yield Checked(f"rule {route.name}", True, f"{' '.join(route.text.split()) or 'every alert'} → {actions}")
    for name, doing in asked.doings.items():
        try:
            yield Checked(f"action {name}", True, doing.action.check())
        except ConfigurationError as error:
            yield Checked(f"action {name}", False, str(error))


def _memory(settings: Settings, asked: Asked, environ: Mapping[str, str]) -> Checked:
    if not asked.remembers:
        return Checked("memory", True, "nothing is remembered: give --name to go on after a restart")
    folder = state_folder(asked, settings, environ)
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Checked("memory", False, f"{folder}: {there} is no folder that can be written; name another --state")
    return Checked("memory", True, str(folder))


def _source(settings: Settings, asked: Asked, source: str, environ: Mapping[str, str]) -> Iterator[Checked]:
    try:
        kafka = reached(source, settings, environ)
    except TocsinError as error:
        yield Checked(f"source {source}", False, str(error))
        return
    try:
        there = _topics(settings, kafka)
    except TocsinError as error:
        yield Checked(f"source {source}", False, str(error))
        return
    yield Checked(f"source {source}", True, f"{kafka.bootstrap_servers} answers, {len(there)} topics")
    for topic in topics_of(source, settings, asked.topics):
        known = topic in there
        text = "is there" if known else "is not there, or these credentials may not read it; it is waited for"
        yield Checked(f"topic {source}:{topic}", known, text)


def _topics(settings: Settings, kafka: KafkaSettings) -> frozenset[str]:
    bounded = kafka.model_copy(update={"operation_timeout_s": min(kafka.operation_timeout_s, _LOOK_S)})
    return frozenset(list_topics(settings.model_copy(update={"kafka": bounded})))
