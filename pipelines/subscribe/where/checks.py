"""Whether what stands in a rule goes together: numbers with numbers of the same unit, texts with texts."""

from __future__ import annotations

from typing import NoReturn

from pipelines.subscribe.where.claims import Claim, Not, Several, Truth
from pipelines.subscribe.where.errors import nearest, pointed
from pipelines.subscribe.where.names import Argument, Kind, Name
from pipelines.subscribe.where.terms import Arithmetic, Literal, Term
from pipelines.subscribe.where.tokens import Token
from pipelines.subscribe.where.units import NONE, TIME, Dimension, kind_text
from pipelines.subscribe.where.values import Unknown, folded
from stream.errors import ConfigurationError

Node = Term | Truth
_MOST_POWER = 6


class _NothingKnown:
    """Values of no alert: what a rule states needs none."""

    def get(self, name: str, arguments: tuple[float | str, ...] = ()) -> Unknown:
        """Return that it is not known."""
        return Unknown(f"{name} of no alert{arguments or ''}")


class Checks:
    """What a rule's parts must be; each raises :class:`RuleError` with a mark.

    Parameters
    ----------
    text : str
        The rule.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def _wrong(self, message: str, at: Node | Token) -> NoReturn:
        raise pointed(message, self._text, at.start, at.end)

    def _written(self, node: Node) -> str:
        return " ".join(self._text[node.start : node.end].split())[:60]

    def truth(self, node: Node) -> Truth:
        """Return what is true or false."""
        if isinstance(node, Claim | Not | Several):
            return node
        if node.kind is not Kind.TRUTH:
            example = {Kind.TEXT: "= …", Kind.SET: "has …"}.get(node.kind, "< …")
            self._wrong(f"{self._written(node)} is {self._kind(node)}: write {self._written(node)} {example}", node)
        return Claim(node.start, node.end, "is", (node,))

    def term(self, node: Node) -> Term:
        """Return what has a value."""
        if isinstance(node, Term):
            return node
        return self._wrong(f"{self._written(node)} is true or false: it cannot be compared or added", node)

    def of_kind(self, node: Node, kind: Kind, word: str) -> Term:
        """Return what has a value of a kind, which ``word`` asks for."""
        found = self.term(node)
        if found.kind is not kind:
            self._wrong(f"{word} asks for {kind.value}: {self._written(node)} is {self._kind(found)}", node)
        return found

    def comparable(self, left: Term, sign: Token) -> None:
        """Refuse a sign that means nothing of a kind of value."""
        if left.kind is Kind.SET:
            self._wrong(f"{self._written(left)} is a set: write {self._written(left)} has …", sign)
        if left.kind in (Kind.TEXT, Kind.TRUTH) and sign.text not in ("=", "!="):
            self._wrong(f"{self._written(left)} is {left.kind.value}: compare it with = or !=", sign)

    def alike(self, left: Term, right: Term, at: Token) -> Dimension:
        """Return the dimension of two numbers of the same; a bare one takes the other's."""
        if left.kind is not right.kind or left.kind not in (Kind.NUMBER, Kind.TIME):
            self._unlike(left, right, at)
        if left.dimension == right.dimension or right.bare:
            return left.dimension
        if left.bare:
            return right.dimension
        return self._unlike(left, right, at)

    def between(self, term: Term, low: Term, high: Term, at: Token) -> None:
        """Refuse bounds that are not alike, and one without the unit that the other has."""
        self.alike(term, low, at)
        self.alike(term, high, at)
        if low.bare and not high.bare and high.dimension != NONE:
            self._wrong(f"{self._written(low)} has no unit: write that of {self._written(high)} here too", low)

    def _unlike(self, left: Term, right: Term, at: Token) -> NoReturn:
        told = f"{self._written(left)} is {self._kind(left)}, {self._written(right)} is {self._kind(right)}"
        self._wrong(f"{told}: these do not go together", at)

    @staticmethod
    def _kind(term: Term) -> str:
        return kind_text(term.dimension) if term.kind is Kind.NUMBER else term.kind.value

    def added(self, left: Term, sign: Token, right: Term) -> Term:
        """Return a sum or difference."""
        kinds = (left.kind, right.kind)
        if kinds == (Kind.TIME, Kind.TIME) and sign.text == "-":
            return self._made(left, sign, right, Kind.NUMBER, TIME)
        if kinds == (Kind.TIME, Kind.NUMBER) and (right.bare or right.dimension == TIME):
            return self._made(left, sign, right, Kind.TIME, NONE)
        if kinds == (Kind.NUMBER, Kind.TIME) and sign.text == "+" and (left.bare or left.dimension == TIME):
            return self._made(left, sign, right, Kind.TIME, NONE)
        if kinds != (Kind.NUMBER, Kind.NUMBER):
            self._unlike(left, right, sign)
        return self._made(left, sign, right, Kind.NUMBER, self.alike(left, right, sign))

    def multiplied(self, left: Term, sign: Token, right: Term) -> Term:
        """Return a product or ratio; ``per`` is a ratio."""
        for one in (left, right):
            if one.kind is not Kind.NUMBER:
                self._wrong(f"{self._written(one)} is {self._kind(one)}: only numbers are multiplied", one)
        power = 1 if sign.text == "*" else -1
        s, deg, mpc, msun = (a + power * b for a, b in zip(left.dimension, right.dimension, strict=True))
        if max(map(abs, (s, deg, mpc, msun))) > _MOST_POWER:
            self._wrong(f"a unit to a power beyond {_MOST_POWER}", sign)
        return self._made(left, sign, right, Kind.NUMBER, (s, deg, mpc, msun))

    def _made(self, left: Term, sign: Token, right: Term, kind: Kind, dimension: Dimension) -> Term:
        """Return the term; where both sides are stated, its value, once."""
        op = "/" if sign.text == "per" else sign.text
        bare = left.bare and right.bare
        term = Arithmetic(left.start, right.end, kind, dimension, bare, op, left, right)
        if not (isinstance(left, Literal) and isinstance(right, Literal)):
            return term
        value = term.value(_NothingKnown())
        if isinstance(value, Unknown):
            return self._wrong(value.reason, sign)
        return Literal(left.start, right.end, kind, dimension, bare, value)

    def known_word(self, text: Literal, name: Name | Argument) -> None:
        """Refuse a word that is none of those that a name can be; in quotes it would be taken where any can be."""
        if name.words and folded(str(text.stated)) not in {folded(word) for word in name.words}:
            quotes = "" if isinstance(name, Name) and name.closed else "; another is taken in quotes"
            self._wrong(f"{text.stated} is not known{nearest(str(text.stated), name.words)}{quotes}", text)

    def known_site(self, text: Literal) -> None:
        """Refuse what is no site."""
        from stream.sky.sites import find_site  # noqa: PLC0415 - its table is read if a rule asks for it

        try:
            find_site(str(text.stated))
        except ConfigurationError as error:
            self._wrong(str(error), text)
