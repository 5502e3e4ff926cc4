"""Rules and what each leads to: an alert goes in, what each rule says of it comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from pipelines.subscribe.identity import Identity
from pipelines.subscribe.received import ReceivedAlert
from stream.text import clean

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule says of an alert.

    Attributes
    ----------
    matched : bool
    reasons : tuple of str
        What matched, and what not.
    unknown : tuple of str
        What the rule asks for and the alert does not tell.
    parts : tuple of mapping
        Each part of the rule with its values, as JSON can hold it.
    """

    matched: bool
    reasons: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    parts: tuple[Mapping[str, Any], ...] = ()


Judge = Callable[[ReceivedAlert], Judged]


def everything(alert: ReceivedAlert) -> Judged:
    """Let every alert pass."""
    return Judged(True)


@dataclass(frozen=True, slots=True)
class Route:
    """A rule by its name, the actions for what matches it, and how it is written; every alert where it is not."""

    name: str = "all"
    judge: Judge = everything
    actions: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What one rule of a subscription says of an alert, and whether it is delivered for it.

    ``followed`` says that it is because an earlier alert of the event was.
    """

    rule: str
    judged: Judged
    followed: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the alert is delivered for this rule."""
        return self.judged.matched or self.followed


def verdict_of(route: Route, alert: ReceivedAlert, identity: Identity, told: bool) -> RuleVerdict:
    """Return what a rule says; whoever was told of an event hears all that follows of it.

    A retraction tells nothing that a rule could ask for: it is not asked where it follows.
    """
    if identity.is_retraction and told and route.judge is not everything:
        return RuleVerdict(route.name, Judged(False, ("withdraws the event",)), followed=True)
    try:
        judged = route.judge(alert)
    except Exception as error:  # a supervisor: as of a message
        log.error("rule_not_judged", rule=route.name, place=alert.place, error=clean(repr(error)))
        judged = Judged(False, ("the rule met a fault of ours",))
    return RuleVerdict(route.name, judged, followed=told and not judged.matched)
