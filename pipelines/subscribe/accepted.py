"""What is to be written of a message that was considered: its place, which alert it is, who is told, what is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.subscribe.identity import Identity
from pipelines.subscribe.received import ReceivedAlert

Partition = tuple[str, str, int]
"""A source's name, a topic, a partition."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """Something to be done about an alert: by which action; ``key`` is the same however often it is tried.

    ``lasts`` says that it is done though the event is withdrawn meanwhile, as where alerts are kept.
    """

    action: str
    key: str
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """All that is written of one message.

    Attributes
    ----------
    place : tuple of Partition and int, or None
        Where its source is to be read on from.
    identity : Identity or None
        None of a message that is no alert, or one that was known.
    rules : tuple of str
        Who is told.
    jobs : tuple of NewJob
    raw : bytes
        The message, where jobs need it.
    told : mapping
        What else they need, as JSON can hold it.
    alert : ReceivedAlert or None
        The message as it was read.
    """

    place: tuple[Partition, int] | None
    identity: Identity | None = None
    rules: tuple[str, ...] = ()
    jobs: tuple[NewJob, ...] = ()
    raw: bytes = b""
    told: Mapping[str, Any] = field(default_factory=dict)
    alert: ReceivedAlert | None = None
