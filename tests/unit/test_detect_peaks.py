"""Peaks: every local maximum, confirmed as early as it may be, the same for any cutting of the stream."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect import PeakFinder, Ranked
from stream.records import QUIET, Peak
from stream.settings import DetectSettings
from stream.timebase import NS_PER_S

RATE = 128
START_S = 1_000_000_000
DELAY = 10


def find(statistic: np.ndarray, cuts: list[int]) -> list[Peak]:
    finder = PeakFinder(DetectSettings(confirm_s=0.09, min_statistic=0.0), RATE, DELAY)
    peaks: list[Peak] = []
    start, k = 0, 0
    while start < len(statistic):
        stop = min(len(statistic), start + 8 * cuts[k % len(cuts)])
        values = statistic[start:stop]
        heard = np.ones((2, len(values)), np.bool_)
        gps_ns = START_S * NS_PER_S + start * NS_PER_S // RATE
        peaks += finder.step(Ranked(gps_ns, RATE, ("H1", "L1"), values, heard, np.ones_like(heard, float)))
        start, k = stop, k + 1
    return peaks


def quiet(n: int = 640) -> np.ndarray:
    return np.full(n, -5.0)


def test_a_peak_is_reported_once_at_the_merger_time_of_its_frame() -> None:
    statistic = quiet()
    statistic[300:304] = [3.0, 9.0, 8.0, 2.0]
    peaks = find(statistic, [1])
    assert [p.statistic for p in peaks] == [9.0]
    expected_ns = START_S * NS_PER_S + round((301 - DELAY + 0.5) / RATE * NS_PER_S)
    assert abs(peaks[0].gps_ns - expected_ns) <= 1
    assert peaks[0].detectors == ("H1", "L1")
    assert peaks[0].confirmed_ns == START_S * NS_PER_S + round((301 + 12 + 1) / RATE * NS_PER_S)


def test_every_peak_is_reported_whichever_of_them_is_louder() -> None:
    """Which of them are one event, and which of those counts, is not the finder's to decide."""
    statistic = quiet()
    statistic[100], statistic[150], statistic[200] = 5.0, 4.0, 7.0
    assert [p.statistic for p in find(statistic, [1])] == [5.0, 4.0, 7.0]


def test_a_slope_is_no_peak() -> None:
    """On the way up and on the way down there is one: the top, though each side lasts longer than its confirmation."""
    statistic = quiet()
    statistic[100:200] = np.concatenate([np.linspace(1, 9, 60), np.linspace(8.9, 1, 40)])
    assert [p.statistic for p in find(statistic, [1])] == [9.0]


def test_what_is_lower_within_the_confirmation_time_of_a_peak_is_part_of_it() -> None:
    statistic = quiet()
    statistic[100], statistic[112] = 9.0, 5.0
    assert [p.statistic for p in find(statistic, [1])] == [9.0]
    statistic[100], statistic[112] = 5.0, 9.0
    assert [p.statistic for p in find(statistic, [1])] == [9.0]
    statistic[100], statistic[112], statistic[113] = 5.0, -5.0, 9.0
    assert [p.statistic for p in find(statistic, [1])] == [5.0, 9.0]


def test_a_plateau_is_one_peak_where_it_begins() -> None:
    statistic = quiet()
    statistic[100:140] = 5.0
    [peak] = find(statistic, [1])
    assert abs(peak.gps_ns - (START_S * NS_PER_S + round((100 - DELAY + 0.5) / RATE * NS_PER_S))) <= 1


def test_what_was_before_a_jump_of_the_data_hides_nothing_after_it() -> None:
    finder = PeakFinder(DetectSettings(), RATE, DELAY)
    heard = np.ones((2, 64), np.bool_)
    peaks: list[Peak] = []
    for start_s in (START_S, START_S + 10):
        statistic = quiet(64)
        statistic[0 if start_s > START_S else 63] = 9.0 if start_s == START_S else 5.0
        peaks += finder.step(
            Ranked(start_s * NS_PER_S, RATE, ("H1", "L1"), statistic, heard, np.ones_like(heard, float))
        )
    assert [p.statistic for p in peaks] == [9.0, 5.0]


def test_frames_that_nobody_heard_ring_no_bell() -> None:
    assert find(np.full(640, QUIET), [3]) == []


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_any_cutting_gives_the_same_peaks(seed: int, cuts: list[int]) -> None:
    statistic = np.random.default_rng(seed).normal(-2.0, 3.0, 960)
    assert find(statistic, cuts) == find(statistic, [1])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(13, 400))
def test_the_loudest_frame_is_reported_and_peaks_are_a_confirmation_time_apart(seed: int, n: int) -> None:
    """No event hides behind a bump; and the number of peaks handed on is bounded."""
    statistic = np.concatenate([np.random.default_rng(seed).normal(0.0, 3.0, n), quiet(16)])
    peaks = find(statistic, [1])
    if statistic.max() > 0:
        assert statistic.max() in [p.statistic for p in peaks]
    times_ns = [p.gps_ns for p in peaks]
    assert all(later - earlier >= 12 * NS_PER_S // RATE for earlier, later in pairwise(times_ns))
