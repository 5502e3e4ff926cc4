"""What is wrong with a rule, said with a mark under the word that is wrong, and the nearest name that is known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from stream.errors import RuleError

_WIDTH = 100
"""Longest piece of a rule that is shown."""


def pointed(message: str, text: str, start: int, end: int) -> RuleError:
    """Return the error of a rule: what is wrong, the line where it is, and a mark under the characters in question.

    Parameters
    ----------
    message : str
    text : str
        The rule, which may be of several lines.
    start, end : int
        From which character to before which one.
    """
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : len(text) if last < 0 else last]
    at = start - first
    shift = max(0, at - _WIDTH // 2)
    shown = "".join(c if c.isprintable() else " " for c in line[shift : shift + _WIDTH])
    at -= shift
    wide = max(1, min(end - start, max(1, len(shown) - at)))
    return RuleError(f"{message}\n  {shown.rstrip()}\n  {' ' * at}{'^' * wide}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``: did you mean far? There are age, area, …`` for a word that is not among those known."""
    names = sorted(set(known))
    by_folded = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    guess = f": did you mean {by_folded[found[0]]}?" if found else ":"
    return f"{guess} There are {', '.join(names)}"
