"""The part of the parser that reads what has a value: sums, products, numbers with units, names, texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipelines.subscribe.where.checks import Checks, Node
from pipelines.subscribe.where.cursor import Cursor
from pipelines.subscribe.where.errors import nearest
from pipelines.subscribe.where.names import CLASSES, NAMES, PROPERTIES, Argument, Kind, Name
from pipelines.subscribe.where.terms import Fact, Literal, Term
from pipelines.subscribe.where.tokens import Token
from pipelines.subscribe.where.units import KINDS, NONE, UNITS, kind_text, scaled

KEYWORDS = ("and", "or", "not", "in", "between", "has", "per", "true", "false", "yes", "no")
_HINTS = {c.lower(): f"p({c})" for c in CLASSES} | {p.lower(): f"property({p})" for p in PROPERTIES}


class TermParser(Cursor):
    """Reads terms; what stands in parentheses may be any part of a rule, and is read by who inherits.

    Parameters
    ----------
    text : str
    site : str or None
        Where ``visible`` looks from, if it does not say.
    """

    def __init__(self, text: str, site: str | None = None) -> None:
        super().__init__(text)
        self._check, self._site = Checks(text), site

    def _or(self) -> Node:
        raise NotImplementedError

    def _sum(self) -> Node:
        left = self._product()
        while self._is("+", "-"):
            sign = self._take()
            left = self._check.added(self._check.term(left), sign, self._check.term(self._product()))
        return left

    def _product(self) -> Node:
        left = self._unary()
        while self._is("*", "/", "per"):
            sign = self._take()
            unit = self._unit()
            right = unit if unit is not None else self._check.term(self._unary())
            left = self._check.multiplied(self._check.term(left), sign, right)
        return left

    def _unit(self) -> Literal | None:
        """Return a unit that stands by itself, as after ``1/``; None where there is none."""
        token = self._next
        if token.kind != "word" or token.text not in UNITS or token.text in NAMES:
            return None
        self._take()
        value, dimension = UNITS[token.text]
        return Literal(token.start, token.end, Kind.NUMBER, dimension, stated=value)

    def _unary(self) -> Node:
        token = self._next
        if self._is("-"):
            self._take()
            self._deeper()
            operand = self._check.term(self._unary())
            self._depth -= 1
            zero = Literal(token.start, token.end, Kind.NUMBER, bare=True, stated=0.0)
            return self._check.added(zero, token, operand)
        if token.kind == "number":
            return self._number()
        if token.kind == "time":
            self._take()
            return Literal(token.start, token.end, Kind.TIME, stated=int(token.value or 0))
        if token.kind == "string":
            return self._a_text(Name(""))
        if self._is("("):
            return self._parentheses()
        if token.kind == "word" and token.text not in KEYWORDS:
            return self._fact()
        raise self._wrong("something is missing here: a name, a number or (" if token.kind == "end" else
                          f"{self._written(token)} is not expected here: a name, a number or ( is")  # fmt: skip

    def _parentheses(self) -> Node:
        start = self._take().start
        self._deeper()
        inner = self._or()
        self._depth -= 1
        end = self._expect(")", "close the parentheses").end
        return replace(inner, start=start, end=end) if isinstance(inner, Term) else inner

    def _number(self) -> Literal:
        token = self._take()
        value = float(token.value or 0.0)
        unit = self._next
        if unit.kind != "word" or unit.text in KEYWORDS:
            return Literal(token.start, token.end, Kind.NUMBER, NONE, bare=True, stated=value)
        if unit.text not in UNITS:
            raise self._wrong(f"{self._written(unit)} is no unit{nearest(unit.text, UNITS)}")
        self._take()
        scale, dimension = UNITS[unit.text]
        return Literal(token.start, unit.end, Kind.NUMBER, dimension, stated=scaled(value, scale))

    def _fact(self) -> Term:
        token = self._next
        name = NAMES.get(token.text)
        if name is None:
            return self._unknown_word(token)
        self._take()
        arguments = self._arguments(token, name)
        if token.text == "visible" and not arguments:
            arguments = [self._own_site(token)]
        return Fact(
            token.start, self._before, name.kind, name.dimension, name=token.text, cost=name.cost,
            arguments=tuple(a.stated for a in arguments),  # type: ignore[misc]
        )  # fmt: skip

    def _own_site(self, token: Token) -> Literal:
        if self._site is None:
            raise self._wrong("visible from where? Write visible(rubin), or give --site", token)
        found = Literal(token.start, token.end, Kind.TEXT, stated=self._site)
        self._check.known_site(found)
        return found

    def _unknown_word(self, token: Token) -> Literal:
        if self._is("in", ahead=1):
            self._take()
            return Literal(token.start, token.end, Kind.TEXT, stated=self._written(token))
        if token.text in UNITS:
            raise self._wrong(f"{self._written(token)} is a unit: a number stands before it, as in 1/month")
        if self._tokens[self._at - 1].text in ("/", "per") and self._at:
            raise self._wrong(f"{self._written(token)} is no unit{nearest(token.text, UNITS)}")
        hint = _HINTS.get(token.text)
        instead = f": write {hint}" if hint else nearest(token.text, NAMES)
        raise self._wrong(f"{self._written(token)} is not known{instead}")

    def _arguments(self, token: Token, name: Name) -> list[Literal]:
        needed = [a for a in name.arguments if not a.optional]
        if not self._is("("):
            if needed:
                raise self._wrong(f"{token.text} asks for ({', '.join(a.name for a in needed)})", token)
            return []
        if not name.arguments:
            raise self._wrong(f"{token.text} takes nothing in parentheses")
        self._take()
        found: list[Literal] = []
        while not self._is(")"):
            if found:
                self._expect(",", "between two arguments, or ) after the last")
            if len(found) == len(name.arguments):
                raise self._wrong(f"{token.text} takes no more than {', '.join(a.name for a in name.arguments)}")
            found.append(self._argument(name.arguments[len(found)]))
        if len(found) < len(needed):
            raise self._wrong(f"{token.text} asks for {', '.join(a.name for a in needed)}")
        self._take()
        return found

    def _argument(self, argument: Argument) -> Literal:
        if argument.kind is Kind.TEXT:
            text = self._a_text(argument)
            if argument.name == "site":
                self._check.known_site(text)
            return text
        start = self._next
        found = self._check.term(self._sum())
        if not isinstance(found, Literal) or found.kind is not Kind.NUMBER:
            raise self._wrong(f"{argument.name} is a number without a name", start)
        if found.dimension != argument.dimension and not found.bare:
            raise self._wrong(f"{argument.name} is {kind_text(argument.dimension)}", start)
        if not argument.low <= float(found.stated) <= argument.high:  # type: ignore[arg-type]
            unit = KINDS.get(argument.dimension, ("", ""))[1]
            raise self._wrong(f"{argument.name} is from {argument.low:g} to {argument.high:g} {unit}".rstrip(), start)
        return found

    def _texts(self, name: Name) -> Sequence[Literal]:
        if not self._accept("("):
            return (self._a_text(name),)
        found = [self._a_text(name)]
        while self._accept(","):
            found.append(self._a_text(name))
        self._expect(")", "close the list")
        return found

    def _a_text(self, name: Name | Argument) -> Literal:
        """Return a text: in quotes, or a word, of which hyphens and digits may be part."""
        first = self._take()
        if first.kind not in ("word", "string", "number") or (first.kind == "word" and first.text in KEYWORDS):
            raise self._wrong("a word or a text in quotes is missing", first)
        last = first
        if first.kind != "string":
            while self._next.start == last.end and (self._next.kind in ("word", "number") or self._is("-")):
                last = self._take()
        stated = first.text if first.kind == "string" else self._text[first.start : last.end]
        found = Literal(first.start, last.end, Kind.TEXT, stated=stated)
        if first.kind != "string" or (isinstance(name, Name) and name.closed):
            self._check.known_word(found, name)
        return found
