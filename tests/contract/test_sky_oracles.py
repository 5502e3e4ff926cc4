"""Sun, moon, visibility and fields beside astropy, astroplan, mocpy and ligo.skymap, within stated errors."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import healpy
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body, get_sun
from astropy.table import Table
from astropy.time import Time
from astropy.utils import iers
from skymaps import skymap

from stream.codec.skymap import decode_skymap, encode_skymap
from stream.healpix import centres
from stream.records import SkyMap
from stream.regions import probability
from stream.sky import ephemeris
from stream.sky.fields import field_probabilities
from stream.sky.shapes import Box, Circle, Field, Polygon
from stream.sky.sites import Site, find_site
from stream.sky.visibility import visible
from stream.types import FloatArray, IntArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what they import
    import astroplan
    from ligo.skymap import moc
    from mocpy import MOC

SITES = ("vlt", "keck", "greenwich", "icecube", "rubin", "0,89.9")


# Of years to come astropy does not know the Earth's rotation, and says so.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def _offline() -> Iterator[None]:
    """Keep astropy from fetching the Earth's rotation."""
    conf = iers.conf
    with (
        conf.set_temp("auto_download", False),
        conf.set_temp("auto_max_age", None),
        conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        yield


def times(count: int) -> IntArray:
    low, high = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2015, 2041))
    return (np.random.default_rng(7).uniform(low, high, count) * 1e9).astype(np.int64)


def of_astropy(site: Site) -> Any:

    return EarthLocation.from_geodetic(
        site.longitude_deg * units.deg, site.latitude_deg * units.deg, site.height_m * units.m
    )


@pytest.mark.parametrize("name", SITES)
def test_altitudes_are_those_of_astropy(name: str) -> None:
    """2015 to 2040, within 0.02 degrees for stars and the sun, and 0.04 for the moon."""

    site, when = find_site(name), times(60)
    days, time = ephemeris.days_of(when), Time(when / 1e9, format="unix")
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 2 * math.pi, len(when)), np.arcsin(rng.uniform(-1, 1, len(when)))
    frame = AltAz(obstime=time, location=of_astropy(site))
    star = [
        float(ephemeris.altitude_rad(site, day, *ephemeris.of_date(np.array(a), np.array(d), float(day))))
        for day, a, d in zip(days, ra, dec, strict=True)
    ]
    sun_ra, sun_dec, _ = ephemeris.sun(days)
    moon_ra, moon_dec, _ = ephemeris.moon_from(site, days)
    for found, theirs, most in (
        (np.array(star), SkyCoord(ra * units.rad, dec * units.rad), 0.02),
        (ephemeris.altitude_rad(site, days, sun_ra, sun_dec), get_sun(time), 0.02),
        (ephemeris.altitude_rad(site, days, moon_ra, moon_dec), get_body("moon", time, of_astropy(site)), 0.04),
    ):
        assert np.abs(np.degrees(found) - theirs.transform_to(frame).alt.deg).max() < most


def test_sidereal_time_and_the_moons_phase_are_those_of_astropy_and_astroplan() -> None:
    """Sidereal time within 0.1 s of UT1, and 1 s of UTC; the lit part within 0.001."""

    when = times(200)
    days, time = ephemeris.days_of(when), Time(when / 1e9, format="unix")
    for ut1_is_utc, most_s in ((True, 0.1), (False, 1.0)):
        if ut1_is_utc:
            time.delta_ut1_utc = 0
        else:
            time = Time(when / 1e9, format="unix")
        apart = ephemeris.sidereal_rad(days) - time.sidereal_time("mean", "greenwich").rad
        assert np.abs(np.remainder(apart + math.pi, 2 * math.pi) - math.pi).max() * 43_200 / math.pi < most_s
    assert np.abs(astroplan.moon_illumination(time) - ephemeris.moon_illumination(days)).max() < 1e-3


def observable(found: SkyMap, site: Site, from_ns: int) -> float:
    """Return the probability that astroplan says can be observed in 24 hours, looking every 5 minutes."""

    ra, dec = centres(found.uniq)
    start = Time(from_ns / 1e9, format="unix")
    seen = astroplan.is_observable(
        [astroplan.AirmassConstraint(max=2.5), astroplan.AtNightConstraint.twilight_astronomical()],
        astroplan.Observer(location=of_astropy(site), pressure=0 * units.bar),
        SkyCoord(ra * units.rad, dec * units.rad),
        time_range=Time([start, start + 1 * units.day]),
        time_grid_resolution=5 * units.min,
    )
    return float(probability(found)[seen].sum())


