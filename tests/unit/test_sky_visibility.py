"""What a site can see of a map: the arcs of hour angle beside moment after moment, and what cannot be seen."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from skymaps import skymap

from stream.errors import ConfigurationError, DataError
from stream.healpix import uniq_of
from stream.records import SkyMap
from stream.sky import ephemeris
from stream.sky.night import dark_spans
from stream.sky.places import places_of
from stream.sky.sites import Site, find_site
from stream.sky.visibility import Visibility, visible, visible_probability

HOUR_NS = 3600 * 10**9


def unix_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


AUGUST, JUNE = unix_ns("2019-08-14T21:10:39"), unix_ns("2019-06-21T00:00:00")


def moment_by_moment(skymap: SkyMap, site: Site, from_ns: int, step_s: int = 60) -> tuple[float, float]:
    """Return the probability within reach at some moment, and the most at one, by asking at each minute."""
    places = places_of(skymap)
    times = from_ns + np.arange(0, 24 * 3600, step_s) * 10**9
    days = ephemeris.days_of(times)
    ra, dec, _ = ephemeris.sun(days)
    dark = np.degrees(ephemeris.altitude_rad(site, days, ra, dec)) <= -18
    place = ephemeris.of_date(*places.ra_dec_rad, float(days.mean()))
    ever, most = np.zeros(len(places.probability), bool), 0.0
    for day in days[dark]:
        up = np.sin(ephemeris.altitude_rad(site, day, *place)) >= 1 / 2.5
        ever |= up
        most = max(most, float(places.probability[up].sum()))
    return float(places.probability[ever].sum()), most


@pytest.mark.parametrize("name", ["vlt", "keck", "greenwich", "0,-75"])
@pytest.mark.parametrize("spot", [(2.0, -1.2, 0.1), (5.0, 0.3, 0.4), (0.02, 0.1, 0.7), (3.3, -1.5, 0.5)])
def test_it_says_what_asking_at_each_minute_says(name: str, spot: tuple[float, float, float]) -> None:
    found = skymap(*spot, rounds=5, split=64)
    seen = visible(found, find_site(name), AUGUST)
    ever, most = moment_by_moment(found, find_site(name), AUGUST)
    assert seen.probability == pytest.approx(ever, abs=2e-3)
    assert seen.at_once == pytest.approx(most, abs=2e-3)
    assert (seen.reason is None) == (ever > 1e-6)
    assert visible_probability(places_of(found), find_site(name), AUGUST) == seen.probability


def test_the_moments_told_are_in_the_dark_and_within_reach() -> None:
    seen = visible(skymap(5.0, 0.3, 0.2), find_site("vlt"), AUGUST)
    start = seen.dark[0][0]
    half, most = seen.regions
    for region in (half, most):
        assert region.rises_unix_ns is not None
        assert region.sets_unix_ns is not None
        assert start <= region.rises_unix_ns < region.sets_unix_ns <= seen.dark[-1][1]
    assert half.fraction == pytest.approx(1.0)
    assert seen.aim is not None
    assert (seen.aim.ra_deg, seen.aim.dec_deg) == pytest.approx((math.degrees(5.0), math.degrees(0.3)), abs=2)
    days = ephemeris.days_of(seen.aim.unix_ns)
    place = ephemeris.of_date(np.radians([seen.aim.ra_deg]), np.radians([seen.aim.dec_deg]), float(days))
    assert 1 / math.sin(float(ephemeris.altitude_rad(find_site("vlt"), days, *place)[0])) == pytest.approx(
        seen.aim.airmass
    )
    assert 1 <= seen.aim.airmass <= 2.5
    assert 0 <= seen.moon_illumination <= 1
    assert json.loads(json.dumps(seen.as_dict()))["dark_hours"] == seen.dark_hours


def test_a_night_that_has_begun_goes_on_in_the_evening() -> None:
    (start, end), *_ = dark_spans(find_site("vlt"), AUGUST, AUGUST + 24 * HOUR_NS, -18)
    middle = (start + end) // 2
    spans = dark_spans(find_site("vlt"), middle, middle + 24 * HOUR_NS, -18)
    assert [span[0] for span in spans] == [middle, pytest.approx(start + 24 * HOUR_NS, abs=HOUR_NS / 10)]
    assert [span[1] for span in spans] == [pytest.approx(end, abs=2e9), middle + 24 * HOUR_NS]


def nothing(site: str, when: int, found: SkyMap | None = None) -> Visibility:
    seen = visible(found or skymap(1.0, 1.2, 0.1), find_site(site), when)
    assert (seen.probability, seen.at_once, seen.best_unix_ns, seen.aim) == (0.0, 0.0, None, None)
    assert {region.rises_unix_ns for region in seen.regions} == {None}
    return seen


def test_a_polar_day_has_its_reason() -> None:
    seen = nothing("0,90", JUNE)
    assert seen.reason == "the sun stays above -18 degrees: 23.4 is its lowest"
    assert seen.dark_hours == 0


def test_in_a_polar_night_it_is_dark_all_day() -> None:
    seen = visible(skymap(1.0, -1.2, 0.1), find_site("icecube"), JUNE)
    assert seen.dark_hours == 24
    assert seen.probability == pytest.approx(1.0)
    assert seen.at_once == pytest.approx(1.0)


def test_a_map_below_the_horizon_has_its_reason() -> None:
    assert nothing("icecube", JUNE).reason == "no part of the map comes within airmass 2.5 in the dark"


def test_a_map_that_holds_nothing_has_its_reason() -> None:
    empty = replace(skymap(), probdensity=np.zeros(len(skymap().uniq)))
    assert nothing("vlt", AUGUST, empty).reason == "the map holds no probability"


@pytest.mark.parametrize("latitude", [90.0, -90.0, 89.9999, 0.0])
def test_sites_at_the_poles_are_like_those_beside_them(latitude: float) -> None:
    when = JUNE if latitude < 0 else unix_ns("2019-12-21T00:00:00")
    seen = visible(skymap(1.0, math.copysign(1.0, latitude), 0.3), Site("here", 12.0, latitude), when)
    ever, most = moment_by_moment(skymap(1.0, math.copysign(1.0, latitude), 0.3), Site("here", 12.0, latitude), when)
    assert (seen.probability, seen.at_once) == pytest.approx((ever, most), abs=2e-3)


@pytest.mark.parametrize("when", [0, unix_ns("2101-01-01T00:00:00"), -(10**18)])
def test_a_time_far_away_is_refused(when: int) -> None:
    with pytest.raises(DataError, match="from 1980 to 2100"):
        visible(skymap(), find_site("vlt"), when)


@pytest.mark.parametrize("bound", [{"airmass": 0.5}, {"hours": 1e9}, {"sun_deg": math.nan}, {"airmass": math.nan}])
def test_a_bound_that_makes_no_sense_is_refused(bound: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="is not from"):
        visible(skymap(), find_site("vlt"), AUGUST, **bound)


def test_many_pixels_become_fewer_places_with_the_same_probability() -> None:
    rng = np.random.default_rng(5)
    density = rng.exponential(size=12 << 14)  # order 7, all alike: no pixel matters much
    density /= density.sum() * math.pi / 3 / (1 << 14)
    places = places_of(replace(skymap(distance=False), uniq=uniq_of(7, np.arange(12 << 14)), probdensity=density))
    assert len(places.probability) < 70_000
    assert places.probability.sum() == pytest.approx(1.0, abs=1e-12)
    assert places.level.max() == pytest.approx(1.0, abs=1e-12)
