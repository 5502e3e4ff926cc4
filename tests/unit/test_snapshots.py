"""What goes with a candidate: the whitened strain around it, and the filters that made it."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.snapshots import Snapshots
from stream.records import Background, Candidate, FilterInForce, Peak, WhitenedSegment
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S

START_NS = 1_400_000_000 * NS_PER_S
HOP = 128
END_S = 40
FILTERS = {at_s: FilterInForce(START_NS + at_s * NS_PER_S, np.full(4, float(at_s))) for at_s in (0, 8, 20, 29)}


def candidate(after_s: float, heard: tuple[str, ...] = ("H1", "L1")) -> Candidate:
    gps_ns = START_NS + round(after_s * NS_PER_S)
    peak = Peak(gps_ns, 9.0, ("H1", "L1"), (("H1", 6.0), ("L1", 7.0)), gps_ns + 200_000_000, heard)
    return Candidate(peak, 1e-9, False, Background("shipped", 1e9, ("H1", "L1")), "test-1")


def segment(detector: str, first_hop: int, n_hops: int) -> WhitenedSegment:
    """Samples count up from the beginning, so that each says when it is; V1 is never valid."""
    begin_ns, end_ns = (START_NS + hop * HOP_NS for hop in (first_hop, first_hop + n_hops))
    samples = np.arange(first_hop * HOP, (first_hop + n_hops) * HOP, dtype=np.float32)
    valid = np.full(n_hops, detector != "V1")
    filters = tuple(f for f in FILTERS.values() if begin_ns <= f.gps_ns < end_ns)
    return WhitenedSegment(detector, begin_ns, HOP * HOPS_PER_S, samples, valid, filters)


def heard(span_hops: int, end_s: int = END_S, begin_s: int = 0) -> Snapshots:
    ring = Snapshots()
    for hop in range(begin_s * HOPS_PER_S, end_s * HOPS_PER_S, span_hops):
        ring.add([segment(d, hop, span_hops) for d in ("H1", "L1", "V1")])
    return ring


@pytest.mark.parametrize("span_hops", [1, 2, 16, 64])
def test_every_detector_that_was_heard_has_the_same_stretch_however_it_was_cut(span_hops: int) -> None:
    """From half a second after a whole one, 13 to 14 s before the merger, to the end of what has come."""
    strain = heard(span_hops).of(candidate(39.7)).strain
    assert [s.detector for s in strain] == ["H1", "L1"]
    for one in strain:
        assert (one.gps_ns - START_NS, one.end_ns - START_NS) == (26_500_000_000, END_S * NS_PER_S)
        assert one.samples.tolist() == list(range(26 * 2048 + 1024, END_S * 2048))
        assert len(one.valid) == 27 * HOPS_PER_S // 2


@pytest.mark.parametrize("span_hops", [1, 16])
def test_the_filter_in_force_at_the_beginning_comes_first(span_hops: int) -> None:
    """Though it came into force long before, in a span that is no longer kept."""
    (strain, *_) = heard(span_hops).of(candidate(39.7)).strain
    assert [f.gps_ns for f in strain.filters] == [FILTERS[20].gps_ns, FILTERS[29].gps_ns]
    (early, *_) = heard(span_hops, 19).of(candidate(18.7)).strain
    assert [f.gps_ns for f in early.filters] == [FILTERS[0].gps_ns, FILTERS[8].gps_ns]


def test_a_detector_without_strain_at_the_merger_is_left_out() -> None:
    """Also where the network does not say who was heard."""
    for told in ((), ("H1", "L1", "V1")):
        assert [s.detector for s in heard(1).of(candidate(39.7, told)).strain] == ["H1", "L1"]
    assert [s.detector for s in heard(1).of(candidate(39.7, ("H1",))).strain] == ["H1"]


def test_a_search_that_has_just_begun_hands_on_what_it_has() -> None:
    assert {s.n_hops for s in heard(1, 5).of(candidate(4.7)).strain} == {5 * HOPS_PER_S}
    assert Snapshots().of(candidate(4.7)).strain == ()


def test_where_the_stream_jumps_all_begins_anew_and_the_filter_stays() -> None:
    ring = heard(1, 10)
    for hop in range(35 * HOPS_PER_S, END_S * HOPS_PER_S):
        ring.add([segment("H1", hop, 1)])
    (strain,) = ring.of(candidate(39.7, ("H1",))).strain
    assert (strain.gps_ns - START_NS) // NS_PER_S == 35
    assert strain.filters == (FILTERS[8],)


def test_strain_without_a_filter_is_none() -> None:
    assert heard(1, 40, 30).of(candidate(39.7)).strain == ()


def test_what_is_kept_is_bounded_and_not_copied() -> None:
    ring = heard(1, 1000)
    assert len(ring._spans) <= 16 * HOPS_PER_S
    newest = segment("H1", 1000 * HOPS_PER_S, 1)
    ring.add([newest])
    assert ring._spans[-1][0].samples is newest.samples
