"""The follow-up of one candidate: what a follower is made of, how it is asked, what comes of it whatever happens.

A follower turns a Snapshot into a Localized. Live it runs in a process of its own (``live/followup.py``), in a replay
in line (``offline/``); here is what both have in common.
"""

from __future__ import annotations

import importlib
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from stream.errors import TocsinError
from stream.records import Localized, Snapshot
from stream.settings import Settings
from stream.superevent import not_found

if TYPE_CHECKING:  # the process of the follow-up needs no ONNX Runtime
    from stream.infer import ModelCard

FOLLOW_UP = "stream.localize.followup:FollowUp"
"""Makes the follower, from the settings and the card of the network."""
REFINEMENT = "stream.localize.refine:refinement"
"""Makes the one that makes BAYESTAR's map of what was mapped before."""
LENGTH = struct.Struct("<Q")
START_S = 120.0
"""Longest time until a follower is made: it compiles what it runs, once for each version of its source."""

Kind = Literal["ready", "unable", "found", "failed"]


class Follower(Protocol):
    """Who finds where a candidate came from, and what it is."""

    def follow(self, snapshot: Snapshot, /) -> Localized:
        """Return what it found."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What a follower is made of.

    Attributes
    ----------
    maker : str
        ``module:name`` of what makes it.
    arguments : tuple
        What that is called with.
    timeout_s : float
        Longest time of one answer.
    nice : int
        By how much its process yields to others.
    """

    maker: str
    arguments: tuple[Any, ...]
    timeout_s: float
    nice: int = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """``ready`` once and then ``found`` or ``failed``; or ``unable``: one of this making can never be ready."""

    kind: Kind
    found: Localized | None = None
    why: str = ""


def packed(record: object) -> bytes:
    """Return a record as it travels."""
    body = pickle.dumps(record, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


def make(order: Order) -> tuple[Follower | None, Answer]:
    """Return a follower, or why there can be none."""
    module, _, name = order.maker.partition(":")
    try:
        return getattr(importlib.import_module(module), name)(*order.arguments), Answer("ready")
    except (TocsinError, ImportError) as error:
        return None, Answer("unable", why=str(error))


def ask(follower: Follower, snapshot: Snapshot) -> Answer:
    """Return what a follower found, or why it failed."""
    try:
        return Answer("found", follower.follow(snapshot))
    except Exception as error:  # a supervisor: one candidate's failure is not the next one's
        return Answer("failed", why=str(error) if isinstance(error, TocsinError) else repr(error))


def in_line(settings: Settings, card: ModelCard, maker: str = FOLLOW_UP) -> Callable[[Snapshot], Localized]:
    """Return what follows a candidate up here and now; its follower is made for the first one."""
    made: list[tuple[Follower | None, Answer]] = []

    def follow(snapshot: Snapshot) -> Localized:
        if not made:
            made.append(make(Order(maker, (settings, card), settings.localize.timeout_s)))
        follower, answer = made[0]
        if follower is not None:
            answer = ask(follower, snapshot)
        return answer.found or not_found(snapshot.candidate, f"not made: {answer.why}")

    return follow
