"""Sky maps drawn from what notices tell of a place: the probability inside is what they say."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.codec.external import check_external
from stream.codec.fits_table import Column, Value, write_table
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.coincide.draw import skymap_of
from stream.coincide.shapes import separation
from stream.healpix import area_sr, centres, uniq_of
from stream.records import ExternalEvent, SkyMap
from stream.regions import most_probable_deg, probability
from stream.types import BoolArray, FloatArray

NOWHERE = ExternalEvent("1", "X", "gamma", "initial", 10**18, 10**18)
PLACES = [(0.0, 90.0), (359.99, -89.99), (123.0, 45.0), (0.0, 0.0), (45.0, 41.8103), (180.0, -0.02)]


def drawn(**told: object) -> SkyMap:
    found = skymap_of(replace(NOWHERE, **told))  # type: ignore[arg-type]
    assert found is not None
    assert float(probability(found).sum()) == pytest.approx(1.0, rel=1e-12)
    assert encode_skymap(found)
    return found


def points(skymap: SkyMap) -> tuple[FloatArray, FloatArray]:
    """Return 16 places within each pixel."""
    return centres((16 * skymap.uniq[:, None] + np.arange(16)).ravel())


def held(skymap: SkyMap, inside: BoolArray) -> float:
    return float((probability(skymap) * inside.reshape(-1, 16).mean(axis=1)).sum())


def within(skymap: SkyMap, ra_deg: float, dec_deg: float, radius_deg: float) -> float:
    theta = separation(*points(skymap), (math.radians(ra_deg), math.radians(dec_deg)))
    return held(skymap, theta <= math.radians(radius_deg))


@pytest.mark.parametrize(("ra", "dec"), PLACES)
@pytest.mark.parametrize("containment", [0.5, 0.68, 0.9, 0.99])
def test_a_circle_holds_what_is_said_whatever_its_size(ra: float, dec: float, containment: float) -> None:
    """From arcseconds to half the sky, at poles and where right ascension begins; with some thousand pixels."""
    for radius in (1e-3, 0.05, 0.5, 3.0, 15.0, 60.0):
        found = drawn(ra_deg=ra, dec_deg=dec, error_radius_deg=radius, containment=containment)
        assert within(found, ra, dec, radius) == pytest.approx(containment, abs=0.0075)
        assert 1000 < len(found.uniq) < 6000


def test_a_circle_that_promises_less_than_chance_says_nothing() -> None:
    for radius in (170.0, 180.0):
        found = drawn(ra_deg=10.0, dec_deg=20.0, error_radius_deg=radius, containment=0.5)
        assert np.ptp(found.probdensity) < 1e-12


def test_a_containment_that_is_not_told_is_the_schemas_and_one_of_one_or_nought_is_bounded() -> None:
    told = {"ra_deg": 10.0, "dec_deg": 20.0, "error_radius_deg": 5.0}
    assert within(drawn(**told), 10, 20, 5) == pytest.approx(0.9, abs=0.005)
    assert within(drawn(**told, containment=0.0), 10, 20, 5) == pytest.approx(0.9, abs=0.005)
    assert within(drawn(**told, containment=1.0), 10, 20, 5) > 0.998


@pytest.mark.parametrize(("ra", "dec"), PLACES[::2])
@pytest.mark.parametrize(("major", "minor", "angle"), [(3.0, 1.0, 30.0), (0.2, 0.01, 120.0), (20.0, 10.0, -50.0)])
def test_an_ellipse_holds_what_is_said(ra: float, dec: float, major: float, minor: float, angle: float) -> None:
    """Seen in the plane around its centre; the position angle goes from north through east."""
    found = drawn(
        ra_deg=ra, dec_deg=dec, error_radius_deg=major, error_minor_deg=minor, error_angle_deg=angle, containment=0.9
    )
    lon, lat = points(found)
    theta = separation(lon, lat, (math.radians(ra), math.radians(dec)))
    east = np.cos(lat) * np.sin(lon - math.radians(ra))
    north = np.sin(lat) * math.cos(math.radians(dec)) - np.cos(lat) * math.sin(math.radians(dec)) * np.cos(
        lon - math.radians(ra)
    )
    bearing = np.arctan2(east, north) - math.radians(angle)
    x = np.degrees(theta) * np.cos(bearing) / major
    y = np.degrees(theta) * np.sin(bearing) / minor
    assert held(found, np.hypot(x, y) <= 1) == pytest.approx(0.9, abs=0.009)
    assert len(found.uniq) < 20_000


@pytest.mark.parametrize("dec", [90.0, 30.0])
@pytest.mark.parametrize(("inner", "outer"), [(40.0, 42.0), (89.9, 90.1), (1.0, 3.0), (0.0, 10.0), (100.0, 160.0)])
def test_an_annulus_holds_what_is_said_between_its_circles(dec: float, inner: float, outer: float) -> None:
    found = drawn(ra_deg=200.0, dec_deg=dec, error_radius_deg=outer, error_inner_deg=inner, containment=0.9)
    between = within(found, 200, dec, outer) - within(found, 200, dec, inner)
    assert between == pytest.approx(0.9, abs=0.01 if outer - inner > 1 else 0.07)
    assert len(found.uniq) <= 40_000


def test_an_annulus_as_wide_as_the_sky_or_of_no_width() -> None:
    wide = drawn(ra_deg=0.0, dec_deg=0.0, error_radius_deg=180.0, error_inner_deg=0.0)
    assert len(wide.uniq) < 6_000
    thin = drawn(ra_deg=0.0, dec_deg=0.0, error_radius_deg=50.0, error_inner_deg=50.0)
    assert within(thin, 0, 0, 51) - within(thin, 0, 0, 49) > 0.99
    assert len(thin.uniq) <= 40_000


SQUARES = [
    ((10.0, 10.0), (14.0, 10.0), (14.0, 13.0), (10.0, 13.0)),
    ((359.0, -1.0), (1.0, -1.0), (1.0, 1.0), (359.0, 1.0)),
    ((0.0, 87.0), (90.0, 88.0), (180.0, 87.0), (270.0, 88.0)),
    ((80.0, -60.0), (90.0, -60.0), (85.0, -50.0)),
]


@pytest.mark.parametrize("corners", SQUARES)
@pytest.mark.parametrize("turn", [1, -1])
def test_a_polygon_holds_what_is_said_even_within(corners: tuple[tuple[float, float], ...], turn: int) -> None:
    """Across right ascension 0, around a pole, and whichever way its corners go round."""
    found = drawn(corners_deg=corners[::turn], containment=0.9)
    lon, lat = points(found)
    vectors = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    ra, dec = np.radians(np.array(corners)).T
    edge = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    sides = [vectors @ np.cross(a, b) >= 0 for a, b in zip(edge, np.roll(edge, -1, axis=0), strict=True)]
    inside = np.logical_and.reduce(sides)
    assert held(found, inside) == pytest.approx(0.9, abs=0.01)
    peak = found.probdensity.max()
    full = inside.reshape(-1, 16).all(axis=1)
    assert np.all(found.probdensity[full] > 0.97 * peak)


def test_corners_without_an_area_are_passed_over_for_the_circle() -> None:
    line = ((10.0, 0.0), (11.0, 0.0), (12.0, 0.0))
    found = drawn(corners_deg=line, ra_deg=11.0, dec_deg=0.0, error_radius_deg=2.0)
    assert within(found, 11, 0, 2) == pytest.approx(0.9, abs=0.005)
    same = ((10.0, 0.0),) * 4
    assert skymap_of(replace(NOWHERE, corners_deg=same)) is None


@pytest.mark.parametrize(("ra", "dec"), [*PLACES, (360.0, -90.0)])
@pytest.mark.parametrize("radius", [None, 0.0])
def test_a_position_without_an_error_is_one_pixel(ra: float, dec: float, radius: float | None) -> None:
    found = drawn(ra_deg=ra, dec_deg=dec, error_radius_deg=radius)
    assert np.count_nonzero(found.probdensity) == 1
    assert found.probdensity.max() == pytest.approx(1 / float(area_sr(np.array(12))))
    lon, lat = np.radians(most_probable_deg(found))
    assert separation(np.array([lon]), np.array([lat]), (math.radians(ra), math.radians(dec)))[0] < math.radians(0.02)


def test_the_systematic_error_of_gbm_is_added_where_a_notice_says_that_it_is_missing() -> None:
    """A core of 3.71 deg (0.9) and a tail of 14.3 deg, each in quadrature with the statistical."""
    told = {"ra_deg": 176.8, "dec_deg": -39.8, "error_radius_deg": 1.0, "containment": 0.68}
    plain = drawn(**told, source="Fermi-GBM", systematic_included=True)
    wide = drawn(**told, source="Fermi-GBM", systematic_included=False)
    assert within(plain, 176.8, -39.8, 1.0) == pytest.approx(0.68, abs=0.005)
    core, tail = math.hypot(1, 3.71), math.hypot(1, 14.3)
    kappa_core, kappa_tail = (-math.log(0.32) / (1 - math.cos(math.radians(r))) for r in (core, tail))
    for radius in (2.0, core, 10.0, tail):
        expected = sum(
            part * -math.expm1(-kappa * (1 - math.cos(math.radians(radius))))
            for part, kappa in ((0.9, kappa_core), (0.1, kappa_tail))
        )
        assert within(wide, 176.8, -39.8, radius) == pytest.approx(expected, abs=0.005)
    assert len(drawn(**told, source="Swift-BAT", systematic_included=False).uniq) == len(plain.uniq)
    drawn(**{**told, "error_radius_deg": 180.0}, source="Fermi-GBM", systematic_included=False)


def test_an_events_own_map_comes_first_and_one_that_cannot_be_read_is_passed_over(data_dir: Path) -> None:
    own = (data_dir / "alerts/lvk_userguide/bayestar.multiorder.fits").read_bytes()
    told = {"ra_deg": 10.0, "dec_deg": 20.0, "error_radius_deg": 5.0}
    assert len(drawn(**told, skymap=own).uniq) == len(decode_skymap(own).uniq)
    assert within(drawn(**told, skymap=own[:5000]), 10, 20, 5) == pytest.approx(0.9, abs=0.005)
    assert skymap_of(replace(NOWHERE, skymap=b"no map")) is None


DEGREES = st.one_of(st.sampled_from([1e-9, 1e-3, 90.0, 179.9, 180.0]), st.floats(1e-9, 180))


@settings(max_examples=25)
@given(
    place=st.tuples(st.floats(0, 360), st.floats(-90, 90)),
    radius=st.one_of(st.none(), st.just(0.0), DEGREES),
    inner=st.one_of(st.none(), st.just(0.0), DEGREES),
    minor=st.one_of(st.none(), st.just(0.0), DEGREES),
    corners=st.lists(st.tuples(st.floats(0, 360), st.floats(-90, 90)), max_size=6).filter(lambda c: not 0 < len(c) < 3),
    containment=st.one_of(st.none(), st.floats(0, 1)),
)
def test_whatever_a_notice_may_tell_of_a_place_becomes_a_map(
    place: tuple[float, float],
    radius: float | None,
    inner: float | None,
    minor: float | None,
    corners: list[tuple[float, float]],
    containment: float | None,
) -> None:
    told = {
        "ra_deg": place[0], "dec_deg": place[1], "error_radius_deg": radius, "error_inner_deg": inner,
        "error_minor_deg": minor, "error_angle_deg": 30.0, "corners_deg": tuple(corners), "containment": containment,
        "source": "Fermi-GBM", "systematic_included": False,
    }  # fmt: skip
    check_external(replace(NOWHERE, **told))  # type: ignore[arg-type]
    assert len(drawn(**told).uniq) <= 40_000


def test_a_flat_map_as_fermi_gbm_sends_it_is_read() -> None:
    """``glg_healpix_all_*.fit``: NESTED, PROBABILITY and SIGNIFICANCE, here gzipped and of a coarser order."""
    order = 5
    ra, dec = centres(uniq_of(order, np.arange(12 << (2 * order))))
    weight = np.exp(-0.5 * (separation(ra, dec, (1.0, 0.2)) / 0.1) ** 2)
    columns = [Column("PROBABILITY", weight / weight.sum()), Column("SIGNIFICANCE", np.full(len(weight), np.nan))]
    cards: list[tuple[str, Value]] = [
        ("PIXTYPE", "HEALPIX"), ("ORDERING", "NESTED"), ("COORDSYS", "C"), ("NSIDE", 1 << order)
    ]  # fmt: skip
    found = drawn(skymap=gzip.compress(write_table(columns, cards, ())))
    assert np.radians(most_probable_deg(found)) == pytest.approx((1.0, 0.2), abs=0.03)
    assert held(found, separation(*points(found), (1.0, 0.2)) < 0.1 * 1.515) == pytest.approx(0.68, abs=0.02)


def test_nothing_is_drawn_of_what_tells_of_no_place() -> None:
    assert skymap_of(NOWHERE) is None
    assert skymap_of(replace(NOWHERE, error_radius_deg=3.0)) is None
