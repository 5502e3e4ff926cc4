"""Blocks of several topics, in the order of their data, held only while what belongs with them may still come.

Topics arrive each at its own pace: after an outage one detector's minutes may be read before another's first block, and
a search that saw the one alone would call the other late. So a block goes on when every awaited topic has reached its
end, or when it is known that such a topic has nothing to send:

* Live, a topic whose leader answered no longer than ``_GRACE_NS`` before the block came is silent by its own choice:
  nobody waits (how long data may be late is the aligner's rule, in data time). A leader that does not answer is a
  broker that is away or hangs, and the block waits for its failover; one that has just moved has ``_SETTLED_NS`` to
  show something new.
* In a backlog (the block is ``BACKLOG_NS`` old when it is read), and where the leader has only just begun to answer
  again, producers and brokers get ``PATIENCE_NS`` to bring what they hold; while an outage is recent, when leaders are
  elected and producers connect anew, ``OUTAGE_PATIENCE_NS``.
* Nobody waits longer than ``wait_ns`` in all, nor beyond ``_MAX_BYTES`` of held messages, nor for a topic that is more
  than ``absent_ns`` of data behind what went on.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from pipelines.live.offsets import Reading
from stream.kafka.standing import Standing
from stream.records import Block
from stream.timebase import NS_PER_S

log = structlog.get_logger()

BACKLOG_NS = NS_PER_S // 2
PATIENCE_NS = 3 * NS_PER_S
OUTAGE_PATIENCE_NS = 8 * NS_PER_S
_OUTAGE_S = 30.0
_SETTLED_NS = 2 * NS_PER_S
"""A leader that has just taken over answers before anything new stands on it: half a second to a second, measured."""

_AWAY_S = 1.0
_GRACE_NS = NS_PER_S // 5
_WITNESS_GRACE_NS = NS_PER_S
"""Witnesses are worth less than time: nobody waits for those that are a little late."""

_MAX_BYTES = 256 * 1024 * 1024
_NEVER = Standing()


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """A block that waits: ordered by the end of its data, then by when it came.

    ``came_ns`` is when it was read, ``lagged`` whether it was old by then, both by the daemon's clock.
    """

    end_ns: int
    order: int
    block: Block = field(compare=False)
    reading: Reading = field(compare=False)
    came_ns: int = field(compare=False)
    lagged: bool = field(compare=False)


@dataclass(slots=True)
class _Stream:
    """What is known of one topic: the end of its newest block, and the length of its longest."""

    grace_ns: int
    reached_ns: int | None = None
    longest_ns: int = 0


class Merger:
    """Merge the blocks of several topics by data time.

    Parameters
    ----------
    strain, witnesses : sequence of str
        Topics that are read.
    absent_ns : int
        A topic this far behind in data time is no longer awaited.
    wait_ns : int
        Longest time that a block is held.
    """

    def __init__(self, strain: Sequence[str], witnesses: Sequence[str], absent_ns: int, wait_ns: int) -> None:
        self._streams = {topic: _Stream(_GRACE_NS) for topic in strain}
        self._streams |= {topic: _Stream(_WITNESS_GRACE_NS) for topic in witnesses}
        self._absent_ns = absent_ns
        self._wait_ns = wait_ns
        self._heap: list[Held] = []
        self._bytes = 0
        self._order = 0
        self._first_ns: int | None = None
        self._told: tuple[str, ...] = ()
        self.released_ns = 0
        self.waiting_for: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Blocks that are held."""
        return len(self._heap)

    @property
    def longest_ns(self) -> int:
        """Length of the longest block that was read."""
        return max((stream.longest_ns for stream in self._streams.values()), default=0)

    def add(self, block: Block, reading: Reading, came_ns: int, lagged: bool) -> None:
        """Take a block that was read at ``came_ns``."""
        stream = self._streams[reading.message.topic]
        stream.reached_ns = max(block.end_ns, stream.reached_ns or 0)
        stream.longest_ns = max(block.end_ns - block.gps_ns, stream.longest_ns)
        self._order += 1
        heapq.heappush(self._heap, Held(block.end_ns, self._order, block, reading, came_ns, lagged))
        self._bytes += _size(reading)

    def release(self, now_ns: int, standing: Mapping[str, Standing]) -> list[Held]:
        """Return the blocks that may go now, in order of data time.

        Parameters
        ----------
        now_ns : int
            The daemon's clock, GPS.
        standing : mapping of str to Standing
            How each topic stands now; a topic that is not in it was never answered.
        """
        released: list[Held] = []
        patience_ns = OUTAGE_PATIENCE_NS if self._outage_is_recent(standing) else PATIENCE_NS
        while self._heap:
            missing = self._missing(self._heap[0], now_ns, standing, patience_ns)
            if missing and not self._must_go(self._heap[0], now_ns, missing):
                self.waiting_for = missing
                return released
            self._told = self._told if missing else ()
            held = heapq.heappop(self._heap)
            self._bytes -= _size(held.reading)
            if self._first_ns is None:
                self._first_ns = held.block.gps_ns
            self.released_ns = max(self.released_ns, held.end_ns)
            released.append(held)
        self.waiting_for = ()
        return released

    def _outage_is_recent(self, standing: Mapping[str, Standing]) -> bool:
        """Whether the leader of a topic that was read is away, or has been until lately."""
        return any(
            s.answered_ago_s > _AWAY_S or (s.returned and s.answered_ago_s + s.attended_for_s < _OUTAGE_S)
            for topic in self._streams
            if (s := standing.get(topic)) is not None
        )

    def _missing(self, held: Held, now_ns: int, standing: Mapping[str, Standing], patience_ns: int) -> tuple[str, ...]:
        """Topics that have not reached a block's end, and may still."""
        return tuple(
            topic
            for topic, stream in self._streams.items()
            if (stream.reached_ns or 0) < held.end_ns
            and self._is_awaited(stream)
            and not _has_nothing(held, stream, standing.get(topic, _NEVER), now_ns, patience_ns)
        )

    def _is_awaited(self, stream: _Stream) -> bool:
        """A topic that the others have left behind has to catch up by itself."""
        if self._first_ns is None:
            return True
        since_ns = self._first_ns if stream.reached_ns is None else stream.reached_ns
        return self.released_ns - since_ns <= self._absent_ns + stream.longest_ns

    def _must_go(self, held: Held, now_ns: int, missing: tuple[str, ...]) -> bool:
        if now_ns - held.came_ns < self._wait_ns and self._bytes <= _MAX_BYTES:
            return False
        if missing != self._told:  # once for each outage, not for each block
            self._told = missing
            log.warning(
                "topics_not_awaited_longer", topics=missing, held_s=(now_ns - held.came_ns) / NS_PER_S,
                held_bytes=self._bytes, remedy="see to the brokers that lead them; their detectors are masked",
            )  # fmt: skip
        return True

    def clear(self) -> None:
        """Drop all that is held."""
        self._heap.clear()
        self._bytes = 0
        self.waiting_for = ()


