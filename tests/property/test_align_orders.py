"""Whatever the order, the lengths and the copies of blocks within the lateness, the aligned stream is the same."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.align import Aligner, merge_masked
from stream.align.aligner import MAX_WAIT_HOPS
from stream.records import AlignedSpan, DataQuality, StrainBlock
from stream.settings import AlignSettings, StrainSettings
from stream.timebase import HOP_NS, HOPS_PER_S

RATE = 256  # low, to keep the test small; the aligner takes any rate on the grid
HOP = RATE // HOPS_PER_S
T0 = 1_126_259_446 * HOPS_PER_S + 5
N_HOPS = 96
LATENESS_HOPS = 32
DETECTORS = ("H1", "L1", "V1")
GOOD = int(DataQuality.all_good())


def stream_of(detector: str) -> np.ndarray:
    """The truth: samples of a detector, shape (N_HOPS, HOP)."""
    return np.random.default_rng(DETECTORS.index(detector)).standard_normal((N_HOPS, HOP))


TRUTH = {name: stream_of(name) for name in DETECTORS}


def block(detector: str, start: int, stop: int) -> StrainBlock:
    samples = TRUTH[detector][start:stop].reshape(-1)
    mask = np.full(stop - start, GOOD, dtype=np.uint32)
    return StrainBlock(detector, "c", (T0 + start) * HOP_NS, RATE, samples, mask)


@st.composite
def cuts(draw: st.DrawFn, longest: int = 16) -> list[tuple[int, int]]:
    """Cut a stream into blocks of any lengths up to ``longest`` hops."""
    edges = [0]
    while edges[-1] < N_HOPS:
        edges.append(min(N_HOPS, edges[-1] + draw(st.integers(1, longest))))
    return list(itertools.pairwise(edges))


@st.composite
def deliveries(draw: st.DrawFn) -> list[StrainBlock]:
    """All blocks of all detectors, some twice, each delivered within the lateness of its own start."""
    timed: list[tuple[int, int, StrainBlock]] = []
    for name in DETECTORS:
        for start, stop in draw(cuts()):
            for _ in range(draw(st.integers(1, 2))):
                delay = draw(st.integers(0, LATENESS_HOPS - 16))
                timed.append((stop + delay, draw(st.integers(0, 9)), block(name, start, stop)))
    return [b for _, _, b in sorted(timed, key=lambda item: item[:2])]


def align(blocks: list[StrainBlock], max_hops: int = 16) -> tuple[list[AlignedSpan], int]:
    """Spans, checked to be contiguous, and the most hops that were held at any time."""
    aligner = Aligner(
        # No silence in these tests is long enough to make a detector absent: that has tests of its own.
        AlignSettings(lateness_s=LATENESS_HOPS / HOPS_PER_S, max_hops=max_hops, absent_after_s=7),
        StrainSettings(detectors=DETECTORS),
    )
    spans, held = [], 0
    for item in blocks:
        spans += aligner.push(item)
        stats = aligner.stats
        held = max(held, ((stats.watermark_ns or 0) - (stats.released_ns or 0)) // HOP_NS)
    spans += aligner.flush()
    for before, after in itertools.pairwise(spans):
        assert before.end_ns == after.gps_ns
    assert all(span.n_hops <= max_hops for span in spans)
    return spans, held


def joined(spans: list[AlignedSpan], detector: str) -> tuple[np.ndarray, np.ndarray]:
    segments = [s for span in spans for s in span.segments if s.detector == detector]
    return np.concatenate([s.samples for s in segments]), np.concatenate([s.valid for s in segments])


@settings(max_examples=40, deadline=None)
@given(deliveries(), st.integers(1, 40))
def test_order_lengths_and_copies_change_nothing(blocks: list[StrainBlock], max_hops: int) -> None:
    """Any delivery within the lateness gives the whole stream, all valid, nothing masked, bounded memory."""
    spans, held = align(blocks, max_hops)
    assert spans[0].gps_ns == T0 * HOP_NS
    for name in DETECTORS:
        samples, valid = joined(spans, name)
        assert valid.all()
        assert np.array_equal(samples, TRUTH[name].reshape(-1))
    assert [m for span in spans for m in span.masked] == []
    assert held <= MAX_WAIT_HOPS + 1


@settings(max_examples=40, deadline=None)
@given(cuts(), cuts(), st.data())
def test_exactly_the_lost_hops_are_invalid(
    h1: list[tuple[int, int]], l1: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Blocks that never come mask their own hops of their own detector, and nothing else."""
    lost = data.draw(st.sets(st.sampled_from(l1[:-1] or l1), max_size=4))
    blocks = [block("H1", *cut) for cut in h1] + [block("V1", i, i + 1) for i in range(N_HOPS)]
    blocks += [block("L1", *cut) for cut in l1 if cut not in lost]
    spans, _ = align(sorted(blocks, key=lambda b: (b.end_ns, b.detector)))
    expected = np.ones(N_HOPS, dtype=np.bool_)
    for start, stop in lost:
        expected[start:stop] = False
    samples, valid = joined(spans, "L1")
    assert np.array_equal(valid, expected)
    assert np.array_equal(samples, np.where(expected[:, None], TRUTH["L1"], 0.0).reshape(-1))
    assert joined(spans, "H1")[1].all() and joined(spans, "V1")[1].all()
    masked = merge_masked(m for span in spans for m in span.masked)
    assert {m.detector for m in masked} <= {"L1"}
    assert sum(m.end_ns - m.gps_ns for m in masked) == int(np.count_nonzero(~expected)) * HOP_NS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(DETECTORS), st.integers(-2000, 4000), st.integers(1, 128)), max_size=80))
def test_any_nonsense_keeps_the_timeline_forward_and_memory_bounded(moves: list[tuple[str, int, int]]) -> None:
    """Blocks at wild times: spans never overlap or go back, nothing raises, what is held stays bounded."""
    aligner = Aligner(AlignSettings(), StrainSettings(detectors=DETECTORS))
    spans = []
    for name, start, n_hops in moves:
        mask = np.full(n_hops, GOOD, dtype=np.uint32)
        spans += aligner.push(StrainBlock(name, "c", (T0 + start) * HOP_NS, RATE, np.ones(n_hops * HOP), mask))
        stats = aligner.stats
        assert ((stats.watermark_ns or 0) - (stats.released_ns or 0)) // HOP_NS <= MAX_WAIT_HOPS + 1
    spans += aligner.flush()
    for before, after in itertools.pairwise(spans):
        skipped = max((m.end_ns for m in before.masked if m.reason == "skipped"), default=before.end_ns)
        assert after.gps_ns == skipped >= before.end_ns
    for span in spans:
        for segment in span.segments:
            rows = segment.samples.reshape(segment.n_hops, -1)
            assert np.array_equal(rows == 1.0, np.broadcast_to(segment.valid[:, None], rows.shape))
