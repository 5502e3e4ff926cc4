"""False-alarm rates: monotone, never below one over the background's time, the larger of live and shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ModelError
from stream.records import Peak
from stream.settings import SignificanceSettings
from stream.significance import BackgroundCounts, Significance, load_shipped
from stream.significance.background import KEPT
from stream.significance.far import Counts

floats = st.floats(-50, 50, allow_nan=False)
SETTINGS = SignificanceSettings()
COUNTED_S = 10 / SETTINGS.far_threshold_hz
LIMIT_S = 1 / SETTINGS.significant_far_hz


def peak(statistic: float, detectors: tuple[str, ...] = ("H1", "L1")) -> Peak:
    return Peak(1_000_000_000, statistic, detectors, (), 1_100_000_000)


class Live:
    """Stands where live slides stand, with counts made by hand."""

    def __init__(self, counts: BackgroundCounts) -> None:
        self.counts: dict[tuple[str, ...], Counts] = {("H1", "L1"): counts}


def background(draw_s: tuple[float, float]) -> st.SearchStrategy[BackgroundCounts]:
    return st.builds(BackgroundCounts, st.floats(*draw_s), st.lists(floats, max_size=60))


@given(values=st.lists(floats, max_size=200), a=floats, b=floats)
def test_far_falls_as_the_statistic_grows(values: list[float], a: float, b: float) -> None:
    counts = BackgroundCounts(1000.0, values)
    low, high = min(a, b), max(a, b)
    assert counts.far_hz(high)[0] <= counts.far_hz(low)[0]


@given(values=st.lists(floats, max_size=50), at=floats, duration_s=st.floats(1, 1e8))
def test_far_is_never_below_one_over_the_time(values: list[float], at: float, duration_s: float) -> None:
    far_hz, is_limit = BackgroundCounts(duration_s, values).far_hz(at)
    assert far_hz >= 1 / duration_s
    assert is_limit == (sum(v >= at for v in values) == 0)


def test_the_loudest_are_kept_exactly_when_memory_is_full() -> None:
    counts = BackgroundCounts()
    counts.add([float(k) for k in range(3 * KEPT)], 100.0)
    assert counts.count(3 * KEPT - 10) == 10
    assert counts.count(0.0) == KEPT
    assert BackgroundCounts.from_dict(counts.as_dict()).as_dict() == counts.as_dict()


@given(live=background((1, 1e9)), shipped=background((1e5, 1e9)), a=floats, b=floats)
def test_a_louder_statistic_never_has_a_higher_far_and_none_is_below_what_is_known(
    live: BackgroundCounts, shipped: BackgroundCounts, a: float, b: float
) -> None:
    """Whatever the two backgrounds hold: the rule before this gave 12.5 more than 11.5 gets, 475 times too little."""
    significance = Significance(SETTINGS, {2: shipped}, Live(live), "m-1")
    low, high = (significance.assess(peak(value)) for value in sorted((a, b)))
    assert high.far_hz <= low.far_hz
    for candidate in (low, high):
        statistic = candidate.peak.statistic
        assert candidate.far_hz >= shipped.far_hz(statistic)[0]
        if live.duration_s >= (COUNTED_S if live.count(statistic) else LIMIT_S):
            assert candidate.far_hz >= live.far_hz(statistic)[0]
        used = live if candidate.background.source == "live" else shipped
        assert (candidate.far_hz, candidate.far_is_limit) == used.far_hz(statistic)
        assert candidate.background.duration_s == used.duration_s


@pytest.mark.parametrize(
    ("duration_s", "louder", "source", "far_hz"),
    [
        (0.9 * COUNTED_S, 100, "shipped", 2e-9),  # too young to be asked
        (1.1 * COUNTED_S, 100, "live", 101 / (1.1 * COUNTED_S)),
        (1e7, 9, "live", 10 / 1e7),
        (1e7, 0, "shipped", 2e-9),  # "less than 1e-7" is no objection from a run this young
        (1e8, 0, "live", 1e-8),
        (2e9, 0, "shipped", 2e-9),  # the shipped one says more
    ],
)
def test_live_speaks_once_it_is_long_enough_and_the_larger_rate_counts(
    duration_s: float, louder: int, source: str, far_hz: float
) -> None:
    live = Live(BackgroundCounts(duration_s, [9.0] * louder))
    significance = Significance(SETTINGS, {2: BackgroundCounts(1e9, [8.5])}, live, "m-1")
    candidate = significance.assess(peak(8.0))
    assert candidate.background.source == source
    assert candidate.far_hz == pytest.approx(far_hz)
    assert candidate.far_is_limit == (source == "live" and louder == 0)


def test_more_detectors_than_were_measured_take_the_largest_measured_set() -> None:
    significance = Significance(SETTINGS, {1: BackgroundCounts(10.0), 2: BackgroundCounts(1e6)}, None, "m")
    assert significance.assess(peak(1.0, ("H1", "K1", "L1"))).background.duration_s == 1e6


def test_a_background_file_that_is_not_one_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "background.json"
    file.write_text("{}")
    with pytest.raises(ModelError, match=r"background\.json"):
        load_shipped(file)
