"""The probability in fields, beside a count of fine pixels; forms, poles, and what is no field."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skymaps import skymap

from stream.errors import ConfigurationError
from stream.healpix import area_sr, centres, face_x_y, nested_at, pixel_radius_rad, uniq_of, unit_vectors
from stream.sky.best import best
from stream.sky.field_file import parse_fields, read_fields
from stream.sky.fields import field_probabilities
from stream.sky.shapes import Box, Circle, Field, Polygon, edge_of, middle_of, vectors
from stream.sky.sums import Sums
from stream.types import BoolArray, FloatArray, IntArray

EVEN = replace(
    skymap(distance=False), uniq=uniq_of(0, np.arange(12, dtype=np.int64)), probdensity=np.full(12, 1 / (4 * math.pi))
)
"""The whole sky alike: a field holds its area."""


FINE = 10


def near_pixels() -> IntArray:
    """Return the fine pixels within some 15 degrees of where the map of these tests has its spot."""
    ra, dec = centres(uniq_of(3, np.arange(12 << 6)))
    near = np.flatnonzero(vectors(ra, dec) @ vectors(np.array(2.0), np.array(-1.2)) > math.cos(math.radians(18.0)))
    return np.asarray((near[:, None] * (1 << 2 * (FINE - 3)) + np.arange(1 << 2 * (FINE - 3))).ravel())


@pytest.mark.parametrize("order", [0, 1, 5, 20])
def test_the_centres_of_pixels_by_their_place_are_those_by_their_number(order: int) -> None:
    index = np.unique(np.linspace(0, (12 << (2 * order)) - 1, 3000).astype(np.int64))
    found = np.stack(unit_vectors(order, *face_x_y(order, index)), axis=-1)
    np.testing.assert_allclose(found, vectors(*centres(uniq_of(order, index))), atol=2e-15)


def test_no_corner_of_a_pixel_lies_beyond_its_radius() -> None:
    for order in range(7):
        index = np.arange(12 << (2 * order))
        middle = np.repeat(np.stack(unit_vectors(order, *face_x_y(order, index)), -1), 1 << 8, axis=0)
        fine = (index[:, None] * (1 << 8) + np.arange(1 << 8)).ravel() if order < 4 else None
        if fine is not None:
            point = np.stack(unit_vectors(order + 4, *face_x_y(order + 4, fine)), -1)
            apart = np.arccos(np.clip((middle * point).sum(axis=1), -1, 1)).max()
            assert 0.8 * pixel_radius_rad(order) < apart < pixel_radius_rad(order)


@pytest.mark.parametrize("radius_deg", [0.001, 0.3, 2.0, 40.0, 90.0, 150.0, 180.0])
@pytest.mark.parametrize("middle", [(0.0, 0.0), (359.99, 45.0), (12.0, 90.0), (200.0, -89.5), (45.0, 41.8)])
def test_a_circle_on_an_even_sky_holds_its_area(radius_deg: float, middle: tuple[float, float]) -> None:
    (found,) = field_probabilities(EVEN, [Circle("a", *middle, radius_deg)])
    assert found == pytest.approx((1 - math.cos(math.radians(radius_deg))) / 2, rel=4e-3)


@pytest.mark.parametrize("angle_deg", [0.0, 12.0, 45.0, -100.0])
@pytest.mark.parametrize("middle", [(0.1, 3.0), (100.0, 89.9), (30.0, -41.8)])
def test_a_box_on_an_even_sky_holds_its_area(angle_deg: float, middle: tuple[float, float]) -> None:
    """The solid angle of a pyramid: 4 arcsin(sin(w / 2) sin(h / 2))."""
    boxes = [Box("a", *middle, 3.5, 3.5, angle_deg), Box("b", *middle, 4.0, 0.5, angle_deg)]
    area = [
        4 * math.asin(math.sin(math.radians(b.width_deg / 2)) * math.sin(math.radians(b.height_deg / 2))) for b in boxes
    ]
    np.testing.assert_allclose(field_probabilities(EVEN, boxes), np.array(area) / (4 * math.pi), rtol=6e-3)


def fields() -> list[Field]:
    rng = np.random.default_rng(3)
    found: list[Field] = []
    for k, (ra, dec) in enumerate(np.degrees(rng.normal([2.0, -1.2], [0.3, 0.1], (12, 2)))):
        found += [
            Circle(f"c{k}", ra % 360, dec, 1.75),
            Box(f"b{k}", ra % 360, dec, 5.0, 3.0, 30.0 * k),
        ]
    return found


def is_inside(field: Field, point: FloatArray) -> BoolArray:
    """Say whether points lie in a field, in another way than the code does."""
    ra, dec = np.radians(middle_of(field))
    middle = vectors(np.array([ra]), np.array([dec]))[0]
    if isinstance(field, Circle):
        chord = np.linalg.norm(point - middle, axis=1)
        return np.asarray(chord <= 2 * math.sin(math.radians(field.radius_deg) / 2))
    assert isinstance(field, Box)
    east = np.array([-math.sin(ra), math.cos(ra), 0.0])
    north = np.cross(middle, east)
    ahead = point @ middle
    x, y = point @ east / ahead, point @ north / ahead
    turn = math.radians(field.angle_deg)
    along, up = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
    wide, high = (math.tan(math.radians(full / 2)) for full in (field.width_deg, field.height_deg))
    return np.asarray((ahead > 0) & (abs(along) <= wide) & (abs(up) <= high))


def test_fields_of_a_map_hold_what_its_pixels_in_them_hold() -> None:
    found = skymap(2.0, -1.2, 0.05, rounds=9, split=64)
    near = near_pixels()
    held, _ = Sums(found).of(FINE, near)
    point = vectors(*centres(uniq_of(FINE, near)))
    expected = np.array([held[is_inside(field, point)].sum() for field in fields()])
    result = field_probabilities(found, fields())
    matters = expected > 1e-3
    assert matters.sum() > 12
    np.testing.assert_allclose(result[matters], expected[matters], rtol=0.01)
    np.testing.assert_allclose(result, expected, atol=1e-3)


STAR = ((10.0, 20.0), (12.0, 24.0), (14.0, 20.0), (12.0, 21.0))
"""Not convex: a dart."""


@pytest.mark.parametrize("corners", [STAR, STAR[::-1], (*STAR, STAR[0])])
def test_a_polygon_is_the_same_either_way_round_and_closed(corners: tuple[tuple[float, float], ...]) -> None:
    whole, notch = field_probabilities(
        EVEN, [Polygon("w", (STAR[0], STAR[1], STAR[2])), Polygon("n", (STAR[0], STAR[3], STAR[2]))]
    )
    (dart,) = field_probabilities(EVEN, [Polygon("d", corners)])
    assert dart == pytest.approx(whole - notch, rel=5e-3)


def test_a_polygon_may_hold_a_pole_and_cross_the_first_meridian() -> None:
    square = [
        Polygon(name, tuple((ra, dec) for ra in (45.0, 135.0, 225.0, 315.0)))
        for name, dec in (("n", 87.0), ("s", -87.0))
    ]
    full = 2 * math.degrees(math.atan(math.tan(math.radians(3)) * math.sqrt(0.5)))
    box = Box("box", 0.0, 90.0, full, full)
    wrap = Polygon("wrap", ((359.0, -1.0), (1.0, -1.0), (1.0, 1.0), (359.0, 1.0)))
    north, south, same, around = field_probabilities(EVEN, [*square, box, wrap])
    assert (north, south) == pytest.approx((same, same), rel=3e-3)
    assert around == pytest.approx(4 * (math.pi / 180) ** 2 / (4 * math.pi), rel=3e-3)
    assert middle_of(wrap) == pytest.approx((0.0, 0.0), abs=1e-9) or middle_of(wrap)[0] == pytest.approx(360.0)


def test_many_fields_together_hold_what_each_holds_alone() -> None:
    found = skymap(2.0, -1.2, 0.05, rounds=7, split=64)
    many = [field for turn in range(20) for field in (Box(str(turn), 114.0, -69.0, 4.0, 3.0, 9.0 * turn), *fields())]
    together = field_probabilities(found, many)
    assert together.max() > 0.1
    for at in range(0, len(many), 17):
        assert field_probabilities(found, [many[at]]) == pytest.approx(together[at], abs=1e-12)


def test_halves_make_the_whole() -> None:
    found = skymap(2.0, -1.2, 0.3)
    north, south, whole = field_probabilities(
        found, [Circle(n, 7.0, d, r) for n, d, r in (("n", 90, 90), ("s", -90, 90), ("w", 3, 180))]
    )
    assert (north + south, whole) == pytest.approx((1.0, 1.0), abs=1e-5)


def test_what_has_no_area_holds_nothing() -> None:
    line = Polygon("line", ((1.0, 1.0), (2.0, 1.0), (1.0, 1.0)))
    assert list(field_probabilities(EVEN, [Circle("c", 1, 1, 0), Box("b", 1, 1, 0, 3), line])) == [0.0, 0.0, 0.0]
    assert len(field_probabilities(EVEN, [])) == 0


def test_an_empty_map_holds_nothing_anywhere() -> None:
    empty = replace(EVEN, probdensity=np.zeros(12))
    assert field_probabilities(empty, [Circle("c", 1, 1, 3)])[0] == 0.0
    assert best(empty) == ()


def test_a_place_smaller_than_a_pixel_of_the_field_is_not_missed() -> None:
    """All the probability within 0.01 degrees, at the edge of a field of 3 degrees: half of it."""
    order = np.arange(1, 13)
    index = np.array([nested_at(int(o), np.array(1.0), np.array(0.2)) for o in order])
    beside = uniq_of(order[:, None], index[:, None] ^ np.arange(1, 4))
    coarse = np.delete(np.arange(12), index[0] >> 2) + 4
    uniq = np.sort(np.concatenate([coarse, beside.ravel(), uniq_of(12, index[-1:])]))
    at = np.flatnonzero(uniq == uniq_of(12, index[-1:])[0])
    density = np.where(np.arange(len(uniq)) == at, 1 / float(area_sr(np.array(12))), 0.0)
    ra, dec = np.degrees(np.array(centres(uniq[at]))[:, 0])
    spot = replace(EVEN, uniq=uniq, probdensity=density)
    (found,) = field_probabilities(spot, [Box("b", ra, dec + 1.5, 3.0, 3.0)])
    assert found == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Circle("x", math.nan, 0, 1), lambda: Circle("x", 0, 91, 1), lambda: Circle("x", 0, 0, -1),
        lambda: Circle("x", 0, 0, math.inf), lambda: Box("x", 0, 0, 171, 1), lambda: Box("x", 0, 0, 1, 1, math.nan),
        lambda: Polygon("x", ((0, 0), (1, 1))), lambda: Polygon("x", ((0, 0), (120, 0), (240, 0))),
        lambda: Polygon("x", ((0, 0), (math.nan, 1), (1, 1))), lambda: Polygon("x", ((0, 0),) * 257),
    ],
)  # fmt: skip
def test_what_is_no_field_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="field x"):
        wrong()  # type: ignore[operator]


def test_a_file_has_fields_of_three_forms(tmp_path: Path) -> None:
    file = tmp_path / "fields.txt"
    file.write_text(
        "# name ra dec\nA1 197.45 -23.38 1.0  # a circle\n\nB,1,2,3.5,3.5,-12\nC Polygon 10 20 12 20 12 22\n"
    )
    circle, box, polygon = (
        Circle("A1", 197.45, -23.38, 1.0),
        Box("B", 1, 2, 3.5, 3.5, -12),
        Polygon("C", ((10, 20), (12, 20), (12, 22))),
    )
    assert read_fields(file) == (circle, box, polygon)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A 1 2 3\nB 1 2", "fields:2: 2 numbers"),
        ("A 1 2 x", "fields:1: could not convert string to float: 'x'"),
        ("A 1 2 3\n\nA 1 2 3", "fields:3: another field is named A"),
        ("A 1 2 nan", "fields:1: field A: radius nan"),
        ("A 1 200 3", "fields:1: field A: declination 200"),
        ("A polygon 1 2 3 4 5", "fields:1: 5 numbers"),
        ("A polygon 1 2 3 4", "fields:1: field A: 2 corners"),
        ("# nothing\n", "fields names no field"),
        ("\x1b[31mA\x1b[0m 1 2 -3", "fields:1: field [^\x1b]*A"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as error:
        parse_fields(text)
    assert "\x1b" not in str(error.value)


def test_the_best_places_do_not_overlap_and_begin_with_the_best() -> None:
    found = skymap(2.0, -1.2, 0.1, rounds=8, split=64)
    places = best(found, 7, 2.0)
    assert len(places) == 7
    held = [place.probability for place in places]
    assert held == sorted(held, reverse=True)
    assert (places[0].ra_deg, places[0].dec_deg) == pytest.approx((math.degrees(2.0), math.degrees(-1.2)), abs=1.5)
    points = vectors(*np.radians([[p.ra_deg, p.dec_deg] for p in places]).T)
    apart = np.degrees(np.arccos(np.clip(points @ points.T, -1, 1)))[np.triu_indices(7, 1)]
    assert apart.min() > 4.0 - 1e-6
    (again,) = field_probabilities(found, [Circle("", places[0].ra_deg, places[0].dec_deg, 2.0)])
    assert again == pytest.approx(held[0])


def test_the_best_place_is_no_worse_than_any_looked_at() -> None:
    found = skymap(5.5, 0.5, 0.2, rounds=7, split=32)
    rng = np.random.default_rng(1)
    around = np.degrees(rng.normal([5.5, 0.5], 0.05, (200, 2)))
    others = field_probabilities(found, [Circle("", ra, dec, 3.0) for ra, dec in around])
    assert best(found, 1, 3.0)[0].probability > 0.97 * others.max()


@pytest.mark.parametrize(("n", "radius_deg"), [(0, 1.0), (1001, 1.0), (5, 0.0), (5, math.nan)])
def test_best_refuses_what_makes_no_sense(n: int, radius_deg: float) -> None:
    with pytest.raises(ConfigurationError, match="best"):
        best(EVEN, n, radius_deg)


def test_sums_of_pixels_wider_and_finer_than_the_map() -> None:
    found = skymap(2.0, -1.2, 0.3, rounds=4)
    sums = Sums(found)
    for order in (0, 2, 5):
        held, _ = sums.of(order, np.arange(12 << (2 * order)))
        assert held.sum() == pytest.approx(1.0, abs=1e-9)
    wide, fine = sums.of(3, np.arange(12 << 6))[0], sums.of(4, np.arange(12 << 8))[0]
    np.testing.assert_allclose(wide, fine.reshape(-1, 4).sum(axis=1), atol=1e-15)


@pytest.mark.parametrize(
    "field", [Box("b", 10.0, 80.0, 6.0, 4.0, 30.0), Circle("c", 350.0, -40.0, 5.0), Polygon("p", STAR)]
)
def test_a_field_and_its_drawn_edge_are_the_same(field: Field) -> None:
    corners = np.degrees(np.stack(edge_of(field), axis=-1))[:-1]
    drawn = Polygon("drawn", tuple((float(ra), float(dec)) for ra, dec in corners))
    found = skymap(0.2, 0.5, 1.0)
    one, other = field_probabilities(found, [field, drawn])
    assert other == pytest.approx(one, rel=0.015)
