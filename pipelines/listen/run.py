"""``tocsin listen``, put together: sources, reader, sink, maps and health, from settings and what was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.listen.loop import Listening, listen
from pipelines.listen.maps import MapFetcher
from pipelines.listen.reader import NoticeReader, ReadNotice
from pipelines.listen.sinks import FileSink, NoSink, Sink, TopicSink
from pipelines.listen.tally import Tally
from pipelines.sources import FileSource, KafkaSource, Source, check_source, open_source
from stream.errors import ConfigurationError
from stream.health import Check, HealthServer
from stream.records import ExternalEvent
from stream.settings import Settings
from stream.timebase import Clock

_TURNS_S = 60.0
_ALL = 1 << 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for.

    Attributes
    ----------
    sources : sequence of str
        Names; the settings' where there are neither these nor files.
    topics : sequence of str
        Of the one source that is named; ``+NAME`` adds.
    files : sequence of Path
        Read once, instead of sources.
    out : Path or None
        File for the events, instead of the topic.
    only_look : bool
        Keep nothing.
    start : {"committed", "unread"} or int
    """

    sources: Sequence[str] = ()
    topics: Sequence[str] = ()
    files: Sequence[Path] = ()
    out: Path | None = None
    only_look: bool = False
    start: str | int = "committed"
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def check(self, settings: Settings) -> None:
        """Refuse what contradicts itself or cannot be done, before anything is opened.

        Raises
        ------
        ConfigurationError
            Saying what to leave out, or what is missing: topics, credentials.
        """
        if self.files and (self.sources or self.topics):
            raise ConfigurationError("--files are read once, by themselves: leave out --source and --topic")
        if self.topics and len(self.sources) != 1:
            raise ConfigurationError("--topic is of one source: name it with --source, and no second one")
        if (self.out is not None or self.only_look) and not self.files:
            raise ConfigurationError("--out and --check go with --files: what a source sends goes onto topics.external")
        for name in () if self.files else self.names(settings):
            check_source(name, settings, self.environ, self.topics)

    def names(self, settings: Settings) -> tuple[str, ...]:
        """Return the sources to read, each once."""
        return tuple(dict.fromkeys(self.sources or settings.listen.sources))


def run(
    settings: Settings, wanted: Wanted, read: ReadNotice, clock: Clock, stop: threading.Event,
    heard: Callable[[ExternalEvent], bool],
) -> Tally:  # fmt: skip
    """Listen until told to stop, or to the end of the files; return what became of all messages.

    Parameters
    ----------
    settings : Settings
    wanted : Wanted
    read : callable
        Bytes to events: :func:`stream.notices.read_notice`.
    clock : Clock
    stop : threading.Event
    heard : callable
        Told of each event once it is kept; returns whether to go on.

    Raises
    ------
    ConfigurationError
        If credentials or topics are missing, or what is wanted contradicts itself.
    TransportError
        For an error of Kafka that will not mend itself.
    """
    wanted.check(settings)
    topics = settings.topics
    tally = Tally(details=_ALL if wanted.files else 1)
    reader = NoticeReader(read, tally, {topics.alerts, topics.alerts_json, topics.external})
    with ExitStack() as closing:
        sources = _sources(settings, wanted, clock)
        for source in sources:
            closing.callback(source.close)
        parts = Listening(sources, reader, closing.enter_context(_sink(settings, wanted)), stop, heard=heard)
        if settings.listen.fetch_maps:
            parts.maps = closing.enter_context(MapFetcher(settings.listen, clock))
        if settings.listen.http_port is not None and not wanted.files:
            closing.callback(_served(settings, parts).close)
        listen(parts)
    return tally


def _sources(settings: Settings, wanted: Wanted, clock: Clock) -> list[Source]:
    if wanted.files:
        return [FileSource(wanted.files, clock)]
    asked = (wanted.environ, wanted.topics, wanted.start)
    return [open_source(name, settings, clock, *asked) for name in wanted.names(settings)]


def _sink(settings: Settings, wanted: Wanted) -> Sink:
    if wanted.only_look:
        return NoSink()
    if wanted.out is not None:
        return FileSink(wanted.out)
    return TopicSink(settings.kafka, settings.topics.external)


def _served(settings: Settings, parts: Listening) -> HealthServer:
    """Serve metrics and health; one that is silent is healthy but not ready."""

    def healthy() -> Mapping[str, Check]:
        idle_s = time.monotonic() - parts.turned_s
        return {"loop": Check(idle_s < _TURNS_S, f"came by {idle_s:.1f} s ago")}

    def ready() -> Mapping[str, Check]:
        found = {s.name: s.silent for s in parts.sources if isinstance(s, KafkaSource)}
        return {name: Check(not silent, "silent" if silent else "heard") for name, silent in found.items()}

    assert settings.listen.http_port is not None
    return HealthServer(settings.daemon.http_host, settings.listen.http_port, healthy, ready)
