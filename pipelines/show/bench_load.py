"""What ``tocsin bench external`` burdens the daemon with, and the memory of a process that is looked at meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stream.simulate.external import MessengerConfig, MessengerNetwork
from stream.simulate.notices import SimulatedNotice
from stream.timebase import NS_PER_S, SystemClock

_YEAR_NS = 365 * 86_400 * NS_PER_S


def chance_notices(load: int, seed: int) -> Iterator[SimulatedNotice]:
    """Yield notices of events a year ago, which coincide with nothing."""
    start_ns = SystemClock().now_ns() - _YEAR_NS
    network = MessengerNetwork(MessengerConfig(seed=seed, chance_hz=1.0), start_ns)
    sent, at_ns = 0, start_ns
    while sent < load:
        at_ns += 60 * NS_PER_S
        for notice in network.until(at_ns):
            sent += 1
            yield notice
            if sent == load:
                return


class Memory:
    """Resident memory of this process, in MB; None where the system does not tell."""

    def __init__(self) -> None:
        self._start = self._peak = self._last = None if _rss_mb() is None else 0.0

    def start(self) -> None:
        """Remember what it is at the start."""
        self._start = self._peak = _rss_mb()

    def look(self) -> None:
        """Remember what it is now."""
        self._last = _rss_mb()
        if self._last is not None and self._peak is not None:
            self._peak = max(self._peak, self._last)

    def as_dict(self) -> dict[str, float | None]:
        """Return what was seen."""
        return {"rss_start_mb": self._start, "rss_end_mb": self._last, "rss_peak_mb": self._peak}


def _rss_mb() -> float | None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    return round(int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
