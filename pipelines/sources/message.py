"""A message of a source, and what every source can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stream.kafka.consumer import Message


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """A message as it came.

    Attributes
    ----------
    payload : bytes
        A stranger's.
    source : str
        ``gcn``, ``scimma``, ``local`` or ``files``.
    topic : str
        Kafka's topic; empty for a file.
    place : str
        For people: ``topic[partition]@offset``, or the file's path.
    received_ns : int
        GPS, when it was read.
    headers : tuple of (str, bytes)
    origin : Message or None
        What Kafka's client gave, of a message from Kafka.
    """

    payload: bytes
    source: str
    topic: str
    place: str
    received_ns: int
    headers: tuple[tuple[str, bytes], ...] = ()
    origin: Message | None = field(default=None, repr=False)


class Source(Protocol):
    """What hands out messages."""

    @property
    def name(self) -> str:
        """What it is called in logs and metrics."""
        ...

    @property
    def ended(self) -> bool:
        """Whether there will be no more."""
        ...

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        """Return what is there, waiting at most so long for the first."""
        ...

    def hold(self) -> None:
        """Be asked to hand out nothing just now, at least every few seconds: a membership stays alive by it."""
        ...

    def done(self, messages: Sequence[SourceMessage]) -> None:
        """Move the place on behind these, which :meth:`poll` returned."""
        ...

    def close(self) -> None:
        """Leave."""
        ...
