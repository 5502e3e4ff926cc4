"""Blocks that lie implausibly far ahead of everyone: one bad timestamp, or a jump of the whole stream.

A block that starts more than ``JUMP_HOPS`` (8 s) after the newest data of anyone is *suspicious*. It is held, and
the network is believed to have jumped only when

* at least ``MIN_AGREEING`` suspicious blocks agree (each starts within 8 s of the others' newest end), and
* no detector delivered in place since the first of them (one that does sends all held blocks away), and
* every detector that is present either jumped too, or has been silent for as long as it may be: the held data
  span more than the lateness and that detector's longest recent block.

So a broken clock at one site never moves the others, and after a gap of the whole network the held blocks are
used, not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stream.records import StrainBlock
from stream.timebase import HOP_NS, HOPS_PER_S

JUMP_HOPS = 8 * HOPS_PER_S
MIN_AGREEING = 3
_MAX_HELD = 1024  # blocks; reached only when nothing ever confirms or refutes them


class JumpGuard:
    """Hold suspicious blocks until they are believed or sent away."""

    def __init__(self) -> None:
        self._held: list[StrainBlock] = []

    def hold(self, block: StrainBlock) -> list[StrainBlock]:
        """Hold a block; returns those that it contradicts, which are sent away."""
        refuted: list[StrainBlock] = []
        if self._held and not self._agrees(block):
            refuted, self._held = self._held, []
        elif len(self._held) >= _MAX_HELD:
            refuted = [self._held.pop(0)]
        self._held.append(block)
        return refuted

    def _agrees(self, block: StrainBlock) -> bool:
        reach_ns = JUMP_HOPS * HOP_NS
        low = min(b.gps_ns for b in self._held) - reach_ns
        return low <= block.gps_ns <= max(b.end_ns for b in self._held) + reach_ns

    def believed(self, present: Iterable[str], patience: Callable[[str], int]) -> bool:
        """Whether the held blocks show a jump of the stream.

        Parameters
        ----------
        present : iterable of str
            Detectors that are present.
        patience : callable
            Gives the hops that a detector may be silent: lateness and its longest block.
        """
        if len(self._held) < MIN_AGREEING:
            return False
        jumped = {b.detector for b in self._held}
        span_ns = max(b.end_ns for b in self._held) - min(b.gps_ns for b in self._held)
        return all(span_ns > patience(name) * HOP_NS for name in present if name not in jumped)

    def release(self) -> list[StrainBlock]:
        """Return what is held, in order of data time, and hold nothing."""
        held, self._held = self._held, []
        return sorted(held, key=lambda b: b.gps_ns)
