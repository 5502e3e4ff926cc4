"""False-alarm rates: monotone, never below one over the background's time, live when live knows more."""

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

floats = st.floats(-50, 50, allow_nan=False)


def peak(statistic: float, detectors: tuple[str, ...] = ("H1", "L1")) -> Peak:
    return Peak(1_000_000_000, statistic, detectors, (), 1_100_000_000)


class Live:
    """Stands where live slides stand, with counts made by hand."""

    def __init__(self, counts: BackgroundCounts) -> None:
        self.counts = {("H1", "L1"): counts}


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


@pytest.mark.parametrize(
    ("duration_s", "loud", "source"),
    [(1e3, 100, "shipped"), (1e7, 100, "live"), (1e7, 2, "shipped"), (1e9, 2, "live")],
)
def test_live_background_is_used_once_it_says_more(duration_s: float, loud: int, source: str) -> None:
    live = Live(BackgroundCounts(duration_s, [9.0] * loud))
    shipped = {2: BackgroundCounts(1e8, [1.0])}
    significance = Significance(SignificanceSettings(), shipped, live, "m-1")  # type: ignore[arg-type]
    candidate = significance.assess(peak(8.0))
    assert candidate.background.source == source
    assert candidate.background.duration_s == (duration_s if source == "live" else 1e8)


def test_more_detectors_than_were_measured_take_the_largest_measured_set() -> None:
    significance = Significance(
        SignificanceSettings(), {1: BackgroundCounts(10.0), 2: BackgroundCounts(1e6)}, None, "m"
    )
    assert significance.assess(peak(1.0, ("H1", "K1", "L1"))).background.duration_s == 1e6


def test_a_background_file_that_is_not_one_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "background.json"
    file.write_text("{}")
    with pytest.raises(ModelError, match=r"background\.json"):
        load_shipped(file)