def _has_nothing(held: Held, stream: _Stream, standing: Standing, now_ns: int, patience_ns: int) -> bool:
    """Whether a topic's leader has shown that there is nothing to wait for."""
    answered_ns = now_ns - _ns(standing.answered_ago_s, now_ns)
    since_ns = answered_ns - _ns(standing.attended_for_s, now_ns)
    settled_ns = max(stream.grace_ns, _SETTLED_NS if standing.returned else 0)
    if held.lagged or since_ns > held.came_ns - settled_ns:
        return standing.at_end and answered_ns - max(held.came_ns, since_ns) >= patience_ns
    return answered_ns >= held.came_ns - stream.grace_ns


def _ns(seconds: float, most_ns: int) -> int:
    """Return nanoseconds, ``most_ns`` for what is longer or infinite."""
    return most_ns if seconds * NS_PER_S >= most_ns else round(seconds * NS_PER_S)


def _size(reading: Reading) -> int:
    return len(reading.message.value or b"")


def batches(released: Sequence[Held], longest_ns: int = NS_PER_S) -> list[list[Held]]:
    """Cut released blocks into stretches of at most ``longest_ns`` of data, which the search takes at once."""
    cut: list[list[Held]] = []
    for held in released:
        if cut and held.end_ns - cut[-1][0].end_ns < longest_ns:
            cut[-1].append(held)
        else:
            cut.append([held])
    return cut
