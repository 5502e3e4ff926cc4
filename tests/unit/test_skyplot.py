"""Pictures of sky maps: where things are in them, and that every kind of map has one."""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from skymaps import skymap

from pipelines.show import mollweide
from pipelines.show.near_by import Part, from_plane, part_of, to_plane
from pipelines.show.skyplot import plot_skymap
from pipelines.show.theme import DARK
from stream.healpix import DEG2_PER_SR, centres
from stream.records import SkyMap
from stream.regions import area_text, credible_areas_deg2, credible_levels, distance_text, pixels_at


def test_a_region_takes_its_part_of_the_picture() -> None:
    """The projection keeps areas: points within 90 % are as many as the region is large."""
    made = skymap(width=0.3, rounds=8, split=64)
    ra, dec, inside = mollweide.grid(800)
    held = (credible_levels(made)[pixels_at(made, ra, dec)] <= 0.9) & inside
    (area_deg2,) = credible_areas_deg2(made, [0.9])
    assert held.sum() / inside.sum() == pytest.approx(area_deg2 / (4 * math.pi * DEG2_PER_SR), rel=0.02)


def test_a_point_is_placed_where_the_grid_has_it() -> None:
    ra, dec, inside = mollweide.grid(200)
    x, y = mollweide.place(ra[inside], dec[inside])
    left, right, bottom, top = mollweide.EXTENT
    row, column = np.nonzero(inside)
    assert np.allclose(x, left + (column + 0.5) / 200 * (right - left), atol=1e-3)
    assert np.allclose(y, bottom + (row + 0.5) / 100 * (top - bottom), atol=1e-3)


def test_right_ascension_grows_to_the_left() -> None:
    x, _ = mollweide.place(np.radians([90.0, 180.0, 270.0]), np.zeros(3))
    assert x[0] > x[1] > x[2]
    assert x[1] == pytest.approx(0)


@pytest.mark.parametrize(
    "made",
    [
        skymap(),
        skymap(dec=1.57, width=0.02, rounds=12, split=64, distance=False),
        skymap(width=2.0, rounds=0),
        replace(skymap(), distmu_mpc=np.full(len(skymap().uniq), np.inf)),
    ],
    ids=["usual", "at the pole without distance", "all the sky", "no line of sight has a distance"],
)
def test_every_map_has_a_picture(made: SkyMap) -> None:
    out = BytesIO()
    plot_skymap(made, out, labels=["$TS<15$0914a_^"], theme=DARK)
    picture = imread(BytesIO(out.getvalue()))
    assert picture.shape[1] == 960
    assert np.ptp(picture[..., :3]) > 0.5


def test_two_maps_stand_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "new" / "both.png"
    plot_skymap(skymap(), path, skymap(width=0.12), labels=["Tocsin", "BAYESTAR"])
    assert imread(path).shape[1] == 2 * 960


def test_numbers_as_people_read_them() -> None:
    assert [area_text(value) for value in (25979.3, 237.4, 0.523)] == ["25,979 deg²", "237 deg²", "0.52 deg²"]
    assert distance_text(skymap()) == "430 ± 118 Mpc"
    assert distance_text(skymap(distance=False)) == "distance not told"


def test_the_part_near_by_holds_the_region_and_no_half_of_the_sky() -> None:
    made = skymap(ra=6.2, dec=0.4, width=0.2, rounds=8)
    part = part_of(made)
    assert part is not None
    ra, dec = centres(made.uniq[credible_levels(made) <= 0.9])
    x, y = to_plane(ra, dec, part)
    assert np.max(np.hypot(x, y)) <= 2 * math.sin(part.radius / 2)
    assert part_of(skymap(width=2.0, rounds=0)) is None


@pytest.mark.parametrize("dec", [-1.5, 0.0, 0.7, 1.57])
def test_the_plane_gives_back_the_places_that_it_was_given(dec: float) -> None:
    part = Part(3.0, dec, 0.6)
    x, y = np.random.default_rng(3).uniform(-0.5, 0.5, (2, 500))
    ra, found = from_plane(x, y, part)
    assert np.allclose(to_plane(ra, found, part), (x, y), atol=1e-9)


def test_north_is_up_and_east_to_the_left() -> None:
    """The picture's left side has the larger x, which is east."""
    part = Part(1.0, 0.3, 0.5)
    ra, dec = from_plane(np.array([0.1, 0.0]), np.array([0.0, 0.1]), part)
    assert ra[0] > part.ra
    assert dec[1] > part.dec
