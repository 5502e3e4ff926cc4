"""Chunk invariance and gap safety of the whole search (invariants 2 and 3)."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.report import Report
from pipelines.search import Block, compose, search
from stream.records import DataQuality, StrainBlock
from stream.settings import Settings
from stream.simulate.detector import Injection, NetworkConfig, SyntheticNetwork
from stream.simulate.waveforms import BinaryParameters
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import FloatArray

START_NS = 1_400_000_000 * NS_PER_S
MERGER_NS = START_NS + 15 * NS_PER_S + 300_000_000
N_HOPS = 17 * 16
PER_HOP = 256
DETECTORS = ("H1", "L1")


@cache
def strain(detector: str) -> FloatArray:
    network = SyntheticNetwork(NetworkConfig(seed=5, witnesses=False))
    binary = BinaryParameters(36.0, 29.0, ra_rad=1.0, dec_rad=0.7, geocent_ns=MERGER_NS)
    network.inject(Injection(binary, network_snr=30.0))
    return network.strain(detector, START_NS // HOP_NS * PER_HOP, N_HOPS * PER_HOP)


def blocks_of(detector: str, lengths: list[int], gap: tuple[int, int]) -> list[Block]:
    """Cut a detector's strain; a gap's hops are not sent, or are sent as NaN where a block spans its edge."""
    samples = strain(detector).copy()
    samples[gap[0] * PER_HOP : gap[1] * PER_HOP] = np.nan
    out: list[Block] = []
    at, k = 0, 0
    while at < N_HOPS:
        hops = min(lengths[k % len(lengths)], N_HOPS - at)
        piece = samples[at * PER_HOP : (at + hops) * PER_HOP]
        if not np.isnan(piece).all():
            good = np.full(hops, DataQuality.all_good(), np.uint32)
            out.append(StrainBlock(detector, "X", START_NS + at * HOP_NS, 4096, piece, good, k))
        at, k = at + hops, k + 1
    return out


def found(lengths: dict[str, list[int]], gap: tuple[int, int]) -> Report:
    """Search a pair, L1 with a gap, in the order in which the blocks would come."""
    blocks = [b for d in DETECTORS for b in blocks_of(d, lengths[d], gap if d == "L1" else (0, 0))]
    blocks.sort(key=lambda b: (b.end_ns, b.detector))
    report = Report(detectors=DETECTORS)
    search(blocks, compose(Settings()), report)
    return report


@cache
def reference(gap: tuple[int, int]) -> Report:
    return found({d: [1] for d in DETECTORS}, gap)


GAPS = st.tuples(st.integers(0, 12 * 16), st.integers(0, 24)).map(lambda g: (g[0], g[0] + g[1]))
LENGTHS = st.lists(st.integers(1, 64), min_size=1, max_size=5)


@settings(max_examples=12, deadline=None)
@given(h1=LENGTHS, l1=LENGTHS, gap=GAPS)
def test_block_lengths_change_neither_the_candidate_nor_what_is_masked(
    h1: list[int], l1: list[int], gap: tuple[int, int]
) -> None:
    expected, actual = reference(gap), found({"H1": h1, "L1": l1}, gap)
    assert [c.gps_ns for _, c in actual.candidates] == [c.gps_ns for _, c in expected.candidates]
    for (_, one), (_, other) in zip(actual.candidates, expected.candidates, strict=True):
        assert abs(one.peak.statistic - other.peak.statistic) < 1e-4
        assert one.peak.detectors == other.peak.detectors
    assert actual.masked_seconds() == expected.masked_seconds()


@settings(max_examples=12, deadline=None)
@given(gap=GAPS)
def test_a_gap_before_the_merger_neither_hides_it_nor_makes_another(gap: tuple[int, int]) -> None:
    """It ends two seconds or more before the merger; H1's strain is untouched."""
    report = reference(gap)
    (candidate,) = (c for _, c in report.candidates)
    assert abs(candidate.gps_ns - MERGER_NS) < 50_000_000
    assert report.masked_seconds()["H1"] == 0.0
    assert report.masked_seconds()["L1"] == (gap[1] - gap[0]) / 16
