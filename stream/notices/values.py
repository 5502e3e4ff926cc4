"""Values of a notice: numbers, words and times as strangers write them, each usable or passed over with a reason.

Every form of notice is brought to the names of GCN's unified schema (https://gcn.nasa.gov/docs/schema) and read from
there through :class:`Fields`. The rule: a value that is absent, null, of a wrong type, not finite or out of its range
is None; why is kept in :attr:`Fields.unusable`, and told once by who reads the notice. What a notice cannot be without
is asked for by the reader, which refuses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from stream.text import clean
from stream.timebase import NS_PER_S, utc_to_gps_ns

LONGEST_NAME = 200
"""Longest identity or name that is read; see :mod:`stream.codec.external`."""
_MOST_NAMES = 32
_MOST_REASONS = 16
_LATEST_NS = 1 << 62
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,4})?", re.ASCII)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))? ?(?:Z|UTC?|([+-])(\d\d):?(\d\d))?",
    re.ASCII | re.IGNORECASE,
)


def utc_ns(text: str) -> int:
    """Return the GPS time of a UTC time in ISO 8601, to the nanosecond.

    Between date and time stands ``T`` or a space; ``Z``, ``UTC`` and an offset may follow, and nothing means UTC. The
    60th second is read where there was a leap second.

    Raises
    ------
    ValueError
        If it is no such time, or lies before 1980 or after 2126.
    """
    found = _TIME.fullmatch(text.strip()[:64])
    if found is None:
        raise ValueError(f"{text[:64]!r} is no time in ISO 8601")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    leap = second == 60
    try:
        utc = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC) - _offset(found)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:64]!r} is no time: {error}") from None
    gps_ns = utc_to_gps_ns(utc) + int((found[7] or "").ljust(9, "0")[:9])
    if leap:
        gps_ns += NS_PER_S
        if utc_to_gps_ns(utc + timedelta(seconds=1)) - utc_to_gps_ns(utc) != 2 * NS_PER_S:
            raise ValueError(f"{text[:64]!r}: there was no leap second")
    if not 0 <= gps_ns < _LATEST_NS:
        raise ValueError(f"{text[:64]!r} is not between 1980 and 2126")
    return gps_ns


def _offset(found: re.Match[str]) -> timedelta:
    if found[8] is None:
        return timedelta()
    if int(found[9]) > 14 or int(found[10]) > 59:
        raise ValueError("its offset from UTC is none")
    offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
    return -offset if found[8] == "-" else offset


def as_number(text: str | None) -> float | None:
    """Return the number that a text is, or None; what is not finite is none."""
    found = _NUMBER.fullmatch((text or "").strip()[:64])
    value = float(found[0]) if found else math.inf
    return value if math.isfinite(value) else None


def _as_text(item: object) -> str:
    """Return a text, or the digits of a whole number; an empty text of anything else."""
    if isinstance(item, float) and item.is_integer() and abs(item) < 1e15:
        item = int(item)
    if isinstance(item, int) and not isinstance(item, bool):
        return str(item)
    return item.strip() if isinstance(item, str) else ""


class Fields:
    """A notice's values by the names of GCN's unified schema.

    Attributes
    ----------
    unusable : dict of str to str
        What stood in the notice and could not be used, by its name, and why.
    """

    def __init__(self, data: Mapping[str, object]) -> None:
        self._data = data
        self.unusable: dict[str, str] = {}

    def get(self, name: str) -> object:
        """Return a value as it came; None where there is none."""
        return self._data.get(name)

    def pass_over(self, name: str, why: str) -> None:
        """Note that a value is not used."""
        if len(self.unusable) < _MOST_REASONS:
            self.unusable[name] = clean(why, LONGEST_NAME)

    def number(self, name: str, low: float, high: float) -> float | None:
        """Return a number from ``low`` to ``high``, or None; true and false are no numbers."""
        return self.as_number(name, self.get(name), low, high)

    def as_number(self, name: str, value: object, low: float, high: float) -> float | None:
        """Return ``value`` as :meth:`number` does; ``name`` is what it is called in the reason."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.pass_over(name, f"{str(value)[:64]!r} is no number")
            return None
        if not math.isfinite(value) or not low <= value <= high:
            self.pass_over(name, f"{value!s:.40} is not from {low:g} to {high:g}")
            return None
        return float(value)

    def flag(self, name: str) -> bool | None:
        """Return true or false, or None."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.pass_over(name, f"{str(value)[:64]!r} is neither true nor false")
        return None

    def words(self, name: str) -> tuple[str, ...]:
        """Return names, fit to be shown, of a text or a list of them; a whole number is taken as its digits."""
        value = self.get(name)
        found: list[str] = []
        for item in value if isinstance(value, list) else [] if value is None else [value]:
            word = clean(_as_text(item))
            if not 0 < len(word) <= LONGEST_NAME or len(found) == _MOST_NAMES:
                self.pass_over(name, f"{str(item)[:64]!r} is no name of at most {LONGEST_NAME} letters")
            elif word not in found:
                found.append(word)
        return tuple(found)

    def word(self, name: str) -> str:
        """Return the first of :meth:`words`, or an empty text."""
        return next(iter(self.words(name)), "")

    def time_ns(self, name: str) -> int | None:
        """Return a time as GPS nanoseconds, or None."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.pass_over(name, f"{str(value)[:64]!r} is no time in ISO 8601")
            return None
        try:
            return utc_ns(value)
        except ValueError as error:
            self.pass_over(name, str(error))
            return None

    def chances(self, name: str) -> dict[str, float]:
        """Return probabilities by the name of what is probable."""
        value = self.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.pass_over(name, "no object")
            return {}
        found = {}
        for key, chance in list(value.items())[:_MOST_NAMES]:
            word, number = clean(str(key).strip()), self.as_number(name, chance, 0, 1)
            if 0 < len(word) <= LONGEST_NAME and number is not None:
                found[word] = number
        return found
