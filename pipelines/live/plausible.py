"""The one check of time: whether a block can be from when it says, against the clock and the other detectors.

Strain that has not been taken yet cannot arrive. A block that ends further in the future than ``max_ahead_s`` is
refused, whichever detector it is of, so that one clock that runs fast masks nobody else. When most of those that send
say the same future, it is this machine's clock that is behind: their blocks are taken, and that is said.

Archived strain that is sent as it was taken, years ago, passes. A jump forward in it is the aligner's affair; one back
is not followed: what comes then is late, and `/readyz` says so, until the daemon is started again.
"""

from __future__ import annotations

from stream.records import StrainBlock, WitnessBlock
from stream.timebase import NS_PER_S

AHEAD = "ahead of the clock"
UNSET = "clock not set"

_EARLIEST_NS = 630_720_013 * NS_PER_S
"""2000-01-01: before the first long-baseline strain; a GPS receiver without a fix counts from 0."""

_AGREE_NS = NS_PER_S
_SENDING_NS = 5 * NS_PER_S


class TimeCheck:
    """Judge blocks by their time.

    Parameters
    ----------
    max_ahead_ns : int
        How far in the future of the clock a block may end: what the clocks of sites and daemon may differ by.
    """

    def __init__(self, max_ahead_ns: int) -> None:
        self._max_ahead_ns = max_ahead_ns
        self._claims: dict[str, tuple[int, int]] = {}  # by detector: how far ahead, and when it said so
        self.clock_behind_s = 0.0

    def objection(self, block: StrainBlock | WitnessBlock, now_ns: int) -> str | None:
        """Return why a block cannot be from when it says, or None.

        Parameters
        ----------
        block : StrainBlock or WitnessBlock
        now_ns : int
            The daemon's clock, GPS.
        """
        if block.gps_ns < _EARLIEST_NS:
            return UNSET
        ahead_ns = block.end_ns - now_ns
        if isinstance(block, StrainBlock):
            self._claims[block.detector] = (ahead_ns, now_ns)
        if ahead_ns <= self._max_ahead_ns:
            self.clock_behind_s = 0.0
            return None
        if not self._most_agree(block.detector, ahead_ns, now_ns):
            return AHEAD
        self.clock_behind_s = ahead_ns / NS_PER_S
        return None

    def _most_agree(self, detector: str, ahead_ns: int, now_ns: int) -> bool:
        """Whether others send, and more than half of all say the same future."""
        others = [a for d, (a, at) in self._claims.items() if d != detector and now_ns - at <= _SENDING_NS]
        agreeing = sum(abs(a - ahead_ns) <= _AGREE_NS for a in others)
        return agreeing > 0 and 2 * (agreeing + 1) > len(others) + 1
