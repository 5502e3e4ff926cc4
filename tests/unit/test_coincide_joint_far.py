"""Windows and joint false-alarm rates, beside ligo-raven's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.evaluate import raven_peer
from stream.coincide.joint_far import (
    SECONDS_PER_YEAR,
    TARGETED,
    check_rates,
    sky_far,
    targeted_hz,
    time_far,
    untargeted_hz,
)
from stream.coincide.windows import GROUPS, check_windows, reversed_ns, widest_ns, window_ns
from stream.errors import ConfigurationError
from stream.records import ExternalEvent
from stream.settings import ExternalSettings
from stream.timebase import NS_PER_S

SETTINGS = ExternalSettings()
DAY_HZ = 1 / 86_400


def event(search: str, source: str = "Fermi-GBM", far_hz: float | None = None) -> ExternalEvent:
    return ExternalEvent("1", source, "gamma", "initial", 10**18, 10**18, search=search, far_hz=far_hz)


def in_ns(low_s: float, high_s: float) -> tuple[int, int]:
    return round(low_s * NS_PER_S), round(high_s * NS_PER_S)


@pytest.mark.parametrize(
    ("search", "source", "cbc", "burst"),
    [
        ("GRB", "Fermi-GBM", (-1, 5), (-60, 600)),
        ("GRB", "Swift-BAT", (-1, 5), (-60, 600)),
        ("SubGRB", "Fermi-GBM", (-1, 11), (-1, 11)),
        ("SubGRBTargeted", "Fermi-GBM", (-1, 11), (-1, 11)),
        ("SubGRBTargeted", "Swift-BAT-GUANO", (-10, 20), (-10, 20)),
        ("FRB", "CHIME", (-2, 10), (-120, 600)),
        ("HEN", "IceCube", (-10, 10), (-500, 500)),
        ("SNEWS", "Super-K", (-10, 10), (-10, 10)),
    ],
)
def test_windows_are_gwcelerys_seen_from_the_merger(
    search: str, source: str, cbc: tuple[float, float], burst: tuple[float, float]
) -> None:
    """Positive where the merger was first: a GRB lies 1 s before to 5 s after it."""
    assert window_ns(event(search, source), "CBC", SETTINGS) == in_ns(*cbc)
    assert window_ns(event(search, source), "Burst", SETTINGS) == in_ns(*burst)


def test_both_directions_come_from_one_table() -> None:
    window = window_ns(event("GRB"), "CBC", SETTINGS)
    assert window is not None
    assert reversed_ns(window) == in_ns(-5, 1)
    assert reversed_ns(reversed_ns(window)) == window


def test_a_window_of_a_source_comes_before_one_of_the_search() -> None:
    settings = ExternalSettings(
        windows_s={"GRB": (-2, 8), "Swift/GRB": (-3, 9), "Fermi-GBM/GRB": (0, 4)}, searches=("GRB", "X-ray")
    )
    assert window_ns(event("GRB", "Fermi-GBM"), "CBC", settings) == in_ns(0, 4)
    assert window_ns(event("GRB", "Swift-BAT"), "Burst", settings) == in_ns(-3, 9)
    assert window_ns(event("GRB", "SVOM-GRM"), "CBC", settings) == in_ns(-2, 8)
    assert window_ns(event("FRB"), "CBC", settings) is None
    assert window_ns(event("X-ray"), "CBC", settings) is None
    assert window_ns(event("GRB"), "Test", settings) is None


def test_the_widest_window_holds_every_other() -> None:
    low, high = widest_ns(SETTINGS)
    for search in SETTINGS.searches:
        for source in ("Fermi-GBM", "Swift-BAT", "IceCube"):
            for group in GROUPS:
                window = window_ns(event(search, source), group, SETTINGS)
                assert window is not None and low <= window[0] < window[1] <= high
    assert (low, high) == in_ns(-500, 600)
    assert widest_ns(ExternalSettings(searches=("SNEWS",), windows_s={"SNEWS": (-30, 2)})) == in_ns(-30, 10)
    assert widest_ns(ExternalSettings(searches=())) == (0, 0)


def test_a_search_without_a_window_or_a_rate_is_named() -> None:
    check_windows(SETTINGS)
    check_rates(SETTINGS)
    with_window = ExternalSettings(searches=("X-ray",), windows_s={"X-ray": (-1, 1)})
    check_windows(with_window)
    with pytest.raises(ConfigurationError, match="X-ray has no rate"):
        check_rates(with_window)
    check_rates(ExternalSettings(searches=("X-ray",), rates_per_year={"X-ray": 100.0}))
    with pytest.raises(ConfigurationError, match="X-ray has no window"):
        check_windows(ExternalSettings(searches=("X-ray",)))


@pytest.mark.parametrize("window", [(5.0, -1.0), (1.0, 1.0)])
def test_a_window_that_ends_before_it_begins_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match=r"GRB is .*expected a lower, then a higher time"):
        ExternalSettings(windows_s={"GRB": window})


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    """A negative one would make every coincidence significant."""
    with pytest.raises(ValidationError, match=r"rates_per_year\.FRB"):
        ExternalSettings(rates_per_year={"FRB": rate})


@pytest.mark.parametrize(("search", "per_year"), [("GRB", 310.0), ("SubGRB", 375.0)])
@pytest.mark.parametrize("window_s", [(-1.0, 5.0), (-60.0, 600.0), (-1.0, 11.0), (-10.0, 20.0)])
def test_untargeted_rates_equal_ravens(search: str, per_year: float, window_s: tuple[float, float]) -> None:
    """RAVEN's own rates are 310 and 375 a year; ours, gwcelery's, it is given."""
    for far_hz in (1e-14, 3e-10, 1e-7, 2 * DAY_HZ, 1e-3):
        own, _, _ = raven_peer.joint_far(search, "Fermi", window_s, far_hz)
        assert untargeted_hz(in_ns(*window_s), per_year / SECONDS_PER_YEAR, far_hz) == pytest.approx(own, rel=1e-12)
        ours = time_far(event(search), far_hz, in_ns(*window_s), SETTINGS).far_hz
        rate_hz = {"GRB": 325, "SubGRB": 390}[search] / SECONDS_PER_YEAR
        given_rate, _, _ = raven_peer.joint_far(search, "Fermi", window_s, far_hz, rate_hz=rate_hz)
        assert ours == pytest.approx(given_rate, rel=1e-12)


@pytest.mark.parametrize(("mission", "window_s"), [("Fermi", (-1.0, 11.0)), ("Swift", (-10.0, 20.0))])
def test_targeted_rates_equal_ravens_within_the_caps(mission: str, window_s: tuple[float, float]) -> None:
    caps = TARGETED[mission]
    for far_gw_hz in (1e-12, 1e-8, 0.5 * caps.gw_hz, caps.gw_hz):
        for far_ext_hz in (1e-9, 1e-6, 0.9 * caps.external_hz, caps.external_hz):
            theirs, _, _ = raven_peer.joint_far("SubGRBTargeted", mission, window_s, far_gw_hz, far_ext_hz=far_ext_hz)
            told = event("SubGRBTargeted", f"{mission}-X", far_ext_hz)
            assert time_far(told, far_gw_hz, in_ns(*window_s), SETTINGS).far_hz == pytest.approx(theirs, rel=1e-12)


@given(st.floats(1e-12, 1.0), st.floats(1e-12, 1.0), st.floats(1.0, 1.5), st.floats(1.0, 1.5))
def test_a_targeted_rate_rises_with_both_also_beyond_the_caps(gw: float, ext: float, by: float, more: float) -> None:
    """Where RAVEN's falls again, and below zero. Within the caps it is never above z_max, beyond them never below."""
    window, caps = in_ns(-1, 11), TARGETED["Fermi"]
    here = targeted_hz(window, ext, gw, caps)
    assert 0 < here <= targeted_hz(window, ext * by, gw * more, caps) * (1 + 1e-12)
    z_max = 12 * caps.external_hz * caps.gw_hz
    within = ext <= caps.external_hz and gw <= caps.gw_hz
    assert here <= z_max * (1 + 1e-12) if within else here >= z_max * (1 - 1e-12)
    assert here >= 12 * ext * gw * (1 - 1e-12)


