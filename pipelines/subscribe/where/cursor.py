"""A place in the words of a rule, and what may come next."""

from __future__ import annotations

from pipelines.subscribe.where.errors import pointed
from pipelines.subscribe.where.tokens import MAX_DEPTH, Token, tokens
from stream.errors import RuleError


class Cursor:
    """The words of a rule, read from left to right.

    Parameters
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._at, self._depth = text, tokens(text), 0, 0

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

    def _wrong(self, message: str, token: Token | None = None) -> RuleError:
        at = token or self._next
        return pointed(message, self._text, at.start, at.end)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"a rule deeper than {MAX_DEPTH} levels: write it with fewer parentheses")

    @property
    def _before(self) -> int:
        """Where what was read last ends."""
        return self._tokens[self._at - 1].end
