"""How often the alerts of one superevent may tell anew of other messengers: at once at first, then ever more seldom.

A mission sends some seven notices of an event, each with a better place, and each is worth an alert. One that sends a
thousand, by mistake or in malice, must not have every telescope move a thousand times: what would come too soon waits,
and of all that waits for a superevent the last wins.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from stream.records import Coincidence
from stream.superevent import Change

AT_ONCE = 8
"""So many alerts of a superevent go at once: joined, left or another; and as many that only move what was told, so that
these never hold up those."""
_FIRST_S, _LONGEST_S = 10.0, 600.0
_FORGOTTEN_S = 3600.0
_MOST = 1024

_Key = tuple[str, bool]


class Pace:
    """What waits, and how long.

    Parameters
    ----------
    elapsed_s : callable
        Seconds on a clock that nobody sets.
    """

    def __init__(self, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._elapsed_s = elapsed_s
        self._told: OrderedDict[_Key, tuple[int, float]] = OrderedDict()
        self._waiting: OrderedDict[str, tuple[Coincidence, float]] = OrderedDict()

    @property
    def waiting(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    def may(self, found: Coincidence, change: Change) -> bool:
        """Return whether it may be told now; otherwise it waits, and whatever waited for its superevent does not."""
        name = found.gw.superevent_id
        count, last_s = self._told.get((name, change == "moved"), (0, 0.0))
        interval_s = min(_FIRST_S * 2.0 ** min(count - AT_ONCE, 16), _LONGEST_S) if count >= AT_ONCE else 0.0
        if last_s + interval_s <= self._elapsed_s() or count == 0:
            self._waiting.pop(name, None)
            return True
        self._waiting[name] = (found, last_s + interval_s)
        return False

    def told(self, found: Coincidence, change: Change) -> None:
        """Note that it was told."""
        key, now_s = (found.gw.superevent_id, change == "moved"), self._elapsed_s()
        count, last_s = self._told.pop(key, (0, now_s))
        self._told[key] = (count + 1 if now_s - last_s < _FORGOTTEN_S else 1, now_s)
        if len(self._told) > _MOST:
            self._told.popitem(last=False)

    def drop(self, superevent_id: str) -> None:
        """Let go of what waits: it is as it was told again."""
        self._waiting.pop(superevent_id, None)

    def due(self) -> list[Coincidence]:
        """Return what has waited long enough; it waits until it is told or dropped."""
        now_s = self._elapsed_s()
        return [found for found, due_s in self._waiting.values() if due_s <= now_s]
