"""Rules and actions as they are written: by the command's options, or in a file of rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from pipelines.subscribe.actions import ActionSettings, make_action
from pipelines.subscribe.actions.worker import Doing
from pipelines.subscribe.received import ReceivedAlert
from pipelines.subscribe.routes import Judge, Judged, Route, everything
from pipelines.subscribe.rules import Rule, parse_rate


@dataclass(frozen=True, slots=True)
class Options:
    """One rule and its actions, as options name them."""

    joint: bool = False
    joint_far: str | None = None
    messengers: tuple[str, ...] = ()
    out: Path | None = None
    command: tuple[str, ...] | None = None
    webhook: str | None = None
    slack: str | None = None

    def written(self) -> str:
        """Return what tells one subscription from another, none of it secret where it is shown as a hash."""
        return repr(self)


def doings_of_options(options: Options, environ: Mapping[str, str]) -> dict[str, Doing]:
    """Return the actions by the names of their kinds.

    Raises
    ------
    ConfigurationError
        If a URL is none, or not allowed.
    """
    asked = {
        "file": options.out and ActionSettings(file=options.out),
        "command": options.command is not None and ActionSettings(command=options.command),
        "webhook": options.webhook and ActionSettings(webhook=SecretStr(options.webhook)),
        "slack": options.slack and ActionSettings(slack=SecretStr(options.slack)),
    }
    return {name: doing_of(settings, environ) for name, settings in asked.items() if settings}


def doing_of(settings: ActionSettings, environ: Mapping[str, str]) -> Doing:
    """Return an action of its settings."""
    return Doing(make_action(settings, environ), settings.give_up_s)


def route_of_options(options: Options, doings: Mapping[str, Doing]) -> Route:
    """Return the one rule of the options, to all their actions.

    Raises
    ------
    ConfigurationError
        If it cannot be read.
    """
    return Route("rule", _judge_of(options), tuple(doings))


def _judge_of(options: Options) -> Judge:
    rate_hz = None if options.joint_far is None else parse_rate(options.joint_far)
    rule = Rule(options.joint, rate_hz, options.messengers)
    if rule == Rule():
        return everything

    def judge(alert: ReceivedAlert) -> Judged:
        return Judged(rule.admits(alert))

    return judge
