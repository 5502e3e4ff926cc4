"""Superevent ids, as LVK's: prefix, UTC date of the merger, and a letter count: ``TS261122a`` … ``z``, ``aa`` ….

Source: LVK public alerts user guide, "Superevents": https://emfollow.docs.ligo.org/userguide/analysis/superevents.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stream.errors import PublishError
from stream.superevent.ids import PREFIXES, is_superevent_id, letter_count, letters
from stream.superevent.sameness import SAME_EVENT_NS
from stream.timebase import gps_ns_to_utc

__all__ = ["PREFIXES", "SAME_EVENT_NS", "SupereventRegistry", "is_superevent_id", "letter_count", "letters"]

_MOST_A_DAY = 26 + 26**2 + 26**3 + 26**4
_ID = re.compile(r"(S|MS|TS)([0-9]{6})([a-z]{1,8})")


@dataclass(frozen=True, slots=True)
class Superevent:
    """An id and the merger time that it was given for."""

    superevent_id: str
    gps_ns: int


class SupereventRegistry:
    """Give ids, the same one to the same event; rebuilt from the alert topic on a restart.

    Parameters
    ----------
    kind : {"test", "mock", "production"}
    """

    def __init__(self, kind: str) -> None:
        self._prefix = PREFIXES[kind]
        self._events: dict[str, Superevent] = {}
        self._last: dict[str, int] = {}

    def remember(self, superevent_id: str, gps_ns: int) -> None:
        """Take up an id that was given before; ids of another form are not ours and are left alone."""
        match = _ID.fullmatch(superevent_id)
        if match is None:
            return
        day, count = match[1] + match[2], letter_count(match[3])
        if count <= _MOST_A_DAY:  # a longer label is someone's joke: it is known, but does not move the count
            self._last[day] = max(self._last.get(day, 0), count)
        if match[1] == self._prefix:
            self._events.setdefault(superevent_id, Superevent(superevent_id, gps_ns))

    def find(self, gps_ns: int) -> str | None:
        """Return the id of the event at this time, if it has one: the nearest within one second."""
        near = [e for e in self._events.values() if abs(e.gps_ns - gps_ns) <= SAME_EVENT_NS]
        return min(near, key=lambda e: abs(e.gps_ns - gps_ns)).superevent_id if near else None

    def assign(self, gps_ns: int) -> str:
        """Return the id of the event at this time, a new one if it has none.

        Raises
        ------
        PublishError
            For a time before 2000, which is no merger's.
        """
        known = self.find(gps_ns)
        if known is not None:
            return known
        utc = gps_ns_to_utc(gps_ns)
        if utc.year < 2000:
            raise PublishError(f"merger time {gps_ns} ns is in {utc.year}: is the strain's clock set?")
        day = self._prefix + utc.strftime("%y%m%d")
        count = self._last.get(day, 0) + 1
        while (superevent_id := day + letters(count)) in self._events:
            count += 1
        self.remember(superevent_id, gps_ns)
        return superevent_id
