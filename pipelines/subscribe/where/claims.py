"""What is true, false or unknown in a rule: claims, their contraries, and several of them.

The logic is Kleene's: false and unknown is false, true or unknown is true, not unknown is unknown. (Kleene,
Introduction to Metamathematics (1952), section 64.) What is cheap is looked at first, and what no longer matters not at
all.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipelines.subscribe.where.terms import Fact, Term
from pipelines.subscribe.where.values import Known, Unknown, Value, folded

COMPARISONS: dict[str, Callable[..., bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What can be true, false or unknown, and is told of as one part of the rule.

    Attributes
    ----------
    sign : str
        A comparison, ``between``, ``in``, ``has`` or ``is``.
    terms : tuple of Term
        For ``in`` and ``has`` first the one, then the several.
    """

    start: int
    end: int
    sign: str
    terms: tuple[Term, ...]

    @property
    def cost(self) -> int:
        """What the dearest of its names costs."""
        return max((fact.cost for fact in self.facts()), default=0)

    def facts(self) -> Iterator[Fact]:
        """Yield the names in it."""
        for term in self.terms:
            yield from term.facts()

    def truth(self, known: Known, seen: Seen) -> bool | None:
        """Return whether it is true, None where that is not known, and note it in ``seen``."""
        values = [term.value(known) for term in self.terms]
        found = None if any(isinstance(v, Unknown) for v in values) else self._of(values)
        seen.append((self, found))
        return found

    def _of(self, values: list[Value | Unknown]) -> bool:
        first, *others = values
        if self.sign == "is":
            return bool(first)
        if self.sign == "between":
            return bool(others[0] <= first <= others[1])  # type: ignore[operator]
        if self.sign == "in":
            return folded(str(first)) in {folded(str(other)) for other in others}
        if self.sign == "has":
            held = {folded(one) for one in first} if isinstance(first, tuple) else set()
            return all(folded(str(other)) in held for other in others)
        if isinstance(first, str):
            return COMPARISONS[self.sign](folded(first), folded(str(others[0])))
        return COMPARISONS[self.sign](first, others[0])


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of one claim, told of as one part; :func:`negated` has brought it down to where claims are."""

    start: int
    end: int
    of: Claim

    @property
    def cost(self) -> int:
        """What it costs to know."""
        return self.of.cost

    def facts(self) -> Iterator[Fact]:
        """Yield the names in it."""
        yield from self.of.facts()

    def truth(self, known: Known, seen: Seen) -> bool | None:
        """Return the contrary; of what is unknown, unknown."""
        found = self.of.truth(known, [])
        found = None if found is None else not found
        seen.append((self, found))
        return found


@dataclass(frozen=True, slots=True)
class Several:
    """All of several, or any of them; the cheapest are looked at first.

    Attributes
    ----------
    settles : bool
        The answer of one that settles the whole: False of ``and``, True of ``or``.
    """

    start: int
    end: int
    settles: bool
    of: tuple[Truth, ...]
    ordered: tuple[Truth, ...] = ()

    def __post_init__(self) -> None:
        """Put the cheapest first."""
        object.__setattr__(self, "ordered", tuple(sorted(self.of, key=lambda one: one.cost)))

    @property
    def cost(self) -> int:
        """What the dearest costs."""
        return max(one.cost for one in self.of)

    def facts(self) -> Iterator[Fact]:
        """Yield the names in them."""
        for one in self.of:
            yield from one.facts()

    def truth(self, known: Known, seen: Seen) -> bool | None:
        """Return what settles it, else unknown if any is, else the contrary."""
        unknown = False
        for one in self.ordered:
            found = one.truth(known, seen)
            if found is self.settles:
                return found
            unknown = unknown or found is None
        return None if unknown else not self.settles


Truth = Claim | Not | Several
Seen = list[tuple[Claim | Not, bool | None]]
"""What was looked at, and what became of it."""


def negated(truth: Truth) -> Truth:
    """Return the contrary, as each part would be told of: not all of them is any of them not (De Morgan)."""
    if isinstance(truth, Not):
        return truth.of
    if isinstance(truth, Claim):
        return Not(truth.start, truth.end, truth)
    return Several(truth.start, truth.end, not truth.settles, tuple(negated(one) for one in truth.of))
