"""What a background says of a statistic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stream.superevent import SAME_EVENT_NS
from stream.timebase import NS_PER_S

MOST_HZ = NS_PER_S / SAME_EVENT_NS
"""No rate of events is higher: peaks closer than this are one event."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``(1 + N) / T``; ``is_limit`` says that N is 0, so that the true rate is below it; ``duration_s`` is T."""

    far_hz: float
    is_limit: bool
    duration_s: float


class Counts(Protocol):
    """What a false-alarm rate is made from."""

    def rate(self, statistic: float) -> Rate:
        """Return the rate of events at least as loud; it never rises with the statistic."""
        ...
