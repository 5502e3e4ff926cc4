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

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipelines.subscribe.where.checks import Checks, Node
from pipelines.subscribe.where.errors import nearest, pointed
from pipelines.subscribe.where.names import CLASSES as _CLASSES
from pipelines.subscribe.where.names import NAMES, PROPERTIES, Argument, Kind, Name
from pipelines.subscribe.where.nodes import COMPARISONS, Claim, Fact, Literal, Several, Term, negated
from pipelines.subscribe.where.rule import Rule
from pipelines.subscribe.where.tokens import MAX_DEPTH, Token, tokens
from pipelines.subscribe.where.units import NONE, UNITS, kind_text, scaled

KEYWORDS = ("and", "or", "not", "in", "between", "has", "per", "true", "false", "yes", "no")
_HINTS = {c.lower(): f"p({c})" for c in _CLASSES} | {p.lower(): f"property({p})" for p in PROPERTIES}


def parse(text: str) -> Rule:
    """Return the rule that a text states.

    Parameters
    ----------
    text : str
        As in ``far < 1/month and p(BNS) + p(NSBH) > 0.5``; ``docs/rules.md`` has the grammar and every name.

    Raises
    ------
    RuleError
        If it states none; the message has a mark under the word in question.
    """
    return _Parser(text).rule()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._at, self._depth = text, tokens(text), 0, 0
        self._check = Checks(text)

    def rule(self) -> Rule:
        if self._next.kind == "end":
            raise pointed("an empty rule: write far < 1/month, or any other of docs/rules.md", self._text, 0, 1)
        root = self._check.truth(self._or())
        if self._next.kind != "end":
            raise self._wrong(f"{self._written(self._next)} is not expected here: join two conditions by and, or")
        return Rule(self._text, root)

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _is(self, *texts: str, ahead: int = 0) -> bool:
        token = self._tokens[min(self._at + ahead, len(self._tokens) - 1)]
        return token.kind in ("word", "sign") and token.text in texts

    def _accept(self, *texts: str) -> bool:
        found = self._is(*texts)
        self._at += found
        return found

    def _expect(self, sign: str, why: str) -> Token:
        if not self._is(sign):
            raise self._wrong(f"{sign} is missing: {why}")
        return self._take()

    def _written(self, token: Token) -> str:
        return self._text[token.start : token.end]

    def _wrong(self, message: str, token: Token | None = None) -> Exception:
        at = token or self._next
        return pointed(message, self._text, at.start, at.end)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"a rule deeper than {MAX_DEPTH} levels: write it with fewer parentheses")

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

    @property
    def _before(self) -> int:
        """Where what was read last ends."""
        return self._tokens[self._at - 1].end

    def _yes_or_no(self) -> Literal:
        token = self._next
        if not self._accept("true", "yes", "false", "no"):
            raise self._wrong("true or false is missing")
        return Literal(token.start, token.end, Kind.TRUTH, stated=token.text in ("true", "yes"))

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
        return Fact(
            token.start, self._before, name.kind, name.dimension, name=token.text, cost=name.cost,
            arguments=tuple(a.stated for a in arguments),  # type: ignore[misc]
        )  # fmt: skip

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
            return self._a_text(argument)
        start = self._next
        found = self._check.term(self._sum())
        if not isinstance(found, Literal) or found.kind is not Kind.NUMBER:
            raise self._wrong(f"{argument.name} is a number without a name", start)
        if found.dimension != argument.dimension and not found.bare:
            raise self._wrong(f"{argument.name} is {kind_text(argument.dimension)}", start)
        if not argument.low <= float(found.stated) <= argument.high:  # type: ignore[arg-type]
            raise self._wrong(f"{argument.name} is from {argument.low:g} to {argument.high:g}", start)
        return found
