"""The rate of glitches that a detector's own triggers tell: what moves it, what does not, and when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect.glitch_rate import LAG_S, MEMORY_S, GlitchRate, glitches_in
from stream.records import Triggers
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import BoolArray, FloatArray

START_NS = 1_400_000_000 * NS_PER_S - 94_000_000
"""Where a stretch of triggers begins: its data began on a whole second."""
USUAL_HZ = 0.002
Given = tuple[Triggers, FloatArray]


def triggers(seconds: int, *found: tuple[float, float, float], valid: BoolArray | None = None) -> Given:
    """Return triggers of (seconds from the start, SNR, unlikeness)."""
    n = len(found)
    rows = sorted(found)
    made = Triggers(
        "H1",
        START_NS,
        seconds * NS_PER_S,
        np.ones(16 * seconds, np.bool_) if valid is None else valid,
        np.zeros(n, np.int32),
        np.array([START_NS + round(at * 1e9) for at, _, _ in rows], dtype=np.int64),
        np.array([snr for _, snr, _ in rows], dtype=np.complex64),
        np.ones((n, 2), np.float32),
        np.zeros(n, np.float32),
        np.ones(16 * seconds, np.float32),
    )
    return made, np.array([unlike for _, _, unlike in rows], dtype=np.float64)


def rate_at(seconds: float, *found: tuple[float, float, float], valid: BoolArray | None = None) -> float:
    """Return the rate that a faint trigger at a time has, after others."""
    length = int(seconds) + 1
    ln_rate = GlitchRate(USUAL_HZ).step(*triggers(length, *found, (seconds, 4.1, 0.0), valid=valid))
    return float(np.exp(ln_rate[-1]))


def test_the_rate_begins_as_usual_and_falls_to_a_hundredth_in_hours_of_quiet() -> None:
    assert rate_at(2.0) == pytest.approx(1.0)
    assert 0.3 < rate_at(MEMORY_S) < 0.5
    assert rate_at(8 * MEMORY_S) == pytest.approx(0.01, rel=0.1)


def test_glitches_raise_the_rate_to_how_often_they_come() -> None:
    often = [(float(at), 9.0, 2.0) for at in range(20, 6000, 100)]  # five times as often as usual
    assert rate_at(6000.0, *often) == pytest.approx(5.0, rel=0.2)


def test_a_signal_moves_nothing_and_one_that_is_like_nothing_moves_it_by_one_glitch() -> None:
    """However loud, and however unlike its templates what is heard round it by others of the bank."""
    quiet = rate_at(4000.0)
    like = [(3000.0, 40.0, 0.1), (3000.02, 30.0, 3.0), (2999.5, 12.0, 3.0), (3000.7, 9.0, 2.0)]
    assert rate_at(4000.0, *like) == pytest.approx(quiet)
    unlike = [(at, snr, 2.0) for at, snr, _ in like]
    once = np.exp(-1000.0 / MEMORY_S) / (USUAL_HZ * MEMORY_S)
    assert rate_at(4000.0, *unlike) == pytest.approx(quiet + once, rel=0.02)


def test_nothing_judges_itself() -> None:
    glitch = (100.5, 9.0, 2.0)
    before = rate_at(100.5 + LAG_S - 1)
    assert rate_at(100.5 + LAG_S - 1, glitch) == before
    assert rate_at(100.5 + LAG_S + 2, glitch) > before + 0.2


def test_a_detector_that_is_not_heard_is_not_quiet() -> None:
    deaf: BoolArray = np.arange(16 * 4001) < 16 * 10
    assert rate_at(4000.0, valid=deaf) == pytest.approx(1.0, abs=0.01)


def test_a_jump_ahead_is_not_heard_and_one_back_begins_anew() -> None:
    rate = GlitchRate(USUAL_HZ)
    own, unlike = triggers(3, (1.0, 4.1, 0.0))
    for jump_s in (1_000_000, -2_000_000):
        rate.step(own, unlike)
        moved = replace(own, gps_ns=own.gps_ns + jump_s * NS_PER_S, time_ns=own.time_ns + jump_s * NS_PER_S)
        assert np.exp(rate.step(moved, unlike)[0]) == pytest.approx(1.0, abs=0.01)


def random(seed: int) -> Given:
    rng = np.random.default_rng(seed)
    at, snr = rng.uniform(0.0, 60.0, 300), 4.0 * rng.random(300) ** -0.4
    valid: BoolArray = rng.random(960) > 0.1
    return triggers(60, *zip(at.tolist(), snr.tolist(), rng.normal(0.5, 1.0, 300).tolist(), strict=True), valid=valid)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 1000))
def test_any_cutting_and_any_restart_gives_the_same_rates(lengths: list[int], seed: int) -> None:
    own, unlike = random(seed)
    expected = GlitchRate(USUAL_HZ).step(own, unlike)
    rate, hop = GlitchRate(USUAL_HZ), 0
    found: list[FloatArray] = []
    while hop < len(own.valid):
        hops = lengths[len(found) % len(lengths)]
        start = own.gps_ns + hop * HOP_NS
        rows = np.flatnonzero((own.time_ns >= start) & (own.time_ns < start + hops * HOP_NS))
        part = replace(own.take(rows), gps_ns=start, valid=own.valid[hop : hop + hops])
        found.append(rate.step(part, unlike[rows]))
        again = GlitchRate(USUAL_HZ)
        again.restore(rate.state())
        rate, hop = again, hop + hops
    np.testing.assert_array_equal(np.concatenate(found), expected)
    assert len(np.unique(expected)) > 40


def test_glitches_of_a_stretch_are_counted_as_the_rate_counts_them() -> None:
    own, unlike = triggers(60, (5.0, 9.0, 2.0), (5.9, 8.0, 2.0), (20.0, 6.0, 3.0), (30.0, 9.0, 0.5), (40.0, 7.0, 1.5))
    assert glitches_in(own, unlike) == 2
