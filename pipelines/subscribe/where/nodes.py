"""A rule as a tree: numbers and texts below, then what is true, false or unknown.

The logic is Kleene's: false and unknown is false, true or unknown is true, not unknown is unknown. (Kleene,
Introduction to Metamathematics (1952), section 64.) What is cheap is looked at first, and what no longer matters not at
all.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipelines.subscribe.where.names import Kind
from pipelines.subscribe.where.units import NONE, Dimension
from pipelines.subscribe.where.values import Arguments, Known, Unknown, Value, folded

_LONGEST_S = 1e10


@dataclass(frozen=True, slots=True)
class Term:
    """What has a value; ``start`` and ``end`` say where it stands in the rule.

    Attributes
    ----------
    kind : Kind
    dimension : Dimension
        Of a number.
    bare : bool
        Whether it is a number without a name and a unit, which takes the unit of what it is compared with.
    """

    start: int
    end: int
    kind: Kind
    dimension: Dimension = NONE
    bare: bool = False

    def value(self, known: Known) -> Value | Unknown:
        """Return its value for an alert."""
        raise NotImplementedError

    def facts(self) -> Iterator[Fact]:
        """Yield the names in it, from left to right."""
        yield from ()


@dataclass(frozen=True, slots=True)
class Literal(Term):
    """A number, a time or a text that the rule states."""

    stated: Value = 0.0

    def value(self, known: Known) -> Value | Unknown:
        """Return it."""
        return self.stated


@dataclass(frozen=True, slots=True)
class Fact(Term):
    """A name, whose value the alert decides.

    Attributes
    ----------
    name : str
    arguments : tuple of float or str
    cost : int
    """

    name: str = ""
    arguments: Arguments = ()
    cost: int = 0

    @property
    def shown(self) -> str:
        """The name with its arguments, as in ``p(BNS)``."""
        inner = ", ".join(a if isinstance(a, str) else f"{a:g}" for a in self.arguments)
        return f"{self.name}({inner})" if inner else self.name

    def value(self, known: Known) -> Value | Unknown:
        """Return what the alert says."""
        return known.get(self.name, self.arguments)

    def facts(self) -> Iterator[Fact]:
        """Yield itself."""
        yield self


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Arithmetic(Term):
    """Two numbers, or a time and a number of seconds, put together."""

    sign: str = "+"
    left: Term = field(default_factory=lambda: Literal(0, 0, Kind.NUMBER))
    right: Term = field(default_factory=lambda: Literal(0, 0, Kind.NUMBER))

    def value(self, known: Known) -> Value | Unknown:
        """Return the result; that of a division by zero, or beyond what a number holds, is not known."""
        left, right = self.left.value(known), self.right.value(known)
        if isinstance(left, Unknown):
            return left
        if isinstance(right, Unknown):
            return right
        if Kind.TIME in (self.left.kind, self.right.kind):
            return self._of_times(left, right)
        try:
            result = float(ARITHMETIC[self.sign](left, right))  # type: ignore[arg-type]
        except (ZeroDivisionError, OverflowError):
            return Unknown("division by zero")
        return result if math.isfinite(result) else Unknown("beyond what a number holds")

    def _of_times(self, left: Value, right: Value) -> Value | Unknown:
        """Return a number of seconds between two times, or a time so many seconds before or after another."""
        if self.left.kind is self.right.kind:
            return (int(left) - int(right)) / 1e9  # type: ignore[arg-type]
        time, seconds = (left, right) if self.left.kind is Kind.TIME else (right, left)
        if abs(float(seconds)) > _LONGEST_S:  # type: ignore[arg-type]
            return Unknown("a time out of reach")
        shift_ns = round(float(seconds) * 1e9)  # type: ignore[arg-type]
        return int(time) + (shift_ns if self.sign == "+" else -shift_ns)  # type: ignore[arg-type]

    def facts(self) -> Iterator[Fact]:
        """Yield the names in it."""
        yield from self.left.facts()
        yield from self.right.facts()


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
