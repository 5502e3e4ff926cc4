"""Peaks: confirmed as early as they may be, one per event, the same for any cutting of the stream."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect import PeakFinder, Ranked
from stream.detect.head import QUIET
from stream.records import Peak
from stream.settings import DetectSettings
from stream.timebase import NS_PER_S

RATE = 128
START_S = 1_000_000_000
DELAY = 10


def find(statistic: np.ndarray, cuts: list[int]) -> list[Peak]:
    finder = PeakFinder(DetectSettings(confirm_s=0.09, dead_time_s=1.0, min_statistic=0.0), RATE, DELAY)
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


def test_within_the_dead_time_only_something_louder_is_reported() -> None:
    statistic = quiet()
    statistic[100], statistic[150], statistic[200] = 5.0, 4.0, 7.0
    assert [p.statistic for p in find(statistic, [1])] == [5.0, 7.0]


def test_after_the_dead_time_a_weaker_peak_is_an_event_of_its_own() -> None:
    statistic = quiet()
    statistic[100], statistic[240] = 5.0, 4.0
    assert [p.statistic for p in find(statistic, [1])] == [5.0, 4.0]


def test_frames_that_nobody_heard_ring_no_bell() -> None:
    assert find(np.full(640, QUIET), [3]) == []


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_any_cutting_gives_the_same_peaks(seed: int, cuts: list[int]) -> None:
    statistic = np.random.default_rng(seed).normal(-2.0, 3.0, 960)
    assert find(statistic, cuts) == find(statistic, [1])
