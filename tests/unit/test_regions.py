"""Areas, levels and the most probable place of a sky map."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from skymaps import skymap

from stream.healpix import DEG2_PER_SR, centres, uniq_of
from stream.regions import (
    credible_areas_deg2,
    credible_levels,
    distance_density,
    distance_interval_mpc,
    most_probable_deg,
    pixels_at,
    probability,
)


def test_a_map_without_a_preference_has_its_part_of_the_sky() -> None:
    even = replace(skymap(rounds=0), probdensity=np.full(48, 1 / (4 * math.pi)))
    sky_deg2 = 4 * math.pi * DEG2_PER_SR
    assert credible_areas_deg2(even, [0.5, 0.9, 1.0]) == pytest.approx((sky_deg2 / 2, sky_deg2 * 0.9, sky_deg2))


def test_a_narrow_spot_has_the_area_of_its_gaussian() -> None:
    """A round Gaussian of width w holds half its probability in 2 pi w ** 2 ln 2."""
    width = math.radians(5.0)
    made = skymap(width=width, rounds=10, split=256)
    expected = [2 * math.pi * width**2 * -math.log(1 - level) * DEG2_PER_SR for level in (0.5, 0.9)]
    assert credible_areas_deg2(made, [0.5, 0.9]) == pytest.approx(expected, rel=0.02)


def test_levels_rise_as_densities_fall() -> None:
    made = skymap()
    at = np.argsort(-made.probdensity)
    levels = credible_levels(made)[at]
    assert np.all(np.diff(levels) >= 0)
    assert levels[0] == pytest.approx(float(probability(made)[at[0]]))
    assert levels[-1] == pytest.approx(1)


def test_the_most_probable_place_is_the_brightest_pixel() -> None:
    made = skymap(rounds=0)
    bright = np.full(48, 1e-6)
    bright[list(made.uniq).index(uniq_of(1, np.array([7]))[0])] = 1.0
    ra, dec = most_probable_deg(replace(made, probdensity=bright))
    assert (ra, dec) == pytest.approx((135.0, 66.443), abs=0.01)


def test_the_density_over_distance_holds_all_and_its_interval_ninety_percent() -> None:
    made = skymap()
    distance_mpc = np.linspace(0, 1500, 3000)
    density = distance_density(made, distance_mpc)
    assert density is not None
    step = distance_mpc[1]
    assert float(density.sum() * step) == pytest.approx(1, abs=0.05)  # its norm is that of an untruncated Gaussian
    interval = distance_interval_mpc(made, 0.9)
    assert interval is not None
    inside = (distance_mpc > interval[0]) & (distance_mpc < interval[1])
    assert density[inside].sum() / density.sum() == pytest.approx(0.9, abs=0.01)


def test_a_map_without_distance_has_no_density_over_it() -> None:
    made = skymap(distance=False)
    assert distance_density(made, np.arange(3.0)) is None
    assert distance_interval_mpc(made, 0.9) is None


def test_each_pixel_is_found_at_its_centre() -> None:
    made = skymap(rounds=8)
    assert np.array_equal(pixels_at(made, *centres(made.uniq)), np.arange(len(made.uniq)))
