"""One detector's side of the aligner: check its blocks, keep them in the ring, know how long to wait for it."""

from __future__ import annotations

from collections import deque

import numpy as np

from stream.align.reasons import (
    ABSENT,
    EMPTY,
    IMPLAUSIBLE,
    MISSING,
    NOT_FINITE,
    NOT_HEARD,
    RATE_CHANGED,
    VALID,
    VETO,
    WRONG_RATE,
    Codes,
)
from stream.align.ring import RING_HOPS, StrainRing, WitnessRing
from stream.align.stats import DetectorStats, LaneCounters
from stream.records import StrainBlock, WitnessBlock, WitnessGroup
from stream.timebase import HOP_NS, HOPS_PER_S
from stream.types import FloatArray

MAX_STRAIN = 1e12
"""Strain is far below one, counts sent by mistake below this; from 1e30 on whitening overflows, some of it for good."""
RATE_SWITCH_HOPS = 8 * HOPS_PER_S
"""A detector that sends another rate for this long without a break is believed."""

_RECENT_BLOCKS = 64


class Lane:
    """What the aligner keeps of one detector.

    Parameters
    ----------
    detector : str
        Its name.
    required_dq_bits : int
        Bits of the data-quality word that must all be set in a good hop.
    """

    def __init__(self, detector: str, required_dq_bits: int) -> None:
        self.detector = detector
        self.counters = LaneCounters()
        self.ring: StrainRing | None = None
        self.newest: int | None = None  # end of the newest block, in hops
        self.heard_at: int | None = None  # the aligner's count of data hops when it was last heard in time
        self._required = np.uint32(required_dq_bits)
        self.longest_block = 0  # of its recent blocks, in hops
        self._lengths: deque[int] = deque(maxlen=_RECENT_BLOCKS)
        self.usual_delay = 0  # hops by which nine in ten of its recent blocks ended behind the watermark, at most
        self._delays: deque[int] = deque(maxlen=_RECENT_BLOCKS)
        self._sequence: int | None = None
        self._other_rate = (0, 0, 0)  # rate, end of its last block, hops without a break
        # Which released hops had data, so that a late copy of one is a duplicate and no loss.
        self._had_data = np.zeros(RING_HOPS, dtype=np.bool_)
        self.witness_ring: WitnessRing | None = None
        self.witness_newest: int | None = None
        self.longest_witness_block = 0
        self._witness_lengths: deque[int] = deque(maxlen=_RECENT_BLOCKS)

    def note_delay(self, hops: int) -> None:
        """Note by how much a block, newer than any before it, ended behind the watermark when it came."""
        self._delays.append(hops)
        self.usual_delay = sorted(self._delays)[len(self._delays) * 9 // 10 - (len(self._delays) % 10 == 0)]

    def write(self, block: StrainBlock, next_hop: int) -> tuple[int, int]:
        """Take a sound block: what is not released yet into the ring.

        Returns
        -------
        late_start, late_stop : int
            Hops of the block that came too late and are lost; equal when there are none.
        """
        start = block.gps_ns // HOP_NS
        n_hops = len(block.dq_mask)
        self._lengths.append(n_hops)
        self.longest_block = max(self._lengths)
        self._count_sequence(block.sequence)
        codes = self._codes_after_rate(block, start, next_hop)
        fresh = max(0, min(n_hops, next_hop - start))
        lost = self._lost(start, fresh, next_hop)
        if fresh < n_hops:
            assert self.ring is not None
            # A block of another rate has no samples that fit; its codes say so and none are looked at.
            shape = (n_hops, self.ring.hop) if codes[0] != WRONG_RATE else (n_hops, 1)
            samples = block.samples.reshape(shape) if codes[0] != WRONG_RATE else np.zeros(shape)
            written = self.ring.write(start + fresh, samples[fresh:], codes[fresh:])
            older = self.newest is not None and start < self.newest
            self.counters.repaired += int(written.new > 0 and older)
            self.counters.duplicates += int(written.new == 0)
            self.counters.different_duplicates += int(written.different > 0)
        elif lost[0] == lost[1]:
            self.counters.duplicates += 1
        self.newest = max(start + n_hops, self.newest or 0)
        return lost

    def _lost(self, start: int, fresh: int, next_hop: int) -> tuple[int, int]:
        """Stretch of the block's first ``fresh`` hops, all released, that had been released without data."""
        if not fresh:
            return start, start
        hops = np.arange(start, start + fresh)
        known = self._had_data[hops % RING_HOPS] & (hops >= next_hop - RING_HOPS)
        lost = hops[~known]
        if not len(lost):
            return start, start
        self.counters.dropped_late += 1
        self.counters.late_hops += len(lost)
        return int(lost[0]), int(lost[-1]) + 1

    def _count_sequence(self, sequence: int) -> None:
        if self._sequence is not None and sequence != self._sequence + 1 and (sequence or self._sequence):
            self.counters.sequence_jumps += 1
        self._sequence = sequence

    def _codes_after_rate(self, block: StrainBlock, start: int, next_hop: int) -> Codes:
        """Codes of a block's hops; the lane takes up a new rate when it has lasted."""
        rate = block.sample_rate_hz
        if self.ring is None:
            self.ring = StrainRing(rate)
        if rate != self.ring.rate_hz:
            other, end, hops = self._other_rate
            n_hops = len(block.dq_mask)
            hops = hops + n_hops if (other, end) == (rate, start) else n_hops
            self._other_rate = (rate, start + n_hops, hops)
            if hops < RATE_SWITCH_HOPS:
                self.counters.refused["wrong rate"] += 1
                return np.full(n_hops, WRONG_RATE, dtype=np.uint8)
            self._switch_rate(rate, next_hop)
        self._other_rate = (0, 0, 0)
        return self._codes(block)

    def _switch_rate(self, rate_hz: int, next_hop: int) -> None:
        """Take up a new rate; what was held at the old one is no longer of use."""
        assert self.ring is not None
        held = self.ring.pending_codes(next_hop, next_hop + RING_HOPS)
        held[held == VALID] = RATE_CHANGED
        self.ring = StrainRing(rate_hz)
        self.counters.rate_changes += 1
        self.ring.write(next_hop, np.zeros((RING_HOPS, 1)), held)

    def _codes(self, block: StrainBlock) -> Codes:
        codes = np.full(len(block.dq_mask), VALID, dtype=np.uint8)
        peaks = np.abs(block.samples.reshape(len(codes), -1)).max(axis=1)
        codes[peaks >= MAX_STRAIN] = IMPLAUSIBLE
        codes[~np.isfinite(peaks)] = NOT_FINITE
        failed = self._required & ~block.dq_mask.astype(np.uint32)
        codes[failed != 0] = (VETO + failed[failed != 0]).astype(np.uint8)
        return codes

    def take(self, start: int, stop: int, empty_code: int, rate_hz: int) -> tuple[FloatArray, Codes]:
        """Release hops: samples and codes; ``rate_hz`` stands in where none was ever heard."""
        if self.ring is None:
            n_hops = stop - start
            samples = np.zeros(n_hops * (rate_hz // HOPS_PER_S))
            return samples, np.full(n_hops, empty_code, dtype=np.uint8)
        samples, codes = self.ring.take(start, stop)
        self._had_data[np.arange(start, stop) % RING_HOPS] = codes != EMPTY
        codes[codes == EMPTY] = empty_code
        return samples, codes

    def empty_code(self, present: bool) -> int:
        """Why a hop of which nothing came is not valid."""
        if self.newest is None:
            return NOT_HEARD
        return MISSING if present else ABSENT

    def write_witness(self, block: WitnessBlock, next_hop: int) -> None:
        """Keep the part of a sound witness block that is not released yet."""
        start, n_hops = block.gps_ns // HOP_NS, block.duration_ns // HOP_NS
        self.counters.witness_blocks += 1
        if self.witness_ring is None or not self.witness_ring.fits(block):
            self.witness_ring = WitnessRing(block.groups)
        self._witness_lengths.append(n_hops)
        self.longest_witness_block = max(self._witness_lengths)
        self.witness_newest = max(start + n_hops, self.witness_newest or 0)
        fresh = max(0, next_hop - start)
        self.counters.late_witness_blocks += int(fresh > 0)
        if fresh < n_hops:
            self.witness_ring.write(start, fresh, block.groups, n_hops)

    def take_witness(self, start: int, stop: int) -> tuple[WitnessGroup, ...]:
        """Release the witnesses of hops, empty where there are none."""
        return self.witness_ring.take(start, stop) if self.witness_ring is not None else ()

    def forget(self) -> None:
        """Drop everything held, as when the timeline moves elsewhere."""
        if self.ring is not None:
            self.ring.clear()
        if self.witness_ring is not None:
            self.witness_ring.take(0, RING_HOPS)
        self._had_data[:] = False

    def stats(self, present: bool) -> DetectorStats:
        """Return a snapshot of the counters."""
        c = self.counters
        return DetectorStats(
            detector=self.detector,
            present=present,
            newest_ns=None if self.newest is None else self.newest * HOP_NS,
            sample_rate_hz=None if self.ring is None else self.ring.rate_hz,
            blocks=c.blocks,
            duplicates=c.duplicates,
            different_duplicates=c.different_duplicates,
            repaired=c.repaired,
            dropped_late=c.dropped_late,
            late_hops=c.late_hops,
            sequence_jumps=c.sequence_jumps,
            rate_changes=c.rate_changes,
            witness_blocks=c.witness_blocks,
            late_witness_blocks=c.late_witness_blocks,
            refused=tuple(sorted(c.refused.items())),
        )
