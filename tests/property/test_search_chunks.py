"""Chunk invariance and gap safety of the whole search (invariants 2 and 3), with the network that costs least.

The matched-filter network's: ``tests/science/test_filterbank_stage.py`` and ``test_filterbank_network.py``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipelines.offline.report import Report
from pipelines.search import compose, one_by_one, search
from stream.records import Block, DataQuality, StrainBlock
from stream.settings import InferSettings, Settings
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


def blocks_of(detector: str, length: int, gap: tuple[int, int]) -> list[Block]:
    """Cut a detector's strain; a gap's hops are not sent, or are sent as NaN where a block spans its edge."""
    samples = strain(detector).copy()
    samples[gap[0] * PER_HOP : gap[1] * PER_HOP] = np.nan
    out: list[Block] = []
    at, k = 0, 0
    while at < N_HOPS:
        hops = min(length, N_HOPS - at)
        piece = samples[at * PER_HOP : (at + hops) * PER_HOP]
        if not np.isnan(piece).all():
            good = np.full(hops, DataQuality.all_good(), np.uint32)
            out.append(StrainBlock(detector, "X", START_NS + at * HOP_NS, 4096, piece, good, k))
        at, k = at + hops, k + 1
    return out


def found(lengths: dict[str, int], gap: tuple[int, int]) -> Report:
    """Search a pair, L1 with a gap, in the order in which the blocks would come."""
    blocks = [b for d in DETECTORS for b in blocks_of(d, lengths[d], gap if d == "L1" else (0, 0))]
    blocks.sort(key=lambda b: (b.end_ns, b.detector))
    report = Report(detectors=DETECTORS)
    search(one_by_one(blocks), compose(Settings(infer=InferSettings(model="first"))), report)
    return report


@cache
def reference(gap: tuple[int, int]) -> Report:
    return found(dict.fromkeys(DETECTORS, 1), gap)


GAPS = st.tuples(st.integers(0, 12 * 16), st.integers(0, 24)).map(lambda g: (g[0], g[0] + g[1]))
# Both detectors send blocks of one length, or each of its own. A length that nobody can know before it first comes may
# differ by what a detector that was never heard is awaited for (align.absent_after_s).
COMMON = st.integers(1, 64).map(lambda n: dict.fromkeys(DETECTORS, n))
OWN = st.fixed_dictionaries({d: st.integers(1, 24) for d in DETECTORS})
# A failing example is short as it stands; shrinking one would search for minutes.
QUICKLY = settings(max_examples=12, deadline=None, phases=(Phase.explicit, Phase.generate))


@QUICKLY
@given(lengths=st.one_of(COMMON, OWN), gap=GAPS)
def test_block_lengths_change_neither_the_candidate_nor_what_is_masked(
    lengths: dict[str, int], gap: tuple[int, int]
) -> None:
    expected, actual = reference(gap), found(lengths, gap)
    assert [c.gps_ns for _, c in actual.candidates] == [c.gps_ns for _, c in expected.candidates]
    for (_, one), (_, other) in zip(actual.candidates, expected.candidates, strict=True):
        assert abs(one.peak.statistic - other.peak.statistic) < 1e-4
        assert one.peak.detectors == other.peak.detectors
    assert actual.masked_seconds() == expected.masked_seconds()


@QUICKLY
@given(gap=GAPS)
def test_a_gap_before_the_merger_neither_hides_it_nor_makes_another(gap: tuple[int, int]) -> None:
    """It ends two seconds or more before the merger; H1's strain is untouched."""
    report = reference(gap)
    (candidate,) = (c for _, c in report.candidates)
    assert abs(candidate.gps_ns - MERGER_NS) < 50_000_000
    assert report.masked_seconds()["H1"] == 0.0
    assert report.masked_seconds()["L1"] == (gap[1] - gap[0]) / 16
