"""What coincides is told, with its rates and maps or why not; what does not is not, and says why."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from coincide_maps import random_map

from stream.codec.skymap import decode_skymap, encode_skymap
from stream.coincide.judge import best, is_burst, judge, weigh
from stream.coincide.overlap import overlap
from stream.records import Coincidence, ExternalEvent, GwEvent
from stream.settings import ExternalSettings
from stream.timebase import NS_PER_S

SETTINGS = ExternalSettings()
MERGER_NS = 1_187_008_882_443_000_000
GW = GwEvent("TS170817a", MERGER_NS, 1e-7)
GRB = ExternalEvent(
    "524666471", "Fermi-GBM", "gamma", "initial", MERGER_NS + 1_700_000_000, MERGER_NS, raw=b"notice", search="GRB"
)


def told(gw: GwEvent = GW, external: ExternalEvent = GRB, settings: ExternalSettings = SETTINGS) -> Coincidence:
    found = judge(gw, external, settings)
    assert found is not None
    return found


def after(seconds: float, external: ExternalEvent = GRB) -> ExternalEvent:
    return replace(external, gps_ns=MERGER_NS + round(seconds * NS_PER_S))


def test_a_burst_soon_after_a_merger_coincides_and_one_a_minute_later_does_not() -> None:
    found = told()
    assert found.time_difference_ns == 1_700_000_000
    assert found.window_ns == (-NS_PER_S, 5 * NS_PER_S)
    assert found.far_hz == found.time_far_hz == pytest.approx(6 * 325 / (365 * 86_400) * 1e-7)
    assert found.significant and found.external == replace(GRB, raw=b"")
    assert judge(GW, after(60), SETTINGS) is None
    assert weigh(GW, after(60), SETTINGS) == "the external event lies outside the window"


def test_both_ends_of_the_window_belong_to_it() -> None:
    for seconds, inside in ((-1, True), (5, True), (-1.000000001, False), (5.000000001, False)):
        assert (judge(GW, after(seconds), SETTINGS) is not None) == inside


def test_what_is_none_has_a_reason() -> None:
    found = told()
    assert set(found.reasons) == {
        "sky_far_hz", "overlap", "combined_fits", "combined_area50_deg2", "combined_area90_deg2"
    }  # fmt: skip
    assert set(found.reasons.values()) == {"the superevent has no sky map"}
    fits = encode_skymap(random_map(1, distance=True))
    assert "tells of no place" in told(replace(GW, skymap_fits=fits)).reasons["overlap"]
    assert "cannot be read" in told(replace(GW, skymap_fits=fits[:3000])).reasons["sky_far_hz"]


def test_with_two_maps_the_rate_is_divided_by_their_overlap_and_the_product_attached() -> None:
    skymap = random_map(1, distance=True)
    other = random_map(2)
    gw = replace(GW, skymap_fits=encode_skymap(skymap))
    found = told(gw, replace(GRB, skymap=encode_skymap(other)))
    assert found.overlap == pytest.approx(overlap(skymap, other), rel=1e-9)
    assert found.time_far_hz is not None and found.overlap is not None
    assert found.far_hz == found.sky_far_hz == pytest.approx(found.time_far_hz / found.overlap)
    assert found.reasons == {}
    assert found.combined_fits is not None and found.combined_area50_deg2 is not None
    made = decode_skymap(found.combined_fits)
    assert made.detectors == ("H1", "L1", "Fermi-GBM") and made.distmean_mpc is not None
    assert found.combined_area90_deg2 is not None and found.combined_area50_deg2 <= found.combined_area90_deg2
    assert b"HISTORY TS170817a and Fermi-GBM 524666471" in found.combined_fits


def test_maps_apart_are_no_coincidence() -> None:
    gw = replace(GW, skymap_fits=encode_skymap(random_map(1)))
    north, south = (replace(GRB, ra_deg=0.0, dec_deg=dec) for dec in (90.0, -90.0))
    combined = told(gw, north).combined_fits
    assert combined is not None
    assert weigh(replace(GW, skymap_fits=combined), south, SETTINGS) == "the two sky maps have no direction in common"


def test_the_threshold_counts_the_trials() -> None:
    """One above, the other below: 6 s, 325 a year, seven trials."""
    per_gw = 6 * 325 / (365 * 86_400) * 7
    edge = SETTINGS.far_threshold_hz / per_gw
    assert judge(replace(GW, far_hz=edge * 0.999), GRB, SETTINGS) is not None
    assert "7 trials, is above" in str(weigh(replace(GW, far_hz=edge * 1.001), GRB, SETTINGS))


@pytest.mark.parametrize(
    ("gw", "external", "why"),
    [
        (GW, replace(GRB, alert_type="retraction"), "retracted"),
        (GW, replace(GRB, search="X-ray"), "'X-ray' is not looked for"),
        (replace(GW, group="Test"), GRB, "group 'Test'"),
        (GW, replace(GRB, classification={"BELOW_HORIZON": 1.0}), "no burst"),
        (replace(GW, far_hz=0.0), GRB, "not known"),
        (GW, replace(GRB, search="SubGRBTargeted"), "not told"),
    ],
)
def test_what_is_passed_over_says_why(gw: GwEvent, external: ExternalEvent, why: str) -> None:
    assert why in str(weigh(gw, external, SETTINGS))
    assert judge(gw, external, SETTINGS) is None


@pytest.mark.parametrize(
    ("classification", "search", "burst"),
    [
        ({}, "GRB", True),
        ({"GRB": 0.9, "SF": 0.1}, "GRB", True),
        ({"GRB": 0.49, "SF": 0.51}, "GRB", False),
        ({"SHORT_GRB": 0.3, "LONG_GRB": 0.3, "DISTANT_PARTICLES": 0.4}, "SubGRB", True),
        ({"BELOW_HORIZON": 1.0}, "GRB", False),
        ({"PARTICLES": 0.3}, "GRB", True),
        ({"GRB": 0.9, "NOT_GRB": 1.0}, "GRB", False),
        ({"GRB": 0.9, "not GRB": 0.1}, "SubGRBTargeted", True),
        ({"UNRELIABLE_LOCATION": 0.97, "DISTANT_PARTICLES": 0.03}, "GRB", True),
        ({"BNS": 0.1}, "HEN", True),
    ],
)
def test_an_event_that_is_probably_no_burst_is_not_joined(
    classification: dict[str, float], search: str, burst: bool
) -> None:
    assert is_burst(replace(GRB, classification=classification, search=search)) == burst


def test_the_most_significant_is_the_same_in_any_order_and_names_the_others() -> None:
    first = told(external=after(0.5))
    later = told(external=replace(after(2), event_id="b"))
    same = told(external=replace(after(-0.5), event_id="0"))
    rarer = told(replace(GW, far_hz=1e-9), replace(after(4), event_id="c"))
    nothing = Coincidence(GW, None)
    for order in permutations((first, later, same, rarer, nothing)):
        found = best(order)
        assert found is not None and found.external is not None and found.external.event_id == "c"
        assert found.others == ("Fermi-GBM 0", "Fermi-GBM 524666471", "Fermi-GBM b")
    assert best([nothing]) is None
    assert best([]) is None


def test_judging_twice_gives_the_same_bytes(data_dir: Path) -> None:
    fits = (data_dir / "alerts/lvk_userguide/bayestar.multiorder.fits").read_bytes()
    gw = replace(GW, skymap_fits=fits)
    external = replace(GRB, ra_deg=176.8, dec_deg=-39.8, error_radius_deg=11.6, containment=0.68)
    found = told(gw, external)
    assert found == told(gw, external)
    assert found.combined_fits is not None and len(found.combined_fits) < 500_000
