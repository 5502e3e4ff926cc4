"""Values of a rule: those that are known, and those that are not, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.subscribe.where.names import Kind
from pipelines.subscribe.where.units import Dimension, quantity_text
from stream.text import clean
from stream.timebase import gps_ns_to_iso

Value = float | int | bool | str | tuple[str, ...]
"""A number in the unit used inside, a time in GPS nanoseconds, true or false, a text, or a set of texts."""

Arguments = tuple[float | str, ...]

NOT_TOLD = "the alert does not tell it"
"""Why a value is not known that nothing is said of."""

_WORD, _MOST_SHOWN, _LATEST_NS = 48, 8, 1 << 62


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is not known; ``reason`` may be a stranger's, and is cleaned."""

    reason: str

    def __post_init__(self) -> None:
        """Clean the reason."""
        object.__setattr__(self, "reason", clean(self.reason, 200))


class Known(Protocol):
    """What knows the values of an alert by name: :class:`pipelines.subscribe.facts.Facts`."""

    def get(self, name: str, arguments: Arguments = ()) -> Value | Unknown:
        """Return a value, or why it is not known."""
        ...


def folded(text: str) -> str:
    """Return a text as rules compare it: without regard to case, hyphens, underscores and spaces."""
    return text.casefold().replace("-", "").replace("_", "").replace(" ", "")


def value_text(value: Value | Unknown, kind: Kind, dimension: Dimension) -> str:
    """Return a value as people read it; ``?`` where it is not known."""
    if isinstance(value, Unknown):
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return clean(value, _WORD)
    if isinstance(value, Sequence):
        return clean("+".join(value[:_MOST_SHOWN]), _WORD) or "none"
    if kind is Kind.TIME:
        return gps_ns_to_iso(int(value)) if 0 <= value < _LATEST_NS else "a time out of reach"
    return quantity_text(value, dimension)
