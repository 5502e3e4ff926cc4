"""A rule's text as words, numbers, times and signs; within bounds, in one pass."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.subscribe.where.errors import pointed
from stream.timebase import utc_to_gps_ns

MAX_LENGTH, MAX_TOKENS, MAX_DEPTH = 4000, 500, 32
_MAX_DIGITS, _MAX_WORD = 30, 64

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]{0,20}(?:Z|[+-][0-9:]{2,5})?)?)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_²]*|%)
      | (?P<string>"[^"\n]*"|'[^'\n]*')
      | (?P<sign><=|>=|==|!=|<>|[<>=≤≥≠+\-*/(),])""",
    re.VERBOSE,
)
_SAME = {"==": "=", "<>": "!=", "≤": "<=", "≥": ">=", "≠": "!="}
_INSTEAD = {"&": "and", "|": "or", "!": "not", "[": "(", "]": ")", ";": "and", "~": "not", "^": "*"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a rule.

    Attributes
    ----------
    kind : {"word", "number", "string", "time", "sign", "end"}
    text : str
        As written; a word in small letters, a string without its quotes.
    start, end : int
    value : float or int or None
        Of a number; of a time in GPS nanoseconds.
    """

    kind: str
    text: str
    start: int
    end: int
    value: float | int | None = None


def tokens(text: str) -> list[Token]:
    """Return the words of a rule; the last is of the kind ``end``.

    Raises
    ------
    RuleError
        For a character that none begins with, and beyond the bounds.
    """
    if len(text) > MAX_LENGTH:
        raise pointed(f"a rule of {len(text)} characters: at most {MAX_LENGTH}", text, MAX_LENGTH, MAX_LENGTH + 1)
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise pointed(_no_sign(text[at]), text, at, at + 1)
        if match.lastgroup != "space":
            found.append(_token(str(match.lastgroup), match.group(), text, at))
        if len(found) > MAX_TOKENS:
            raise pointed(f"a rule of more than {MAX_TOKENS} words: shorten it", text, at, match.end())
        at = match.end()
    return [*found, Token("end", "", len(text.rstrip()), len(text.rstrip()) + 1)]


def _no_sign(character: str) -> str:
    if character in "\"'":
        return "a text that does not end: close the quotes"
    instead = _INSTEAD.get(character)
    shown = character if character.isprintable() else "this character"
    return f"{shown} means nothing in a rule" + (f": write {instead}" if instead else "")


def _token(kind: str, written: str, text: str, at: int) -> Token:
    end = at + len(written)
    if kind == "number":
        return Token(kind, written, at, end, _number(written, text, at))
    if kind == "time":
        return Token(kind, written, at, end, _time(written, text, at))
    if len(written) > _MAX_WORD + 2:
        raise pointed(f"a word of {len(written)} characters: at most {_MAX_WORD}", text, at, end)
    if kind == "word":
        return Token(kind, written.lower(), at, end)
    return Token(kind, written[1:-1] if kind == "string" else _SAME.get(written, written), at, end)


def _number(written: str, text: str, at: int) -> float:
    if len(written) > _MAX_DIGITS:
        raise pointed(f"a number of {len(written)} digits: at most {_MAX_DIGITS}", text, at, at + len(written))
    value = float(written)
    if not math.isfinite(value):
        raise pointed("a number that is too large", text, at, at + len(written))
    return value


def _time(written: str, text: str, at: int) -> int:
    """Return a time, UTC where it does not say, in GPS nanoseconds."""
    try:
        time = datetime.fromisoformat(written)
        return utc_to_gps_ns(time if time.tzinfo is not None else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise pointed("no time: write it as 2026-11-22T00:00Z", text, at, at + len(written)) from None