@pytest.mark.parametrize(
    ("name", "month", "spot"),
    [
        ("vlt", 2, (2.0, -1.2, 0.3)),
        ("keck", 6, (4.5, 0.5, 0.6)),
        ("rubin", 8, (0.03, 0.35, 0.4)),
        ("greenwich", 12, (3.0, -0.2, 0.5)),
        ("icecube", 7, (3.0, -0.4, 0.2)),
    ],
)
def test_visibility_is_that_of_astroplan(name: str, month: int, spot: tuple[float, float, float]) -> None:
    """Within 1 % of the probability."""
    from_ns = int(datetime(2025, month, 14, 15, 20, tzinfo=UTC).timestamp()) * 10**9
    found = skymap(*spot, rounds=4, split=32)
    theirs = observable(found, find_site(name), from_ns)
    assert 0.05 < theirs < 0.999
    assert visible(found, find_site(name), from_ns).probability == pytest.approx(theirs, abs=0.01)


def real_map(data_dir: Path) -> SkyMap:
    return decode_skymap((data_dir / "alerts" / "lvk_userguide" / "bayestar.multiorder.fits").read_bytes())


def likely_fields(found: SkyMap, count: int) -> list[tuple[float, float]]:
    rng = np.random.default_rng(11)
    held = probability(found)
    ra, dec = np.degrees(centres(found.uniq[rng.choice(len(held), count, p=held / held.sum())]))
    return [(float(a) % 360, float(d)) for a, d in zip(ra + rng.normal(0, 1, count), dec, strict=True)]


def moc_of(field: Field) -> Any:

    deg, depth = units.deg, 16
    if isinstance(field, Circle):
        return MOC.from_cone(
            lon=field.ra_deg * deg, lat=field.dec_deg * deg, radius=field.radius_deg * deg, max_depth=depth
        )
    if isinstance(field, Box):
        return MOC.from_box(
            lon=field.ra_deg * deg, lat=field.dec_deg * deg, a=field.height_deg / 2 * deg, b=field.width_deg / 2 * deg,
            angle=field.angle_deg * deg, max_depth=depth,
        )  # fmt: skip
    corners = np.array(field.corners_deg)
    return MOC.from_polygon_skycoord(SkyCoord(corners[:, 0] * deg, corners[:, 1] * deg), max_depth=depth)


def test_fields_hold_what_mocpy_says(data_dir: Path) -> None:
    """Within 1 %, where a field holds a thousandth; its fields are made of whole pixels of 3 arcseconds."""

    found = real_map(data_dir)
    fields: list[Field] = []
    for k, (ra, dec) in enumerate(likely_fields(found, 8)):
        corners = ((ra - 1.5, dec - 1.2), (ra + 1.2, dec - 1.6), (ra + 0.8, dec + 0.2), (ra + 0.2, dec + 1.9))
        fields += [Circle(f"c{k}", ra, dec, 1.75), Box(f"b{k}", ra, dec, 2.0, 3.0, 20.0 * k), Polygon(f"p{k}", corners)]
    table = Table.read(io.BytesIO(encode_skymap(found)), format="fits")
    theirs = np.array([moc_of(field).probability_in_multiordermap(table) for field in fields])
    matters = theirs > 1e-3
    assert matters.sum() > 15
    np.testing.assert_allclose(field_probabilities(found, fields)[matters], theirs[matters], rtol=0.01)


def test_circles_hold_what_a_raster_of_ligo_skymap_holds(data_dir: Path) -> None:

    found = real_map(data_dir)
    order = 9
    flat = moc.rasterize(Table({"UNIQ": found.uniq, "PROBDENSITY": found.probdensity}), order=order)
    density: FloatArray = np.asarray(flat["PROBDENSITY"])
    circles = [Circle(str(k), ra, dec, 3.0) for k, (ra, dec) in enumerate(likely_fields(found, 10))]
    middles = [healpy.ang2vec(c.ra_deg, c.dec_deg, lonlat=True) for c in circles]
    inside = [healpy.query_disc(1 << order, middle, math.radians(3.0), nest=True) for middle in middles]
    theirs = [density[pixels].sum() * math.pi / 3 / (1 << 2 * order) for pixels in inside]
    np.testing.assert_allclose(field_probabilities(found, circles), theirs, rtol=0.01, atol=1e-4)
