"""Chunk invariance of conditioning (invariant 2)."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.condition import Conditioner
from stream.records import Segment
from stream.settings import ConditionSettings
from stream.timebase import HOP_NS, NS_PER_S

RATE = 4096
PER_HOP = RATE // 16
N_HOPS = 12 * 16
NOISE = np.random.default_rng(3).standard_normal(N_HOPS * PER_HOP) * 1e-21


def condition(cuts: list[int], valid: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
    conditioner = Conditioner("L1", ConditionSettings(psd_min_s=4.0))
    samples, flags = [], []
    changes_ns: list[int] = []
    start, k = 0, 0
    while start < N_HOPS:
        stop = min(N_HOPS, start + cuts[k % len(cuts)])
        piece = NOISE[start * PER_HOP : stop * PER_HOP] * np.repeat(valid[start:stop], PER_HOP)
        segment = Segment("L1", 1_000_000_003 * NS_PER_S + start * HOP_NS, RATE, piece, valid[start:stop])
        whitened = conditioner.step(segment)
        samples.append(whitened.samples)
        flags.append(whitened.valid)
        changes_ns += [f.gps_ns for f in whitened.filters]
        start, k = stop, k + 1
    return np.concatenate(samples), np.concatenate(flags), changes_ns


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 64), min_size=1, max_size=6),
    gap=st.tuples(st.integers(0, N_HOPS - 1), st.integers(0, 40)),
)
def test_any_block_lengths_give_the_same_whitened_strain(cuts: list[int], gap: tuple[int, int]) -> None:
    valid = np.ones(N_HOPS, np.bool_)
    valid[gap[0] : gap[0] + gap[1]] = False
    expected, expected_valid, expected_changes_ns = condition([1], valid)
    actual, actual_valid, changes_ns = condition(cuts, valid)
    assert changes_ns == expected_changes_ns
    np.testing.assert_array_equal(actual_valid, expected_valid)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
