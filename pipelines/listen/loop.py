"""The loop: sources in turn, each batch read, handed on, acknowledged, and only then done with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipelines.listen.maps import MapFetcher
from pipelines.listen.reader import NoticeReader
from pipelines.listen.sinks import Sink
from pipelines.sources import Source
from stream.records import ExternalEvent

_POLL_S = 0.1
_IDLE_S = 0.02
_TURN_S = 5.0


@dataclass(slots=True)
class Listening:
    """What the loop works with.

    Attributes
    ----------
    sources : sequence of Source
    reader : NoticeReader
    sink : Sink
    stop : threading.Event
    maps : MapFetcher or None
        Fetches the maps that notices name by URL.
    heard : callable
        Told of each event that was acknowledged; returns whether to go on, and is told no more if not.
    monotonic : callable
    turned_s : float
        When the loop last came by.
    """

    sources: Sequence[Source]
    reader: NoticeReader
    sink: Sink
    stop: threading.Event = field(default_factory=threading.Event)
    maps: MapFetcher | None = None
    heard: Callable[[ExternalEvent], bool] = lambda event: True
    monotonic: Callable[[], float] = time.monotonic
    turned_s: float = field(default_factory=time.monotonic)

    def meanwhile(self) -> bool:
        """Keep the sources' memberships alive while the sink waits; return whether to wait on."""
        self.turned_s = self.monotonic()
        for source in self.sources:
            source.hold()
        return not self.stop.is_set()


def listen(parts: Listening) -> None:
    """Read until stopped, until ``heard`` has enough, or until every source has ended.

    Raises
    ------
    TransportError
        For an error that will not mend itself: refused credentials, a topic that is missing.
    """
    while not parts.stop.is_set():
        parts.turned_s = parts.monotonic()
        open_sources = [source for source in parts.sources if not source.ended]
        turns = [_turn(parts, source, _POLL_S / len(open_sources)) for source in open_sources]
        if not (all(turns) and _maps_that_came(parts)):
            return
        if not open_sources:
            if parts.maps is None or parts.maps.idle:
                return
            parts.stop.wait(_IDLE_S)


def _turn(parts: Listening, source: Source, timeout_s: float) -> bool:
    """Take what a source has; return whether to go on."""
    messages = source.poll(timeout_s)
    events: list[ExternalEvent] = []
    for message in messages:
        events += parts.reader.events(message, parts.monotonic())
        if parts.monotonic() - parts.turned_s > _TURN_S:  # a batch of maps may take minutes to read
            parts.meanwhile()
    if not _handed_on(parts, events):
        return False
    source.done(messages)
    if parts.maps is not None:
        for event in events:
            parts.maps.ask(event)
    return _told(parts, events)


def _maps_that_came(parts: Listening) -> bool:
    """Hand on again the events whose map was fetched, unless a later notice of them came meanwhile."""
    if parts.maps is None:
        return True
    events = parts.maps.fetched(parts.reader.is_latest)
    return _handed_on(parts, events) and _told(parts, events)


def _handed_on(parts: Listening, events: Sequence[ExternalEvent]) -> bool:
    """Return whether the sink has all events; not if it was given up for the end.

    It is asked without any, too: a client that is not called renews no token.
    """
    for event in events:
        parts.sink.put(event)
    return parts.sink.acknowledged(parts.meanwhile)


def _told(parts: Listening, events: Sequence[ExternalEvent]) -> bool:
    return all(parts.heard(event) for event in events)
