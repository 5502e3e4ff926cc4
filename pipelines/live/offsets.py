"""Which offsets may be stored: those of blocks that a restart need not hear again.

A partition's offset says that everything before it is done with. So messages are kept in the order in which they were
read, and an offset is stored when that message and all before it in its partition are done: searched and
``REPLAYED_NS`` behind what was searched last, or refused. A block whose time lies ahead of the others' must not hold
its partition back: ``_LONGEST_NS`` after it was handed on it is done with, whatever its time says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from stream.kafka.consumer import Message
from stream.timebase import NS_PER_S

REPLAYED_NS = 4 * NS_PER_S
"""How much data is heard again after a restart: whitening and network context, with room to spare."""

_LONGEST_NS = 30 * NS_PER_S


@dataclass(slots=True)
class Reading:
    """A message that was read, and how many of its blocks the search has not had yet."""

    message: Message
    open_blocks: int
    end_ns: int = 0
    handed_on_ns: int = 0

    def hand_on(self, end_ns: int, now_ns: int) -> None:
        """Note that one of its blocks, which ends at ``end_ns``, went to the search."""
        self.open_blocks -= 1
        self.end_ns = max(self.end_ns, end_ns)
        self.handed_on_ns = now_ns


class Offsets:
    """Messages by partition, in the order in which they were read."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, int], deque[Reading]] = {}

    def read(self, message: Message, blocks: int) -> Reading:
        """Take up a message that holds ``blocks`` blocks; with none, because it was refused, it is done with."""
        reading = Reading(message, blocks)
        self._read.setdefault((message.topic, message.partition), deque()).append(reading)
        return reading

    def done(self, searched_ns: int, now_ns: int) -> Iterator[Message]:
        """Yield the last message of each partition that is done with, and forget it and all before it."""
        for readings in self._read.values():
            last = None
            while readings and self._is_done(readings[0], searched_ns, now_ns):
                last = readings.popleft().message
            if last is not None:
                yield last

    @staticmethod
    def _is_done(reading: Reading, searched_ns: int, now_ns: int) -> bool:
        if reading.open_blocks:
            return False
        return reading.end_ns <= searched_ns - REPLAYED_NS or now_ns - reading.handed_on_ns >= _LONGEST_NS

    def clear(self) -> None:
        """Forget everything: what was read is given up."""
        self._read.clear()

    def __len__(self) -> int:
        """Messages that are kept."""
        return sum(len(readings) for readings in self._read.values())
