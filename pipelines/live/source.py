"""Strain and witnesses from Kafka, as the search wants them: decoded, plausible, in order of time, never far behind.

* Each block's time is checked once, here (:mod:`pipelines.live.plausible`); a message that is not a block, or a block
  that cannot be from when it says, is counted, logged and dropped: the search sees a gap.
* Topics are merged by data time (:mod:`pipelines.live.merge`): live, a block goes on the moment it is read; after an
  outage it waits for what belongs with it, at most ``daemon.broker_wait_s``.
* Falling behind is measured for each topic against the messages' own timestamps, so replayed data of any age are live
  too; fresh data are live whatever their producer's clock says. A search that is further behind than
  ``daemon.max_lag_s`` for ``daemon.catch_up_s``, and has not made up as many seconds in that time, is too slow: it
  skips to now, counts what it skipped and says so. A backlog that shrinks that fast is searched to its end, however
  long it is (:mod:`pipelines.live.slowness`).
* Offsets are stored behind what was searched (:mod:`pipelines.live.offsets`): a restart hears the last seconds again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from pipelines.live.merge import BACKLOG_NS, Held, Merger, batches
from pipelines.live.offsets import Offsets
from pipelines.live.plausible import TimeCheck
from pipelines.live.slowness import Slowness, sent_ns
from stream.codec import StrainCodec
from stream.codec.avro import decode_witness
from stream.errors import CodecError, DataError, TransportError
from stream.kafka.consumer import Message
from stream.kafka.standing import Standing
from stream.records import Block, StrainBlock, WitnessBlock
from stream.settings import Settings
from stream.timebase import NS_PER_S, Clock

if TYPE_CHECKING:
    from stream.codec.registry import SchemaRegistry

log = structlog.get_logger()

_MAX_BATCH = 512
_FRESH_S = 1.0
_TOLD_EVERY_NS = 60 * NS_PER_S


class BlockConsumer(Protocol):
    """What the source needs of a Kafka consumer."""

    def poll_batch(self, timeout_s: float, max_messages: int) -> list[Message]:
        """Return what is there, or nothing after the time-out."""
        ...

    def standing(self) -> Mapping[str, Standing]:
        """Return how each topic stands."""
        ...

    def store(self, message: Message) -> None:
        """Mark a message, and all before it in its partition, as done with."""
        ...

    def seek_to_end(self) -> None:
        """Skip to now."""
        ...


@dataclass(slots=True)
class SourceStatus:
    """What the source has to say of itself, for metrics, heartbeat and readiness.

    Attributes
    ----------
    blocks : dict
        Strain blocks that were searched, by detector.
    refused : dict
        Messages that gave no block, by topic: not readable, or their Schema Registry is away.
    refused_blocks : dict
        Blocks that cannot be from when they say, by detector and reason.
    newest_ns : dict
        GPS end of the newest strain that was searched, by detector.
    latencies_s : deque
        How old strain was when its search was done, of the latest blocks.
    lag_s, lag_by_topic : float, dict
        Age of a topic's newest message when it was read, and on from there while there is more to read or the topic's
        leader is away; 0 once it is read to its end. The worst of them.
    waiting_for : tuple of str
        Topics for whose blocks others are held just now.
    clock_behind_s : float
        By how much most detectors say that this machine's clock is behind, 0 when it is not.
    skipped_s, skips : float, int
        Data passed over because the search was too slow, and how often that was.
    """

    blocks: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    refused_blocks: dict[tuple[str, str], int] = field(default_factory=dict)
    newest_ns: dict[str, int] = field(default_factory=dict)
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=2048))
    lag_s: float = 0.0
    lag_by_topic: dict[str, float] = field(default_factory=dict)
    waiting_for: tuple[str, ...] = ()
    clock_behind_s: float = 0.0
    skipped_s: float = 0.0
    skips: int = 0


def _nothing() -> None:
    """Do nothing."""


class KafkaBlocks:
    """Iterate over batches of blocks from the strain and witness topics until told to stop.

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
        Called between polls, messages and batches, many times a second.
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
        self._strain = {settings.topics.strain_prefix + d: d for d in settings.strain.detectors}
        self._witnesses = {settings.topics.witness_prefix + d: d for d in settings.strain.detectors}
        daemon = settings.daemon
        self._merge = Merger(
            tuple(self._strain),
            tuple(self._witnesses) if settings.strain.witnesses else (),
            absent_ns=round(settings.align.absent_after_s * NS_PER_S),
            wait_ns=round(daemon.broker_wait_s * NS_PER_S),
        )
        self._check = TimeCheck(round(daemon.max_ahead_s * NS_PER_S))
        self._slowness = Slowness(daemon.max_lag_s, round(daemon.catch_up_s * NS_PER_S))
        self._offsets = Offsets()
        self._searched_ns = 0
        self._stamps: dict[str, int] = {}
        self._told_ns: dict[tuple[str, str], int] = {}
        self.status = SourceStatus()

    def __iter__(self) -> Iterator[list[Block]]:
        """Yield blocks as they come, those that came together in one batch."""
        while not self._stopped():
            self.housekeeping()
            messages = self._consumer.poll_batch(0.05, _MAX_BATCH)
            standing = self._consumer.standing()
            newest_ns: dict[str, int] = {}
            for message in messages:
                newest_ns[message.topic] = max(self._take(message), newest_ns.get(message.topic, 0))
                self.housekeeping()  # a backlog's frames take seconds to decode
            self._measure_lag(newest_ns, standing)
            released = self._merge.release(self._clock.now_ns(), standing)
            self.status.waiting_for = self._merge.waiting_for
            for batch in batches(released):
                yield [held.block for held in batch]
                self._done(batch)
                self.housekeeping()
                if self._stopped():
                    return
            away = any(standing.get(t, Standing()).answered_ago_s > _FRESH_S for t in self._merge.waiting_for)
            if self._slowness.is_for_good(released, away, self._clock.now_ns()):
                self._skip()

    def _measure_lag(self, newest_ns: Mapping[str, int], standing: Mapping[str, Standing]) -> None:
        """Take the age of each topic's newest message, where there is or may be more behind it."""
        now_ns = self._clock.now_ns()
        self._stamps |= newest_ns
        for topic, stamp_ns in self._stamps.items():
            known = standing.get(topic, Standing())
            is_done = topic not in newest_ns and known.at_end and known.answered_ago_s <= _FRESH_S
            self.status.lag_by_topic[topic] = 0.0 if is_done else max(0.0, (now_ns - stamp_ns) / NS_PER_S)
        self.status.lag_s = max(self.status.lag_by_topic.values(), default=0.0)

    def _take(self, message: Message) -> int:
        """Decode a message, check its blocks' time, and hold them for the merge; return when it was sent (GPS)."""
        now_ns = self._clock.now_ns()
        found = [block for block in self._decode(message) if self._is_plausible(block, message, now_ns)]
        reading = self._offsets.read(message, len(found))
        stamp_ns = sent_ns(message, max((block.end_ns for block in found), default=0))
        for block in found:
            self._merge.add(block, reading, now_ns, now_ns - stamp_ns > BACKLOG_NS)
        return stamp_ns

    def _decode(self, message: Message) -> list[Block]:
        detector = self._strain.get(message.topic)
        value = message.value or b""
        try:
            if detector is not None:
                return list(self._codec.decode(value, detector=detector))
            return [self._witness(message.topic, value)]
        except (DataError, TransportError) as error:  # the latter: a registry that is away cannot say what this is
            self.status.refused[message.topic] = self.status.refused.get(message.topic, 0) + 1
            self._tell(message, type(error).__name__, str(error))
            return []

    def _witness(self, topic: str, value: bytes) -> WitnessBlock:
        block = decode_witness(self._registry.unframe("witness", value) if self._registry else value)
        if block.detector != self._witnesses[topic]:
            raise CodecError(f"witnesses of {block.detector} on topic {topic}: correct the producer's topic")
        return block

    def _is_plausible(self, block: Block, message: Message, now_ns: int) -> bool:
        objection = self._check.objection(block, now_ns)
        self.status.clock_behind_s = self._check.clock_behind_s
        if objection is None:
            return True
        key = (block.detector, objection)
        self.status.refused_blocks[key] = self.status.refused_blocks.get(key, 0) + 1
        ahead_s = (block.end_ns - now_ns) / NS_PER_S
        self._tell(message, objection, f"block of {block.detector} ends {ahead_s:.3f} s after now: see to its clock")
        return False

    def _tell(self, message: Message, what: str, error: str) -> None:
        """Log what was refused, once a minute for each topic and kind: a wrong clock refuses sixteen a second."""
        now_ns, key = self._clock.now_ns(), (message.topic, what)
        if now_ns - self._told_ns.get(key, -_TOLD_EVERY_NS) < _TOLD_EVERY_NS:
            return
        self._told_ns[key] = now_ns
        log.warning(
            "block_refused", topic=message.topic, partition=message.partition, offset=message.offset, error=error,
            told="once a minute; tocsin_blocks_total counts them",
        )  # fmt: skip

    def _done(self, batch: list[Held]) -> None:
        """Count what was searched, and store offsets of what lies far enough behind it."""
        now_ns, status = self._clock.now_ns(), self.status
        for held in batch:
            held.reading.hand_on(held.end_ns, now_ns)
            self._searched_ns = max(held.end_ns, self._searched_ns)
            if isinstance(held.block, StrainBlock):
                detector = held.block.detector
                status.latencies_s.append((now_ns - held.end_ns) / NS_PER_S)
                status.blocks[detector] = status.blocks.get(detector, 0) + 1
                status.newest_ns[detector] = max(held.end_ns, status.newest_ns.get(detector, 0))
        # Not up to what was released: of a backlog that is much more than what was searched. And the aligner holds a
        # block for as long as the longest of them may still be under way.
        for message in self._offsets.done(self._searched_ns - self._merge.longest_ns, now_ns):
            self._consumer.store(message)

    def _skip(self) -> None:
        self._consumer.seek_to_end()
        self.status.skips += 1
        self.status.skipped_s += self._slowness.behind_s
        log.warning(
            "skipped_to_now", lag_s=round(self._slowness.behind_s, 3),
            remedy="the search was too slow: give it cores, longer blocks, or raise daemon.catch_up_s",
        )  # fmt: skip
        self.status.lag_s = 0.0
        self._stamps.clear()
        self.status.lag_by_topic.clear()
        self._merge.clear()
        self._offsets.clear()
        self._slowness.reset()
