"""Classes of background share the false-alarm rate: all of them together ring no more often than it says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.records import Peak
from stream.settings import SignificanceSettings
from stream.significance import BackgroundCounts, Significance
from stream.significance.classes import alone, class_of, coincident
from stream.significance.rate import MOST_HZ, Counts

SETTINGS = SignificanceSettings()
floats = st.floats(-50, 50, allow_nan=False)
SETS = [("H1",), ("H1", "L1"), ("H1", "L1", "V1"), ("H1", "K1", "L1", "V1")]


def peak(statistic: float, detectors: tuple[str, ...], heard: tuple[str, ...] = ()) -> Peak:
    return Peak(1_000_000_000, statistic, detectors, (), 1_100_000_000, heard=heard)


def peaks_of(heard: tuple[str, ...], statistic: float) -> dict[str, Peak]:
    """Return a peak of each class that is open while these are heard."""
    peaks = {"all": peak(statistic, heard[:2], heard)}
    return peaks | ({d: peak(statistic, (d,), heard) for d in heard} if len(heard) > 1 else {})


@pytest.mark.parametrize(
    ("detectors", "heard", "name", "share"),
    [
        (("H1",), ("H1",), "H1", 1.0),
        (("L1", "H1"), ("L1", "H1"), "H1+L1", 0.95),
        (("L1", "H1"), ("V1", "L1", "H1"), "H1+L1+V1", 0.95),
        (("L1",), ("V1", "L1"), "L1 of L1+V1", 0.025),
        (("V1",), ("H1", "L1", "V1", "K1"), "V1 of H1+K1+L1+V1", 0.0125),
    ],
)
def test_a_peak_is_of_the_class_of_who_heard_it_among_those_who_could_have(
    detectors: tuple[str, ...], heard: tuple[str, ...], name: str, share: float
) -> None:
    of = class_of(peak(1.0, detectors, heard), ranks_alone=True)
    assert of.name == name
    assert of.share == pytest.approx(share)


def test_a_model_that_ranks_sets_has_one_class_for_each() -> None:
    of = class_of(peak(1.0, ("L1", "H1")), ranks_alone=False)
    assert (of.name, of.key, of.share) == ("H1+L1", ("H1", "L1"), 1.0)


@pytest.mark.parametrize("heard", SETS)
def test_the_shares_of_the_classes_that_are_open_at_once_sum_to_one(heard: tuple[str, ...]) -> None:
    of = [class_of(p, ranks_alone=True) for p in peaks_of(heard, 1.0).values()]
    assert len({c.key for c in of}) == len(of)
    assert sum(c.share for c in of) == pytest.approx(1.0)


@given(
    heard=st.sampled_from(SETS),
    data=st.data(),
    far_hz=st.floats(1e-6, 0.9),
)
def test_all_classes_together_ring_no_more_often_than_the_rate_says(
    heard: tuple[str, ...], data: st.DataObject, far_hz: float
) -> None:
    """Noise that rings as each class's background did gives events at a rate of f or less at most f times a second."""
    of = [coincident(heard), *((alone(d, heard) for d in heard) if len(heard) > 1 else ())]
    values = {c.name: data.draw(st.lists(floats, max_size=40)) for c in of}
    times_s = {c.name: data.draw(st.floats(1e2, 1e6)) for c in of}
    shipped = {name: BackgroundCounts(times_s[name], values[name]) for name in values}
    significance = Significance(SETTINGS, shipped, None, "m-1", ranks_alone=True)
    rate_hz = 0.0
    for of_who, name in zip(peaks_of(heard, 0.0), shipped, strict=True):
        fars = [significance.assess(peaks_of(heard, v)[of_who]).far_hz for v in values[name]]
        rate_hz += sum(far <= far_hz for far in fars) / times_s[name]
    assert rate_hz <= far_hz


@given(values=st.lists(floats, max_size=60), duration_s=st.floats(1, 1e9), a=floats, b=floats, lone=st.booleans())
def test_a_louder_peak_of_a_class_never_has_a_higher_far(
    values: list[float], duration_s: float, a: float, b: float, lone: bool
) -> None:
    counts = BackgroundCounts(duration_s, values)
    shipped: Mapping[str, Counts] = {"H1+L1": counts, "H1 of H1+L1": counts}
    significance = Significance(SETTINGS, shipped, None, "m-1", ranks_alone=True)
    detectors = ("H1",) if lone else ("H1", "L1")
    low, high = (significance.assess(peak(v, detectors, ("H1", "L1"))).far_hz for v in sorted((a, b)))
    assert high <= low <= MOST_HZ
    assert high >= min(MOST_HZ, counts.rate(max(a, b)).far_hz)


def test_one_detector_alone_is_not_judged_by_coincidences() -> None:
    shipped: Mapping[str, Counts] = {"H1+L1": BackgroundCounts(1e8)}
    significance = Significance(SETTINGS, shipped, None, "m-1", ranks_alone=True)
    candidate = significance.assess(peak(40.0, ("H1",), ("H1", "L1")))
    assert (candidate.far_hz, candidate.background.source) == (MOST_HZ, "unmeasured")
    assert candidate.background.detectors == ("H1", "L1")
