"""Blocks in, in any order; spans of all detectors out, on one contiguous timeline.

Every rule uses data time: the *watermark* is the newest end of any detector's strain. So replay and live agree,
and a test needs no clock. A hop leaves when each awaited detector either has it (valid, or known to be bad) or is
overdue: the watermark is past the hop's end by more than the lateness and that detector's own longest recent
block. The lateness is ``lateness_s``, or what the detector has usually needed lately where that is more, up to
``max_lateness_s``; one that usually needs still more is not worth waiting for. Duplicates change nothing; what comes
out of order before that is repaired; what comes after is counted, named ``late`` and dropped.

* A detector that was not heard in time while the others delivered ``absent_after_s`` of data (and its longest block)
  is *absent*: nobody waits for it. It is present again with its first block within reach of the watermark, that is
  lateness and its longest block; hops of that block which had left without it are lost. Before it was ever heard
  it is awaited for as long, once.
* Nothing leaves until the first ``lateness_s`` of data is there, so that blocks out of order can move the start back.
* Witnesses never wait for each other nor move the watermark. Strain waits for them, while they come, for at most
  one of their blocks: at blocks of 1/16 s one hop.
* No detector is waited for longer than ``MAX_WAIT_HOPS`` (19.875 s), whatever the settings; with ``JUMP_HOPS`` and
  ``MAX_BLOCK_HOPS`` this bounds all that is held by ``RING_HOPS`` (32 s).

Push in rough order of data time across detectors: a caller that reads a backlog of one detector before another's
would make the other late. Merging is the source's part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stream.align.jump import JUMP_HOPS, JumpGuard
from stream.align.lane import Lane
from stream.align.late import LateNotes
from stream.align.reasons import SKIPPED, VALID, masked_runs
from stream.align.ring import RING_HOPS
from stream.align.stats import AlignStats
from stream.blocks import MAX_BLOCK_HOPS, is_sound
from stream.records import AlignedSpan, Masked, Segment, StrainBlock, WitnessBlock
from stream.settings import AlignSettings, StrainSettings
from stream.timebase import HOP_NS, HOPS_PER_S

MAX_WAIT_HOPS = RING_HOPS - JUMP_HOPS - MAX_BLOCK_HOPS - 2
SKIP_TAIL_HOPS = 2 * HOPS_PER_S
"""Masked hops that are handed on before a skip, so that what is pending downstream ends."""

DEFAULT_RATE_HZ = 4096
_EPOCH_HOPS = 30 * 86_400 * HOPS_PER_S
"""A timeline that moves further than this is another epoch: nobody missed the time between."""


def _hops(seconds: float) -> int:
    """Whole hops in a duration: conditions on the hop grid are the same with the fraction left out."""
    return round(seconds * 1_000_000_000) // HOP_NS


class Aligner:
    """Align the blocks of all configured detectors.

    Parameters
    ----------
    settings : AlignSettings
        Lateness, absence, longest span.
    strain : StrainSettings
        Detectors, required data-quality bits, whether witnesses are wanted.
    """

    def __init__(self, settings: AlignSettings, strain: StrainSettings) -> None:
        self._lateness = _hops(settings.lateness_s)
        self._max_lateness = _hops(settings.max_lateness_s)
        self._absent_after = _hops(settings.absent_after_s)
        self._max_hops = settings.max_hops
        self._use_witnesses = strain.witnesses
        self._lanes = {name: Lane(name, strain.required_dq_bits) for name in strain.detectors}
        self._guard = JumpGuard()
        self._next: int | None = None  # first hop not released
        self._watermark = 0
        self._floor: int | None = None  # nothing before this is ever released again
        self._data_hops = 0  # hops by which delivered data moved the watermark: gaps of everyone do not count
        self._started = False
        self._late = LateNotes()
        self._skips = self._skipped_hops = self._unknown = 0

    def push(self, block: StrainBlock | WitnessBlock) -> list[AlignedSpan]:
        """Take one block; return what can leave now, oldest first.

        Parameters
        ----------
        block : StrainBlock or WitnessBlock
            As decoded. Never raises for what a block says: an unsound one is refused and counted.
        """
        return self._take(block) + self._release()

    def push_all(self, blocks: Sequence[StrainBlock | WitnessBlock]) -> list[AlignedSpan]:
        """Take blocks that came together, at most a few seconds of data; return what can leave now, oldest first."""
        spans = []
        for block in blocks:
            spans += self._take(block)
        return spans + self._release()

    def _take(self, block: StrainBlock | WitnessBlock) -> list[AlignedSpan]:
        """Put a block in its place; what leaves here already is what a jump of the timeline lets go."""
        lane = self._lanes.get(block.detector)
        if lane is None:
            self._unknown += 1
            return []
        if isinstance(block, WitnessBlock):
            self._take_witness(lane, block)
            return []
        lane.counters.blocks += 1
        if not is_sound(block):
            lane.counters.refused["malformed"] += 1
            return []
        if self._next is not None and block.gps_ns // HOP_NS > self._watermark + JUMP_HOPS:
            return self._take_suspicious(block)
        self._send_away(self._guard.release())
        self._accept(lane, block)
        return []

    def flush(self) -> list[AlignedSpan]:
        """Release everything held, at the end of a stream; what did not come is marked."""
        self._send_away(self._guard.release())
        return self._emit(self._watermark)

    @property
    def stats(self) -> AlignStats:
        """Snapshot of the counters."""
        known = self._next is not None
        return AlignStats(
            detectors=tuple(lane.stats(self._present(lane)) for lane in self._lanes.values()),
            watermark_ns=self._watermark * HOP_NS if known else None,
            released_ns=self._next * HOP_NS if self._next is not None else None,
            skips=self._skips,
            skipped_ns=self._skipped_hops * HOP_NS,
            unknown_detector_blocks=self._unknown,
        )

    def _take_witness(self, lane: Lane, block: WitnessBlock) -> None:
        if not self._use_witnesses or self._next is None:
            return
        if not block.groups or not is_sound(block) or block.end_ns // HOP_NS > self._next + RING_HOPS:
            lane.counters.refused["malformed witness"] += 1
            return
        lane.write_witness(block, self._next)

    def _take_suspicious(self, block: StrainBlock) -> list[AlignedSpan]:
        self._send_away(self._guard.hold(block))
        present = [name for name, lane in self._lanes.items() if self._present(lane) and lane.newest is not None]
        if not self._guard.believed(present, lambda name: self._wait(self._lanes[name])):
            return []
        held = self._guard.release()
        spans = self._skip_to(held[0].gps_ns // HOP_NS)
        for believed in held:
            self._accept(self._lanes[believed.detector], believed)
            spans += self._release()
        return spans

    def _send_away(self, refuted: list[StrainBlock]) -> None:
        for block in refuted:
            self._lanes[block.detector].counters.refused["clock jump"] += 1

    def _accept(self, lane: Lane, block: StrainBlock) -> None:
        """Put a sound, plausible block on the timeline."""
        start, end = block.gps_ns // HOP_NS, block.end_ns // HOP_NS
        if self._next is None:
            self._next = self._watermark = start
        if not self._started and start < self._next:
            self._move_start_back(start, end)
        step = max(0, end - self._watermark)
        self._watermark += step
        self._data_hops += min(step, end - start)
        if lane.newest is None or end > lane.newest:
            lane.note_delay(self._watermark - end)
        late_start, late_stop = lane.write(block, self._next)
        if late_stop > late_start:
            self._late.note(lane.detector, late_start, late_stop)
        if end >= self._watermark - self._wait(lane):
            lane.heard_at = self._data_hops

    def _move_start_back(self, start: int, end: int) -> None:
        """Before anything left, an earlier block is the start; far earlier, it is right and the first was wrong."""
        if self._floor is not None:
            start = max(start, self._floor)
        if self._watermark - start > MAX_WAIT_HOPS:
            for lane in self._lanes.values():
                lane.forget()
            self._watermark = max(start, end)
        self._next = start

    def _longest(self, lane: Lane) -> int:
        return lane.longest_block or max(other.longest_block for other in self._lanes.values())

    def _wait(self, lane: Lane) -> int:
        """Hops by which the watermark may pass a hop's end before this detector is overdue."""
        usual = lane.usual_delay + 1
        lateness = max(self._lateness, usual) if usual <= self._max_lateness else self._lateness
        grace = self._absent_after if lane.heard_at is None else lateness
        return min(grace + self._longest(lane), MAX_WAIT_HOPS)

    def _present(self, lane: Lane) -> bool:
        """Whether a detector is awaited."""
        silent = self._data_hops - (lane.heard_at or 0)
        return silent <= self._absent_after + self._longest(lane)

    def _release(self) -> list[AlignedSpan]:
        if self._next is None:
            return []
        if not self._started:
            self._started = self._watermark - self._next > self._lateness
        return self._emit(self._ready()) if self._started else []

    def _ready(self) -> int:
        """Return the first hop that cannot leave yet."""
        assert self._next is not None
        ready = self._watermark
        for lane in self._lanes.values():
            if self._present(lane):
                overdue = self._watermark - 1 - self._wait(lane)
                begin = min(max(self._next, overdue), ready)
                ready = min(ready, lane.ring.first_empty(begin, ready) if lane.ring is not None else begin)
            ready = self._ready_with_witnesses(lane, ready)
        return ready

    def _ready_with_witnesses(self, lane: Lane, ready: int) -> int:
        assert self._next is not None
        if lane.witness_ring is None or lane.witness_newest is None:
            return ready
        longest = lane.longest_witness_block
        if self._watermark - lane.witness_newest > self._absent_after + longest:
            return ready
        begin = min(max(self._next, self._watermark - longest), ready)
        return lane.witness_ring.first_empty(begin, ready)

    def _emit(self, stop: int) -> list[AlignedSpan]:
        spans = []
        while self._next is not None and self._next < stop:
            end = min(stop, self._next + self._max_hops)
            spans.append(self._span(self._next, end))
            self._next = self._floor = end
            self._started = True
        return spans

    def _span(self, start: int, stop: int) -> AlignedSpan:
        masked = self._late.take()
        segments = []
        for lane in self._lanes.values():
            samples, codes = lane.take(start, stop, lane.empty_code(self._present(lane)), self._common_rate_hz())
            segments.append(
                Segment(
                    detector=lane.detector,
                    gps_ns=start * HOP_NS,
                    sample_rate_hz=len(samples) // (stop - start) * HOPS_PER_S,
                    samples=samples,
                    valid=codes == VALID,
                    witnesses=lane.take_witness(start, stop),
                )
            )
            masked += masked_runs(lane.detector, start, codes)
        return AlignedSpan(tuple(segments), tuple(masked))

    def _common_rate_hz(self) -> int:
        """Rate of a detector that was never heard: that of the first one that was."""
        return next((lane.ring.rate_hz for lane in self._lanes.values() if lane.ring is not None), DEFAULT_RATE_HZ)

    def _skip_to(self, hop: int) -> list[AlignedSpan]:
        """Release all that is held and two masked seconds, then move the timeline and say so in the last span."""
        assert self._next is not None
        tail_end = min(hop, self._watermark + SKIP_TAIL_HOPS)
        spans = self._emit(tail_end)
        skipped = tuple(Masked(name, tail_end * HOP_NS, hop * HOP_NS, SKIPPED) for name in self._lanes)
        if spans and 0 < hop - tail_end <= _EPOCH_HOPS:
            spans[-1] = replace(spans[-1], masked=spans[-1].masked + skipped)
        for lane in self._lanes.values():
            lane.forget()
        self._skips += 1
        self._skipped_hops += hop - tail_end if hop - tail_end <= _EPOCH_HOPS else 0
        self._next = self._watermark = self._floor = hop
        self._started = False
        return spans
