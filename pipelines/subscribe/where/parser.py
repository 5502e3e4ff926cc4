"""A rule's text as a tree: recursive descent, one pass, nothing executed.

::

    or          = and { "or" and }
    and         = not { "and" not }
    not         = "not" not | comparison
    comparison  = sum [ ("<" | "<=" | ">" | ">=" | "=" | "!=") sum
                      | ["not"] "between" sum "and" sum
                      | ["not"] "in" ( "(" text { "," text } ")" | name of a set )
                      | "has" ( text | "(" text { "," text } ")" ) ]
    sum         = product { ("+" | "-") product }
    product     = unary { ("*" | "/" | "per") (unary | unit) }
    unary       = "-" unary | number [unit] | time | text | name [ "(" [ argument { "," argument } ] ")" ] | "(" or ")"

What each name is, and with which unit, is known before an alert comes: what does not fit is refused here.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.subscribe.where.checks import Node
from pipelines.subscribe.where.claims import COMPARISONS, Claim, Several, negated
from pipelines.subscribe.where.errors import pointed
from pipelines.subscribe.where.names import NAMES, Kind, Name
from pipelines.subscribe.where.rule import Rule
from pipelines.subscribe.where.term_parser import TermParser
from pipelines.subscribe.where.terms import Fact, Literal, Term
from pipelines.subscribe.where.tokens import Token


def parse(text: str, site: str | None = None) -> Rule:
    """Return the rule that a text states.

    Parameters
    ----------
    text : str
        As in ``far < 1/month and p(BNS) + p(NSBH) > 0.5``; ``docs/rules.md`` has the grammar and every name.
    site : str, optional
        Where ``visible`` looks from, if it does not say; a name, or longitude,latitude[,height].

    Raises
    ------
    RuleError
        If it states none; the message has a mark under the word in question.
    """
    return _Parser(text, site).rule()


class _Parser(TermParser):
    def rule(self) -> Rule:
        if self._next.kind == "end":
            raise pointed("an empty rule: write far < 1/month, or any other of docs/rules.md", self._text, 0, 1)
        root = self._check.truth(self._or())
        if self._next.kind != "end":
            raise self._wrong(f"{self._written(self._next)} is not expected here: join two conditions by and, or")
        return Rule(self._text, root)

    def _or(self) -> Node:
        return self._several("or", lambda: self._several("and", self._not))

    def _several(self, word: str, below: Callable[[], Node]) -> Node:
        first = below()
        if not self._is(word):
            return first
        found = [self._check.truth(first)]
        while self._accept(word):
            found.append(self._check.truth(below()))
        return Several(found[0].start, found[-1].end, word == "or", tuple(found))

    def _not(self) -> Node:
        if not self._is("not"):
            return self._comparison()
        self._take()
        self._deeper()
        inner = self._check.truth(self._not())
        self._depth -= 1
        return negated(inner)

    def _comparison(self) -> Node:
        left = self._sum()
        token = self._next
        if token.kind == "sign" and token.text in COMPARISONS:
            self._take()
            found = self._compared(self._check.term(left), token)
            if self._next.kind == "sign" and self._next.text in COMPARISONS:
                raise self._wrong("comparisons do not follow one another: write two with and, or between")
            return found
        contrary = self._is("not") and self._is("in", "between", ahead=1)
        if contrary:
            self._take()
        worded = self._worded(left)
        return negated(self._check.truth(worded)) if contrary else worded

    def _worded(self, left: Node) -> Node:
        """Read on after ``between``, ``in`` and ``has``; return what stood before where none follows."""
        word = self._next
        if self._accept("between"):
            first = self._check.term(left)
            low = self._check.term(self._sum())
            self._expect("and", "write between 1 and 2")
            high = self._check.term(self._sum())
            self._check.between(first, low, high, word)
            return Claim(first.start, high.end, "between", (first, low, high))
        if self._accept("in"):
            return self._among(self._check.term(left))
        if self._accept("has"):
            held = self._check.of_kind(left, Kind.SET, "has")
            texts = self._texts(self._name(held))
            return Claim(held.start, self._before, "has", (held, *texts))
        return left

    def _among(self, left: Term) -> Claim:
        if isinstance(left, Literal) and left.kind is Kind.TEXT:
            held = self._check.of_kind(self._sum(), Kind.SET, "in")
            self._check.known_word(left, self._name(held))
            return Claim(left.start, held.end, "has", (held, left))
        if left.kind is not Kind.TEXT:
            raise self._wrong("in is for texts: write between for numbers", self._tokens[self._at - 1])
        if not self._is("("):
            raise self._wrong("( is missing: write in (initial, update)")
        texts = self._texts(self._name(left))
        return Claim(left.start, self._before, "in", (left, *texts))

    def _compared(self, left: Term, sign: Token) -> Claim:
        self._check.comparable(left, sign)
        right: Term
        if left.kind is Kind.TEXT:
            right = self._a_text(self._name(left))
        elif left.kind is Kind.TRUTH:
            right = self._yes_or_no()
        else:
            right = self._check.term(self._sum())
            self._check.alike(left, right, sign)
        return Claim(left.start, right.end, sign.text, (left, right))

    @staticmethod
    def _name(term: Term) -> Name:
        return NAMES[term.name] if isinstance(term, Fact) else Name("")

    def _yes_or_no(self) -> Literal:
        token = self._next
        if not self._accept("true", "yes", "false", "no"):
            raise self._wrong("true or false is missing")
        return Literal(token.start, token.end, Kind.TRUTH, stated=token.text in ("true", "yes"))