@pytest.mark.parametrize(("gw_part", "ext_part"), [(0.5, 0.3), (0.9, 0.9), (3.0, 0.01), (0.01, 3.0), (2.0, 5.0)])
def test_a_targeted_rate_is_that_of_all_pairs_which_rank_before(gw_part: float, ext_part: float) -> None:
    """Counted on a grid of FARs, which chance fills evenly: those whose rate is no higher come at that rate."""
    window, caps = in_ns(-1, 11), TARGETED["Fermi"]
    wanted = targeted_hz(window, ext_part * caps.external_hz, gw_part * caps.gw_hz, caps)
    steps, most = 1500, 16.0
    cell = 12 * (most * caps.gw_hz / steps) * (most * caps.external_hz / steps)
    grid = [(k + 0.5) * most / steps for k in range(steps)]
    ranked = 0
    for gw in grid:
        low, high = 0, steps  # how many of the other's FARs rank before
        while low < high:
            middle = (low + high) // 2
            before = targeted_hz(window, grid[middle] * caps.external_hz, gw * caps.gw_hz, caps) <= wanted
            low, high = (middle + 1, high) if before else (low, middle)
        ranked += low
    assert ranked * cell == pytest.approx(wanted, rel=0.03)


def test_no_rate_is_invented() -> None:
    window = in_ns(-1, 11)
    assert time_far(event("SubGRBTargeted"), 1e-7, window, SETTINGS) == (
        None, "the external event's false-alarm rate is not told",
    )  # fmt: skip
    assert "Fermi and Swift" in time_far(event("SubGRBTargeted", "SVOM", 1e-5), 1e-7, window, SETTINGS).reason
    assert "rates_per_year" in time_far(event("X-ray"), 1e-7, window, SETTINGS).reason
    for unknown in (0.0, -1.0, math.nan, math.inf):
        assert "superevent's" in time_far(event("GRB"), unknown, window, SETTINGS).reason
    assert sky_far(1e-12, 0.0).far_hz is None
    assert sky_far(1e-12, 2.0).far_hz == 5e-13


def test_rates_are_overridable_and_an_events_own_far_counts_where_it_is_higher() -> None:
    window = in_ns(-10, 10)
    settings = ExternalSettings(rates_per_year={"HEN": 30.0, "SubGRBTargeted": 100.0})
    plain = time_far(event("HEN", "IceCube"), 1e-7, window, SETTINGS).far_hz
    doubled = time_far(event("HEN", "IceCube"), 1e-7, window, settings).far_hz
    assert plain is not None and doubled == pytest.approx(2 * plain)
    assert time_far(event("HEN", "IceCube", 1e-9), 1e-7, window, SETTINGS).far_hz == plain
    assert time_far(event("HEN", "KM3NeT", 1e-3), 1e-7, window, SETTINGS).far_hz == pytest.approx(20 * 1e-3 * 1e-7)
    assert time_far(event("SubGRBTargeted", "SVOM"), 1e-7, window, settings).far_hz == pytest.approx(
        20 * 100 / SECONDS_PER_YEAR * 1e-7
    )
