"""Foreign text, made fit to be shown: what came in a message never moves a cursor, sets a title or starts a line."""

from __future__ import annotations


def clean(text: str, most: int = 2000) -> str:
    r"""Return a text with all that does not print written out, as in ``\x1b``, and no longer than ``most`` characters.

    Controls (C0, C1), newlines, marks that turn the direction of writing, lone surrogates and characters without a
    meaning are written out; what has a glyph, in any script, stays.

    Parameters
    ----------
    text : str
    most : int
        Longest text returned; ``...`` marks that there was more.
    """
    if len(text) > most:
        text = text[: max(0, most - 3)] + "..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
