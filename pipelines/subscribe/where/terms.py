"""What has a value in a rule: numbers, texts and names, and what is added and multiplied of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipelines.subscribe.where.names import Kind
from pipelines.subscribe.where.units import NONE, Dimension
from pipelines.subscribe.where.values import Arguments, Known, Unknown, Value

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
