"""Multi-order HEALPix without astropy-healpix, against it."""

from __future__ import annotations

import math

import astropy_healpix
import astropy_healpix.core
import numpy as np
import pytest
from astropy import units

from stream.healpix import MAX_ORDER, area_sr, centres, directions, nested_at, ring_index, split_uniq, uniq_of
from stream.types import IntArray


def some_pixels(order: int) -> IntArray:
    """All pixels of a low order; of a high one the first, the last and some between."""
    pixels = 12 * 4**order
    if order <= 5:
        return np.arange(pixels)
    ends = np.concatenate([np.arange(50), pixels - 1 - np.arange(50)])
    return np.unique(np.concatenate([ends, np.random.default_rng(order).integers(0, pixels, 5000)]))


@pytest.mark.parametrize("order", range(MAX_ORDER + 1))
def test_uniq_says_order_and_index(order: int) -> None:
    index = some_pixels(order)
    uniq = uniq_of(order, index)
    found_order, found_index = split_uniq(uniq)
    assert set(found_order.tolist()) == {order}
    assert np.array_equal(found_index, index)
    assert np.array_equal(uniq, astropy_healpix.level_ipix_to_uniq(order, index))


@pytest.mark.parametrize("order", [0, 1, 2, 5, 8, 11, 20, MAX_ORDER])
def test_centres_are_those_of_astropy_healpix(order: int) -> None:
    index = some_pixels(order)
    lon, lat = astropy_healpix.core.healpix_to_lonlat(index, 2**order, order="nested")
    ra, dec = centres(uniq_of(order, index))
    assert np.allclose(dec, lat.value, atol=2e-8 if order > 15 else 1e-12, rtol=0)
    turn = np.abs(np.mod(ra - lon.value + math.pi, 2 * math.pi) - math.pi)
    assert np.max(turn * np.cos(dec)) < 1e-12


def test_pixels_of_all_orders_at_once_have_the_directions_of_their_centres() -> None:
    uniq = np.random.default_rng(1).permutation(np.concatenate([uniq_of(k, some_pixels(k)) for k in range(21)]))
    ra, dec = centres(uniq)
    expected = [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)]
    np.testing.assert_allclose(directions(uniq), expected, rtol=0, atol=2e-15)


@pytest.mark.parametrize("order", [0, 1, 2, 5, 10, 13])
def test_places_in_rings_are_those_of_astropy_healpix(order: int) -> None:
    index = some_pixels(order)
    assert np.array_equal(ring_index(order, index), astropy_healpix.core.nested_to_ring(index, 2**order))


@pytest.mark.parametrize("order", [0, 1, 3, 7, 11, 20])
def test_points_lie_in_the_pixels_that_astropy_healpix_names(order: int) -> None:
    rng = np.random.default_rng(order)
    ra, dec = rng.uniform(-1, 7, 20_000), np.arcsin(rng.uniform(-1, 1, 20_000))
    expected = astropy_healpix.core.lonlat_to_healpix(ra * units.rad, dec * units.rad, 2**order, order="nested")
    assert np.array_equal(nested_at(order, ra, dec), expected)


@pytest.mark.parametrize("order", [0, 1, 5, 11, 25])
def test_a_centre_lies_in_its_pixel(order: int) -> None:
    index = some_pixels(order)
    assert np.array_equal(nested_at(order, *centres(uniq_of(order, index))), index)


def test_the_poles_and_the_edges_of_longitude_are_somewhere() -> None:
    ra = np.array([0.0, 2 * math.pi, -1e-18, 4.0, 0.0])
    dec = np.array([math.pi / 2, -math.pi / 2, 0.0, math.pi / 2, -math.pi / 2])
    for order in (0, 4, 11):
        found = nested_at(order, ra, dec)
        assert found.min() >= 0
        assert found.max() < 12 * 4**order


def test_the_pixels_of_an_order_cover_the_sphere() -> None:
    for order in (0, 3, 29):
        assert 12 * 4**order * area_sr(np.array([order]))[0] == pytest.approx(4 * math.pi, rel=1e-15)
