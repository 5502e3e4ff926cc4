"""The sources of a subscription: GCN, SCiMMA, the broker of one's own, each read on from where the state file says."""

from __future__ import annotations

import re
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.sources import KafkaSource, SourceMessage
from pipelines.sources.credentials import gcn_kafka, scimma_kafka
from pipelines.sources.kafka import Reading
from pipelines.sources.silence import SilenceWatch
from pipelines.sources.topics import HEARTBEATS
from pipelines.subscribe.state import State
from stream.errors import ConfigurationError
from stream.kafka.consumer import LAST
from stream.settings import KafkaSettings, Settings
from stream.timebase import Clock, SystemClock

SOURCES = ("gcn", "scimma", "local")
LVK_TOPIC = "igwn.gwalert"
"""LVK's alerts, on GCN as JSON and on SCiMMA as Avro.
Source: LVK public alerts user guide, "Receiving and parsing notices", https://emfollow.docs.ligo.org/userguide/"""

_PROMPT = {"fetch.wait.max.ms": 10, "queued.max.messages.kbytes": 65_536, "queued.min.messages": 500}
_LAST = re.compile(r"last:([1-9][0-9]{0,5})")
WORDS = "latest, earliest, last:N with N from 1 to 999999"
"""Where a subscription may begin, for errors."""
_QUIET_S, _LONGEST_S = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class Begin:
    """Where a subscription begins.

    Attributes
    ----------
    start : {"latest", "earliest", "last:N"} or int or None
        An int is a Unix time in nanoseconds; None goes on where it was, or begins with what comes.
    group : str
        Consumer group at each source; empty where nothing is remembered.
    if_new : {"latest", "earliest"}
        Where None begins if there is no place to go on from: at the end, or at the beginning of what is yet to be made.
    """

    start: str | int | None = None
    group: str = ""
    if_new: str = "latest"

    def __post_init__(self) -> None:
        start = self.start
        if isinstance(start, int):
            wrong = start < 0  # which Kafka would take for its own -1 and -2, the end and the beginning
        else:
            wrong = start not in (None, "latest", "earliest") and last_count(str(start)) is None
        if wrong:
            raise ConfigurationError(f"start {start!r}: use {WORDS}, or a time since 1970")


def topics_of(source: str, settings: Settings, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the topics of a source: those asked for it (``gcn:NAME``), or for all (``NAME``), or the usual one."""
    own = [topic.removeprefix(f"{source}:") for topic in asked if topic.startswith(f"{source}:")]
    for_all = [topic for topic in asked if topic.partition(":")[0] not in SOURCES]
    usual = settings.topics.alerts if source == "local" else LVK_TOPIC
    return tuple(dict.fromkeys(own or for_all or [usual]))


def reached(source: str, settings: Settings, environ: Mapping[str, str]) -> KafkaSettings:
    """Return how to reach a source.

    Raises
    ------
    ConfigurationError
        If there is no such source, or its credentials are missing.
    """
    if source == "gcn":
        return gcn_kafka(settings.listen.gcn_domain, environ)
    if source == "scimma":
        return scimma_kafka(environ)
    if source == "local":
        return settings.kafka
    raise ConfigurationError(f"--source {source}: choose from {', '.join(SOURCES)}")


def open_source(
    source: str, settings: Settings, state: State, begin: Begin, environ: Mapping[str, str], topics: Sequence[str] = ()
) -> KafkaSource | LastOf:
    """Return a source of alerts.

    Raises
    ------
    ConfigurationError
        If there is no such source, or its credentials are missing.
    """
    kafka = reached(source, settings, environ)
    group = begin.group or f"{kafka.group_id}-{uuid.uuid4().hex[:12]}"
    if source == "scimma" and not group.startswith(f"{kafka.sasl_username}-"):
        group = f"{kafka.sasl_username}-{group}"  # SCiMMA lets nobody read in another's group
    asked = topics_of(source, settings, topics)
    fresh = state.asks_anew(source, asked)
    places = state.places(source) if begin.start is None else {}
    # What came to a topic that was read, or waited for, is new; a topic that nobody asked for begins with what comes.
    start = begin.start if begin.start is not None else ("unread" if places and not fresh else begin.if_new)
    silence = None
    if source in HEARTBEATS:
        silence = SilenceWatch(source, HEARTBEATS[source], settings.listen.silence_s, time.monotonic())
    reading = Reading(places, "subscriber" if begin.group else None, _PROMPT)
    clock: Clock = SystemClock()
    opened = KafkaSource(source, kafka, asked, group, clock, start, silence, reading=reading)
    if isinstance(start, str) and start.startswith(LAST):
        return LastOf(opened, int(start.removeprefix(LAST)))
    return opened


def last_count(text: str) -> int | None:
    """Return N of ``last:N``; None of what is not of that form."""
    found = _LAST.fullmatch(text)
    return None if found is None else int(found[1])


class LastOf:
    """A source that begins with the last so many messages that are there; those before them are passed over.

    Parameters
    ----------
    source : KafkaSource
        Begins at least so many messages before the end.
    count : int
    """

    ended = False

    def __init__(self, source: KafkaSource, count: int) -> None:
        self._source = source
        self._kept: deque[SourceMessage] | None = deque(maxlen=count)

    @property
    def name(self) -> str:
        """That of the source."""
        return self._source.name

    @property
    def places(self) -> dict[tuple[str, int], int]:
        """Those of the source; none while it looks for the last ones."""
        return {} if self._kept is not None else self._source.places

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        """Return the last ones first, by the time that the broker gave them, and then what comes."""
        if self._kept is None:
            return self._source.poll(timeout_s)
        found: list[SourceMessage] = []
        deadline_s, heard_s = time.monotonic() + _LONGEST_S, None
        while time.monotonic() < deadline_s:
            batch = self._source.poll(timeout_s)
            found += batch
            if batch or (heard_s is None and self._source.places):
                heard_s = time.monotonic()
            elif heard_s is not None and time.monotonic() - heard_s > _QUIET_S:
                break
        found.sort(key=lambda message: 0 if message.origin is None else message.origin.timestamp_ns)
        self._kept.extend(found)
        last, self._kept = list(self._kept), None
        return last

    def hold(self) -> None:
        """As the source."""
        self._source.hold()

    def done(self, messages: Sequence[SourceMessage]) -> None:
        """As the source."""
        self._source.done(messages)

    def close(self) -> None:
        """As the source."""
        self._source.close()
