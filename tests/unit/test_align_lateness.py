"""How late is late: a detector's own delay, its bound, and that nothing late goes uncounted."""

from __future__ import annotations

import numpy as np
import pytest

from stream.align import Aligner
from stream.records import AlignedSpan, DataQuality, StrainBlock
from stream.settings import AlignSettings, StrainSettings
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S

T0 = 1_126_259_446 * HOPS_PER_S


def strain(detector: str, hop: int) -> StrainBlock:
    quality = np.full(1, DataQuality.all_good(), dtype=np.uint32)
    return StrainBlock(detector, f"{detector}:X", (T0 + hop) * HOP_NS, 4096, np.zeros(256), quality)


def deliver(delay_hops: int, hops: int, aligner: Aligner | None = None, start: int = 0) -> list[AlignedSpan]:
    """Deliver blocks of H1 at once and of L1 always the same number of hops later."""
    aligner = aligner or Aligner(AlignSettings(), StrainSettings())
    spans = []
    for hop in range(start, start + hops):
        spans += aligner.push(strain("H1", hop))
        if hop - delay_hops >= 0:
            spans += aligner.push(strain("L1", hop - delay_hops))
    return spans


def valid_fraction(spans: list[AlignedSpan], detector: str) -> float:
    valid = np.concatenate([s.valid for span in spans for s in span.segments if s.detector == detector])
    return float(valid.mean())


@pytest.mark.parametrize("delay_hops", [6, 8, 14])
def test_a_detector_that_is_always_late_is_heard_whole_once_its_delay_is_known(delay_hops: int) -> None:
    aligner = Aligner(AlignSettings(), StrainSettings())
    deliver(delay_hops, 100, aligner)
    later = deliver(delay_hops, 200, aligner, start=100)
    assert valid_fraction(later, "L1") == 1.0
    assert valid_fraction(later, "H1") == 1.0


def test_a_detector_later_than_the_bound_holds_nobody() -> None:
    """L1 is always 1.5 s late: past its first seconds each hop of H1 leaves with H1's own block."""
    aligner = Aligner(AlignSettings(), StrainSettings())
    deliver(24, 100, aligner)
    assert aligner.stats.released_ns == aligner.stats.watermark_ns


def test_one_late_block_does_not_make_everybody_wait() -> None:
    aligner = Aligner(AlignSettings(), StrainSettings())
    deliver(0, 64, aligner)
    aligner.push(strain("H1", 64))
    for hop in range(65, 70):
        aligner.push(strain("H1", hop))
    aligner.push(strain("L1", 64))
    for hop in range(65, 70):
        aligner.push(strain("L1", hop))
    for hop in range(70, 80):
        aligner.push(strain("H1", hop))
    released = aligner.stats.released_ns
    assert released is not None
    assert 80 - (released // HOP_NS - T0) <= 10


def test_every_late_second_is_told_however_many_there_are() -> None:
    """L1 delivers every other hop of forty seconds after all of H1 has left without it."""
    aligner = Aligner(AlignSettings(), StrainSettings())
    for hop in range(1000):
        aligner.push(strain("H1", hop))
    spans = [s for hop in range(0, 900, 2) for s in aligner.push(strain("L1", hop))]
    spans += aligner.push(strain("H1", 1000))
    late_s = sum((m.end_ns - m.gps_ns) / NS_PER_S for s in spans for m in s.masked if m.reason == "late")
    assert late_s == pytest.approx(450 / 16)


def test_blocks_taken_together_give_what_blocks_taken_singly_do() -> None:
    singly, together = (Aligner(AlignSettings(), StrainSettings()) for _ in range(2))
    blocks = [strain(d, hop) for hop in range(64) for d in ("H1", "L1")]
    one = [s for b in blocks for s in singly.push(b)]
    many = [s for k in range(0, 128, 32) for s in together.push_all(blocks[k : k + 32])]
    assert sum(s.n_hops for s in many) == sum(s.n_hops for s in one)
    assert len(many) < len(one) / 8
    assert all(s.valid.all() for span in many for s in span.segments)


def test_a_first_block_from_another_epoch_adds_no_decades_to_what_was_skipped() -> None:
    aligner = Aligner(AlignSettings(), StrainSettings())
    old = StrainBlock("H1", "H1:X", 0, 4096, np.zeros(256), np.full(1, 127, dtype=np.uint32))
    aligner.push(old)
    spans = deliver(0, 64, aligner)
    skipped_ns = sum(m.end_ns - m.gps_ns for s in spans for m in s.masked if m.reason == "skipped")
    assert skipped_ns == 0
    assert aligner.stats.skipped_ns == 0
