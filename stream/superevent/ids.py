"""Superevent ids, as LVK's: prefix, UTC date of the merger, and a letter count: ``TS261122a`` … ``z``, ``aa`` ….

Source: LVK public alerts user guide, "Superevents": https://emfollow.docs.ligo.org/userguide/analysis/superevents.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from stream.errors import PublishError
from stream.timebase import gps_ns_to_utc

PREFIXES = {"production": "S", "mock": "MS", "test": "TS"}

_ID = re.compile(r"((?:S|MS|TS)[0-9]{6})([a-z]{1,8})")
_MOST_A_DAY = 26 + 26**2 + 26**3 + 26**4
"""Labels of up to four letters: nothing that counts honestly gives a longer one in a day."""
_DAYS_KEPT = 32
_DAYS_TOLD = 3


def is_superevent_id(text: str) -> bool:
    """Return whether a text has the form of a superevent id, and may so be part of a file's name."""
    return _ID.fullmatch(text) is not None


def letters(count: int) -> str:
    """Return the ``count``-th label, from 1: a … z, aa … az, ba … (bijective base 26)."""
    text = ""
    while count > 0:
        count, digit = divmod(count - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def letter_count(text: str) -> int:
    """Return which label this is; the inverse of :func:`letters`."""
    count = 0
    for character in text:
        count = count * 26 + ord(character) - ord("a") + 1
    return count


def day_of(superevent_id: str) -> str | None:
    """Return prefix and date of an id, such as ``TS261122``; None where the text has not the form of one."""
    match = _ID.fullmatch(superevent_id)
    return None if match is None else match[1]


class DayCounts:
    """How many superevents each day has named: what the next id follows from.

    Ids of all three kinds are counted, each kind by itself. The newest days are kept, in whatever order they come.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def __getitem__(self, day: str) -> int:
        return self._last.get(day, 0)

    def note(self, superevent_id: str) -> None:
        """Take up an id that was given; a label that nobody counts to is someone's joke and does not move the count."""
        match = _ID.fullmatch(superevent_id)
        if match is not None:
            self.raise_to({match[1]: letter_count(match[2])})

    def raise_to(self, counts: Mapping[str, int]) -> None:
        """Take up counts that an alert tells."""
        for day, count in counts.items():
            if day_of(day + "a") is not None and 0 < count <= _MOST_A_DAY:
                self._last[day] = max(self._last.get(day, 0), count)
        for day in sorted(self._last, key=_date)[:-_DAYS_KEPT]:
            del self._last[day]

    def newest(self) -> dict[str, int]:
        """Return the counts of the last days, for an alert to tell: a restart need then read none older."""
        return {day: self._last[day] for day in sorted(self._last, key=_date)[-_DAYS_TOLD:]}

    def next_ids(self, kind: str, gps_ns: int) -> Iterator[str]:
        """Yield the ids that a merger at this time may be given, the first not yet given ones first.

        Raises
        ------
        PublishError
            For a time before 2000, which is no merger's.
        """
        utc = gps_ns_to_utc(gps_ns)
        if utc.year < 2000:
            raise PublishError(f"merger time {gps_ns} ns is in {utc.year}: is the strain's clock set?")
        day = PREFIXES[kind] + utc.strftime("%y%m%d")
        count = self[day]
        while True:
            count += 1
            yield day + letters(count)


def _date(day: str) -> tuple[str, str]:
    """Order days by date first: the two digits of their year go up to 2099."""
    return day[-6:], day
