"""Rules ready to be asked of alerts: of options, of a preset, of a file; put together as one text each.

``Options ─rules_of→ RuleSettings ─ready→ Wanted``; ``Wanted, alert ─judge→ Verdict``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.subscribe.facts import Facts, facts_of
from pipelines.subscribe.received import ReceivedAlert
from pipelines.subscribe.where import IfUnknown, Rule, Verdict, parse
from pipelines.subscribe.where.claims import Several
from pipelines.subscribe.where.presets import Preset, RuleSettings, checked, load_preset
from stream.errors import ConfigurationError, RuleError


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What is asked for on the command line, or in Python; what is None or empty asks for nothing.

    Attributes
    ----------
    where : str
        A rule; beside a preset, both must hold.
    preset : str
        The name of a preset, or the path of a file of rules.
    unknown : {"reject", "accept"} or None
        None: as the preset says, otherwise reject.
    site : str
        Instead of the preset's.
    visible : float or None
        Least part of the probability that the site sees.
    combined : bool
        Take the sky map combined with another messenger's, where there is one.
    joint : bool
        Another messenger coincides.
    joint_far : str
        Its joint false-alarm rate is at most this.
    messengers : sequence of str
        It is one of these.
    """

    where: str = ""
    preset: str = ""
    unknown: IfUnknown | None = None
    site: str = ""
    visible: float | None = None
    combined: bool = False
    joint: bool = False
    joint_far: str = ""
    messengers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule by its name, and what it leads to.

    Attributes
    ----------
    name : str
    rule : Rule or None
        None: every alert.
    unknown : {"reject", "accept"}
    combined : bool
    actions : tuple of str
        Names of what is done; empty: all that there is.
    """

    name: str
    rule: Rule | None
    unknown: IfUnknown = "reject"
    combined: bool = False
    actions: tuple[str, ...] = ()


class Judges:
    """Rules that are asked of alert after alert; what one has read of an alert, the next need not read again.

    Parameters
    ----------
    wanted : sequence of Wanted
    """

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.wanted = tuple(wanted)
        self._alert: ReceivedAlert | None = None
        self._facts: dict[bool, Facts] = {}

    def judge(self, wanted: Wanted, alert: ReceivedAlert, now_unix_ns: int) -> Verdict:
        """Return what one of the rules says of an alert."""
        if wanted.rule is None:
            return Verdict(True, True, ())
        if alert is not self._alert:
            self._alert, self._facts = alert, {}
        if wanted.combined not in self._facts:
            self._facts[wanted.combined] = facts_of(alert, now_unix_ns, wanted.combined)
        return wanted.rule.judge(self._facts[wanted.combined], wanted.unknown)


def rules_of(options: RuleOptions) -> tuple[Wanted, ...]:
    """Return the rules that options ask for: one of every alert, where they ask for nothing.

    Raises
    ------
    ConfigurationError
        If a rule cannot be understood, a preset is not there, or a site is missing or not known.
    """
    preset = load_preset(options.preset) if options.preset else Preset.model_validate({"name": "rule"})
    site = options.site or next((one.site for one in preset.rule if one.site), None)
    conditions = _conditions(options)
    for one in conditions:
        parse(one, site)  # by itself, so that an error shows what was written
    return tuple(_of_preset(one, options, conditions) for one in preset.rule)


def _conditions(options: RuleOptions) -> list[str]:
    """Return what options ask for besides, each as a rule."""
    asked = [options.where.strip(), "joint" if options.joint else ""]
    asked.append(f"joint_far <= {options.joint_far}" if options.joint_far else "")
    asked.append(f"messenger in ({', '.join(options.messengers)})" if options.messengers else "")
    return [one for one in asked if one]


def _of_preset(rule: RuleSettings, options: RuleOptions, conditions: Sequence[str]) -> Wanted:
    """Return a rule of a preset; what is wrong with it is told with its name."""
    try:
        return ready(_with(rule, options, conditions))
    except RuleError as error:
        if not options.preset:
            raise
        raise RuleError(f"{options.preset}, rule {rule.name}: {error}") from None


def ready(settings: RuleSettings) -> Wanted:
    """Return a rule of its settings.

    Raises
    ------
    ConfigurationError
        If it cannot be understood.
    """
    text = _text(settings)
    rule = parse(text, settings.site) if text else None
    return Wanted(settings.name, rule, settings.unknown, settings.combined, settings.actions)


def _with(rule: RuleSettings, options: RuleOptions, conditions: Sequence[str]) -> RuleSettings:
    """Return a rule with what options ask for besides, or instead."""
    site = options.site or rule.site
    given = {"unknown": options.unknown, "site": site, "visible": options.visible}
    return checked(
        rule.model_dump()
        | {"where": _all_of(site, rule.where, *conditions), "combined": rule.combined or options.combined}
        | {key: value for key, value in given.items() if value is not None}
    )


def _all_of(site: str | None, *conditions: str) -> str:
    """Return conditions, of which some may be empty, as one; each is parsed as written, and an error shows it so."""
    rules = [parse(one.strip(), site) for one in conditions if one.strip()]
    if len(rules) == 1:
        return rules[0].text
    either = [isinstance(one.root, Several) and one.root.settles for one in rules]
    return " and ".join(f"({one.text})" if wrap else one.text for one, wrap in zip(rules, either, strict=True))


def _text(rule: RuleSettings) -> str:
    """Return all that a rule asks for as one."""
    types = f"type in ({', '.join(rule.types)})" if rule.types else ""
    if rule.visible is None:
        return _all_of(rule.site, types, rule.where)
    if rule.site is None:
        raise ConfigurationError(f"{rule.name} asks what is visible, and not from where: give --site")
    how = f'"{rule.site}", {rule.within_h:g} h, {rule.airmass:g}, {rule.sun_deg:g} deg'
    return _all_of(rule.site, types, rule.where, f"visible({how}) >= {rule.visible:g}")
