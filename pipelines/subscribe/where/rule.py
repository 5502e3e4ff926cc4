"""A rule that was understood, and what it says of an alert: whether it matches, by which parts, and what is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.subscribe.where.claims import Claim, Not, Seen, Truth
from pipelines.subscribe.where.terms import Fact
from pipelines.subscribe.where.values import Known, Unknown, value_text

IfUnknown = Literal["reject", "accept"]
_OUTCOMES = {True: "yes", False: "no", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Part:
    """One claim of a rule, and what became of it.

    Attributes
    ----------
    text : str
        As the rule states it.
    outcome : bool or None
        None where it is not known.
    shown : str
        The same with the values that the alert has: ``area90 (412 deg2) > 500``.
    values : mapping of str to str
        What each name is in this alert, as people read it; only those that are known.
    unknown : mapping of str to str
        Why each of the others is not known.
    """

    text: str
    outcome: bool | None
    shown: str
    values: Mapping[str, str]
    unknown: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of an alert.

    Attributes
    ----------
    matched : bool
    outcome : bool or None
        As the logic has it, before it is decided what unknown means; None where it is not known.
    parts : tuple of Part
        What was looked at, in the order of the rule; what no longer mattered was not.
    """

    matched: bool
    outcome: bool | None
    parts: tuple[Part, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What matched and what did not, each with its values: ``no: area90 (412 deg2) > 500``."""
        return tuple(
            f"{_OUTCOMES[part.outcome]}: {part.shown}" + "".join(f" ({why})" for why in _reasons((part,)))
            for part in self.parts
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names that are not known, of those that were looked at."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.unknown))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it; names are stable."""
        return {
            "matched": self.matched,
            "outcome": self.outcome,
            "parts": [
                {"text": p.text, "outcome": p.outcome, "values": dict(p.values), "unknown": dict(p.unknown)}
                for p in self.parts
            ],
        }


def _reasons(parts: tuple[Part, ...]) -> list[str]:
    """Return why names are not known, each reason once: ``far, p(BNS): the alert withdraws the event``."""
    names: dict[str, list[str]] = {}
    for name, reason in {name: why for part in parts for name, why in part.unknown.items()}.items():
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(several)}: {reason}" for reason, several in names.items()]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which alerts are wanted; made by :func:`pipelines.subscribe.where.parse`.

    Attributes
    ----------
    text : str
    root : Claim, Not or Several
    """

    text: str
    root: Truth

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The names that it asks for."""
        return tuple(self.root.facts())

    def judge(self, known: Known, unknown: IfUnknown = "reject") -> Verdict:
        """Return what it says of an alert.

        Parameters
        ----------
        known : Known
            The alert's values: :func:`pipelines.subscribe.facts.facts_of`.
        unknown : {"reject", "accept"}
            What becomes of an alert for which the rule is neither true nor false.
        """
        seen: Seen = []
        outcome = self.root.truth(known, seen)
        seen.sort(key=lambda one: one[0].start)
        parts = tuple(self._part(claim, found, known) for claim, found in seen)
        return Verdict(unknown == "accept" if outcome is None else outcome, outcome, parts)

    def _part(self, claim: Claim | Not, outcome: bool | None, known: Known) -> Part:
        values, unknown = {}, {}
        contrary = "not " if isinstance(claim, Not) else ""
        pieces, at = [contrary], claim.start
        for fact in claim.facts():
            value = fact.value(known)
            told = value_text(value, fact.kind, fact.dimension)
            pieces += [self.text[at : fact.end], f" ({told})"]
            at = fact.end
            if isinstance(value, Unknown):
                unknown[fact.shown] = value.reason
            else:
                values[fact.shown] = told
        shown = "".join([*pieces, self.text[at : claim.end]])
        text = contrary + self.text[claim.start : claim.end]
        return Part(" ".join(text.split()), outcome, " ".join(shown.split()), values, unknown)
