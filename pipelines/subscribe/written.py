"""Rules and actions as they are written: by the command's options, or in a file of rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr, ValidationError

from pipelines.subscribe.actions import ActionSettings, make_action
from pipelines.subscribe.actions.worker import Doing
from pipelines.subscribe.judging import Judges, RuleOptions, Wanted, rules_of
from pipelines.subscribe.received import ReceivedAlert
from pipelines.subscribe.routes import Judge, Judged, Route, everything
from pipelines.subscribe.where.presets import load_preset, problems
from stream.errors import ConfigurationError
from stream.masking import mask_paths


@dataclass(frozen=True, slots=True)
class Options:
    """Rules and actions, as options name them; a preset may bring more of both."""

    rules: RuleOptions = field(default_factory=RuleOptions)
    out: Path | None = None
    command: tuple[str, ...] | None = None
    webhook: str | None = None
    slack: str | None = None

    def written(self) -> str:
        """Return what tells one subscription from another, none of it secret where it is shown as a hash."""
        return repr(self)


def _of_options(options: Options) -> dict[str, ActionSettings]:
    """Return the actions by the names of their kinds."""
    asked = {
        "file": options.out and ActionSettings(file=options.out),
        "command": options.command is not None and ActionSettings(command=options.command),
        "webhook": options.webhook is not None and ActionSettings(webhook=SecretStr(options.webhook)),
        "slack": options.slack is not None and ActionSettings(slack=SecretStr(options.slack)),
    }
    return {name: settings for name, settings in asked.items() if settings}


def doings_of(asked: Mapping[str, ActionSettings], environ: Mapping[str, str]) -> dict[str, Doing]:
    """Return actions of their settings; none that is a command finds another's URL or secret in its environment.

    Raises
    ------
    ConfigurationError
        If a URL is none, or not allowed, or stands nowhere.
    """
    hidden = {name for settings in asked.values() for name in settings.variables}
    return {name: Doing(make_action(one, environ, hidden), one.give_up_s) for name, one in asked.items()}


def written(options: Options, environ: Mapping[str, str]) -> tuple[tuple[Route, ...], dict[str, Doing]]:
    """Return the rules, each with the names of its actions, and the actions by name.

    Raises
    ------
    ConfigurationError
        If a rule, a preset or an action cannot be read.
    """
    asked = {**_of_preset(options.rules.preset), **_of_options(options)}
    return routes_of(options), doings_of(asked, environ)


def routes_of(options: Options, now_unix_ns: Callable[[], int] = time.time_ns) -> tuple[Route, ...]:
    """Return the rules, each with the names of its actions.

    What options name is done for every rule; what a file of rules names, for those that name it, or for those that name
    none.

    Parameters
    ----------
    options : Options
    now_unix_ns : callable
        The clock that rules are asked at.

    Raises
    ------
    ConfigurationError
        If a rule or a preset cannot be read.
    """
    wanted, of_options, of_file = rules_of(options.rules), _of_options(options), _of_preset(options.rules.preset)
    for name in of_options:
        if name in of_file:
            raise ConfigurationError(f"the file of rules has an action named {name}: rename it, or leave --{name} out")
    judges = Judges(wanted)
    return tuple(
        Route(
            one.name, _judge_of(judges, one, now_unix_ns), (*(one.actions or of_file), *of_options),
            "" if one.rule is None else one.rule.text,
        )
        for one in wanted
    )  # fmt: skip


def _of_preset(name: str) -> dict[str, ActionSettings]:
    """Return the actions of a file of rules by their names.

    Raises
    ------
    ConfigurationError
        If one is not as an action is written.
    """
    found = {}
    for action, values in (load_preset(name).actions if name else {}).items():
        try:
            found[action] = ActionSettings.model_validate(values)
        except ValidationError as error:  # not chained: it holds the values, which may be secret
            told = "; ".join(problems(error, ActionSettings))
            raise ConfigurationError(f"{name}: {mask_paths(f'actions.{action}')}: {told}") from None
    return found


def _judge_of(judges: Judges, wanted: Wanted, now_unix_ns: Callable[[], int]) -> Judge:
    if wanted.rule is None:
        return everything

    def judge(alert: ReceivedAlert) -> Judged:
        verdict = judges.judge(wanted, alert, now_unix_ns())
        return Judged(verdict.matched, verdict.reasons, verdict.unknown, tuple(verdict.as_dict()["parts"]))

    return judge
