"""Whether the search is too slow: its source's third rule, beside :mod:`pipelines.live.plausible` and the merge."""

from __future__ import annotations

import structlog

from pipelines.live.merge import Held
from stream.kafka.consumer import Message
from stream.timebase import NS_PER_S, unix_ns_to_gps_ns

log = structlog.get_logger()

_IDLE_NS = 5 * NS_PER_S


def sent_ns(message: Message, end_ns: int) -> int:
    """Return when a message was sent, as its producer's clock has it: not before its data ended (GPS)."""
    return max(unix_ns_to_gps_ns(message.timestamp_ns), end_ns)


class Slowness:
    """Tell a search that is too slow from one that catches up: its lag stays.

    Who searches a backlog at more than twice real time catches up, and waiting for a broker is no slowness.

    Parameters
    ----------
    max_lag_s : float
        Being so far behind is normal.
    catch_up_ns : int
        In this time as much must have been made up.
    """

    def __init__(self, max_lag_s: float, catch_up_ns: int) -> None:
        self._max_lag_s = max_lag_s
        self._catch_up_ns = catch_up_ns
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._since_ns: int | None = None
        self._last_ns = 0
        self._first_behind_s = self.behind_s = 0.0

    def is_for_good(self, released: list[Held], broker_away: bool, now_ns: int) -> bool:
        """Return whether what went on has been too old for too long."""
        if broker_away or now_ns - self._last_ns > _IDLE_NS:
            self._since_ns = None
        if not released:
            return False
        self._last_ns = now_ns
        self.behind_s = (now_ns - sent_ns(released[-1].reading.message, released[-1].end_ns)) / NS_PER_S
        if self.behind_s <= self._max_lag_s:
            self._since_ns = None
            return False
        if self._since_ns is None:
            self._since_ns, self._first_behind_s = now_ns, self.behind_s
            log.warning("lagging", lag_s=round(self.behind_s, 3), max_lag_s=self._max_lag_s)
        passed_ns = now_ns - self._since_ns
        if passed_ns < self._catch_up_ns:
            return False
        if self._first_behind_s - self.behind_s <= passed_ns / NS_PER_S:
            return True
        self._since_ns, self._first_behind_s = now_ns, self.behind_s
        return False
