"""Strain and witnesses from Kafka, as the search wants them: decoded, in order of time, and never far behind.

* Live, a block is handed on the moment it is read. After a backlog (the broker was away, the daemon was down) what
  is there is read first and merged by time, so that no detector's blocks come seconds before another's.
* Falling behind is measured against the messages' own timestamps, so replayed data of any age are live too.
  Further behind than ``daemon.max_lag_s`` for longer than ``daemon.catch_up_s``, the source skips to now, counts
  what it skipped and says so. An outage's backlog is caught up with in seconds and is not skipped.
* A message that is not a block is counted, logged and dropped: the search sees a gap.
* Offsets are stored ``REPLAYED_NS`` behind what was searched, so that a restart hears the last seconds again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from pipelines.search import Block
from stream.codec import StrainCodec
from stream.codec.avro import decode_witness
from stream.errors import DataError
from stream.kafka.consumer import Message
from stream.records import StrainBlock
from stream.settings import Settings
from stream.timebase import NS_PER_S, Clock, gps_ns_to_unix_ns

if TYPE_CHECKING:
    from stream.codec.registry import SchemaRegistry

log = structlog.get_logger()

REPLAYED_NS = 4 * NS_PER_S
"""How much data is heard again after a restart: whitening and network context, with room to spare."""

_BACKLOG_S = 0.5
_MAX_BATCH = 512
_MAX_HELD = 8192
_PATIENCE_NS = NS_PER_S


class BlockConsumer(Protocol):
    """What the source needs of a Kafka consumer."""

    def poll_batch(self, timeout_s: float, max_messages: int) -> list[Message]:
        """Return what is there, or nothing after the time-out."""
        ...

    def store(self, message: Message) -> None:
        """Mark a message as done with."""
        ...

    def seek_to_end(self) -> None:
        """Skip to now."""
        ...


@dataclass(slots=True)
class SourceStatus:
    """What the source has to say of itself, for metrics, heartbeat and readiness."""

    blocks: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    newest_ns: dict[str, int] = field(default_factory=dict)
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=2048))
    lag_s: float = 0.0
    skipped_s: float = 0.0
    skips: int = 0


@dataclass(frozen=True, slots=True)
class _Held:
    block: Block
    message: Message


def _nothing() -> None:
    """Do nothing."""


class KafkaBlocks:
    """Iterate over the blocks on the strain and witness topics until told to stop.

    Parameters
    ----------
    consumer : BlockConsumer
    codec : StrainCodec
    settings : Settings
    clock : Clock
    stopped : callable
        Returns True when the daemon is to end.
    registry : SchemaRegistry, optional
        Takes the framing off witness messages; the strain codec has its own.

    Attributes
    ----------
    housekeeping : callable
        Called between polls, at least ten times a second.
    """

    def __init__(
        self,
        consumer: BlockConsumer,
        codec: StrainCodec,
        settings: Settings,
        clock: Clock,
        stopped: Callable[[], bool],
        registry: SchemaRegistry | None = None,
    ) -> None:
        self._consumer = consumer
        self._codec = codec
        self._clock = clock
        self.housekeeping: Callable[[], None] = _nothing
        self._stopped = stopped
        self._registry = registry
        self._max_lag_s = settings.daemon.max_lag_s
        self._catch_up_ns = round(settings.daemon.catch_up_s * NS_PER_S)
        self._lags_since_ns: int | None = None
        self._detectors = settings.strain.detectors
        self._strain = {settings.topics.strain_prefix + d: d for d in settings.strain.detectors}
        self._witness = {settings.topics.witness_prefix + d: d for d in settings.strain.detectors}
        self._held: list[_Held] = []
        self._held_since_ns: int | None = None
        self._searched: deque[_Held] = deque()
        self.status = SourceStatus()

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks as they come."""
        while not self._stopped():
            self.housekeeping()
            messages = self._poll()
            if self._lags_for_good():
                self._skip()
                continue
            self._held += [held for message in messages for held in self._decode(message)]
            for held in self._releasable():
                yield held.block
                self._done(held)

    def _poll(self) -> list[Message]:
        """Read what is there; behind, read on until nothing comes, so that it can be merged."""
        messages = self._consumer.poll_batch(0.05, _MAX_BATCH)
        if not messages:
            self.status.lag_s = 0.0 if not self._held else self.status.lag_s
            return messages
        self._measure_lag(messages)
        while self.status.lag_s > _BACKLOG_S and len(messages) < _MAX_HELD:
            more = self._consumer.poll_batch(0.02, _MAX_BATCH)
            if not more:
                break
            messages += more
            self._measure_lag(more)
        return messages

    def _measure_lag(self, messages: list[Message]) -> None:
        """The lag is the age of the newest message read: what is still to come is at least as young."""
        newest_unix_ns = max(m.timestamp_ns for m in messages)
        self.status.lag_s = max(0.0, (gps_ns_to_unix_ns(self._clock.now_ns()) - newest_unix_ns) / NS_PER_S)

    def _lags_for_good(self) -> bool:
        """A backlog is caught up with at many times real time; one that stays is a search that is too slow."""
        now_ns = self._clock.now_ns()
        if self.status.lag_s <= self._max_lag_s:
            self._lags_since_ns = None
            return False
        if self._lags_since_ns is None:
            self._lags_since_ns = now_ns
            log.warning("lagging", lag_s=round(self.status.lag_s, 3), max_lag_s=self._max_lag_s)
        return now_ns - self._lags_since_ns >= self._catch_up_ns

    def _skip(self) -> None:
        self._consumer.seek_to_end()
        self.status.skips += 1
        self.status.skipped_s += self.status.lag_s
        log.warning(
            "skipped_to_now", lag_s=round(self.status.lag_s, 3), max_lag_s=self._max_lag_s,
            remedy="the search was too slow: give it cores, longer blocks, or raise daemon.catch_up_s",
        )  # fmt: skip
        self.status.lag_s = 0.0
        self._held.clear()
        self._searched.clear()

    def _decode(self, message: Message) -> list[_Held]:
        detector = self._strain.get(message.topic)
        value = message.value or b""
        try:
            if detector is not None:
                found: list[Block] = list(self._codec.decode(value, detector=detector))
            else:
                found = [decode_witness(self._registry.unframe("witness", value) if self._registry else value)]
        except DataError as error:
            self.status.refused[message.topic] = self.status.refused.get(message.topic, 0) + 1
            log.warning(
                "block_refused", topic=message.topic, partition=message.partition, offset=message.offset,
                error=str(error),
            )  # fmt: skip
            return []
        for block in found:
            if isinstance(block, StrainBlock):
                self.status.blocks[block.detector] = self.status.blocks.get(block.detector, 0) + 1
                newest = self.status.newest_ns.get(block.detector, 0)
                self.status.newest_ns[block.detector] = max(newest, block.end_ns)
        return [_Held(block, message) for block in found]

    def _releasable(self) -> list[_Held]:
        """Return what may go: everything when live; in a backlog, what every detector has reached."""
        if not self._held:
            self._held_since_ns = None
            return []
        self._held.sort(key=lambda h: (h.block.end_ns, h.block.detector))
        if self.status.lag_s <= _BACKLOG_S or self._patience_is_over():
            released, self._held = self._held, []
        else:
            newest = dict.fromkeys(self._detectors, 0)
            for held in self._held:
                newest[held.block.detector] = held.block.end_ns
            limit = min(newest.values())
            released = [h for h in self._held if h.block.end_ns <= limit]
            self._held = [h for h in self._held if h.block.end_ns > limit]
        if released:
            self._held_since_ns = None
        return released

    def _patience_is_over(self) -> bool:
        """A detector that sends nothing must not hold a backlog for ever."""
        now_ns = self._clock.now_ns()
        if self._held_since_ns is None:
            self._held_since_ns = now_ns
        return now_ns - self._held_since_ns > _PATIENCE_NS or len(self._held) >= _MAX_HELD

    def _done(self, held: _Held) -> None:
        """Store offsets of what lies far enough behind what was searched."""
        if isinstance(held.block, StrainBlock):
            self.status.latencies_s.append((self._clock.now_ns() - held.block.end_ns) / NS_PER_S)
        self._searched.append(held)
        while self._searched and self._searched[0].block.end_ns <= held.block.end_ns - REPLAYED_NS:
            self._consumer.store(self._searched.popleft().message)
