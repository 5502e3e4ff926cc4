"""Sky map to FITS to sky map: what was written is what is read, in multi-order, NESTED and RING, plain and gzipped."""

from __future__ import annotations

import gzip
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skymaps import refined, same, skymap

from pipelines.show.near_by import part_of
from pipelines.show.skyplot import plot_skymap
from stream.codec.fits_table import Column, Value, write_table
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.healpix import area_sr, nested_at, ring_index, split_uniq, uniq_of
from stream.records import SkyMap
from stream.regions import credible_areas_deg2, distance_interval_mpc, distance_text
from stream.types import FloatArray, IntArray

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(str.strip)


@st.composite
def maps(draw: st.DrawFn) -> SkyMap:
    made = skymap(
        draw(st.floats(0, 6.28)), draw(st.floats(-1.57, 1.57)), draw(st.floats(0.02, 1)),
        rounds=draw(st.integers(0, 8)), split=draw(st.integers(1, 40)), distance=draw(st.booleans()),
    )  # fmt: skip
    detectors = draw(st.lists(st.sampled_from(["H1", "L1", "V1", "K1", "Fermi"]), unique=True).map(tuple))
    gps_ns = draw(st.none() | st.integers(10**12, 3 * 10**18).map(lambda ns: ns // 1000 * 1000))
    return replace(made, detectors=detectors, gps_ns=gps_ns, creator=draw(TEXTS))


@given(made=maps(), history=st.lists(st.text(max_size=200), max_size=3), zipped=st.booleans())
def test_what_was_written_is_what_is_read(made: SkyMap, history: list[str], zipped: bool) -> None:
    payload = encode_skymap(made, history, seconds=0.05)
    assert len(payload) % 2880 == 0
    assert same(decode_skymap(gzip.compress(payload, 1) if zipped else payload), made)


@given(made=maps(), ring=st.booleans())
def test_a_flat_map_is_the_same_map_on_the_same_sky(made: SkyMap, ring: bool) -> None:
    """Joined without loss: each fine pixel has the density and distance that the flat map gave it."""
    order = int(min(4, split_uniq(made.uniq)[0].max()))
    index = np.arange(12 * 4**order)
    density = np.round(density_at(made, order), 3) + 1e-3
    density /= density.sum() * area_sr(np.array(order))
    mu = np.round(density, 1) * 100
    place = ring_index(order, index) if ring else index
    flat = [np.empty(len(index)) for _ in range(4)]
    for column, values in zip(flat, (density * area_sr(np.array(order)), mu, mu + 1, mu / 2), strict=True):
        column[place] = values
    names = ("PROB", "DISTMU", "DISTSIGMA", "DISTNORM")
    found = decode_skymap(
        write_table(
            [Column(name, column) for name, column in zip(names, flat, strict=True)],
            [("ORDERING", "RING" if ring else "NESTED"), ("NSIDE", 2**order)], [],
        )
    )  # fmt: skip
    assert len(found.uniq) <= len(index)
    assert found.distmu_mpc is not None
    assert np.allclose(density_at(found, order), density, rtol=1e-12)
    at = pixel_of(found, order)
    assert np.array_equal(found.distmu_mpc[at], mu)


def pixel_of(made: SkyMap, order: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return which pixel of a map covers the start of each pixel of one order."""
    orders, index = split_uniq(made.uniq)
    first = index << (2 * (29 - orders))
    by_place = np.argsort(first)
    wanted = np.arange(12 * 4**order) << (2 * (29 - order))
    at: np.ndarray[tuple[int], np.dtype[np.int64]] = by_place[np.searchsorted(first[by_place], wanted, "right") - 1]
    return at


def density_at(made: SkyMap, order: int) -> FloatArray:
    values: FloatArray = made.probdensity[pixel_of(made, order)]
    return values


@given(st.floats(0, 6.28), st.floats(-1.5, 1.5))
def test_the_brightest_pixel_is_where_the_spot_is(ra: float, dec: float) -> None:
    found = decode_skymap(encode_skymap(skymap(ra, dec, rounds=5)))
    best = found.uniq[np.argmax(found.probdensity)]
    order, _ = split_uniq(best[None])
    near = uniq_of(order[0], nested_at(int(order[0]), np.array([ra]), np.array([dec])))
    assert best == near[0] or found.probdensity.max() / found.probdensity[found.uniq == near[0]] < 1.5


EXTREME = st.sampled_from(
    [0.0, 1e-300, 1e-7, 1e-5, 1.0, 350.0, 1e6, 9e6, 1e30, 1e300, -1.0, -1e6, -1e300, float("inf"), float("nan")]
)


def extreme(mu: float, sigma: float, norm: float, mean: float, depth: int) -> SkyMap:
    """Return a map whose every distance is absurd, and whose probability is all in one pixel."""
    made = refined(depth, 1.0, 0.5, 1e-8, split=1)
    density, best = np.full(len(made), 1e-30), nearest(made, 1.0, 0.5)
    density[best] = 1 / area_sr(split_uniq(made)[0])[best]
    columns = {"UNIQ": made, "PROBDENSITY": density}
    distances = {"DISTMU": mu, "DISTSIGMA": sigma, "DISTNORM": norm}
    columns |= {name: np.full(len(made), value) for name, value in distances.items()}
    cards: list[tuple[str, Value]] = [("ORDERING", "NUNIQ")]
    cards += [(name, mean) for name in ("DISTMEAN", "DISTSTD") if np.isfinite(mean)]
    return decode_skymap(write_table([Column(name, values) for name, values in columns.items()], cards, []))


@given(mu=EXTREME, sigma=EXTREME, norm=EXTREME, mean=EXTREME, depth=st.sampled_from([0, 3, 28]))
def test_whatever_is_decoded_can_be_told(mu: float, sigma: float, norm: float, mean: float, depth: int) -> None:
    found = extreme(mu, sigma, norm, mean, depth)
    assert len(distance_text(found)) < 40
    assert credible_areas_deg2(found, [0.9])[0] >= 0
    assert part_of(found) is not None or depth == 0
    interval = distance_interval_mpc(found, 0.9)
    assert interval is None or 0 <= interval[0] <= interval[1] < 1e9


@pytest.mark.parametrize("values", [(9e6, 9e6, 1.0), (350.0, 1e-5, 1e11), (-1e6, 1.0, 1.0), (0.0, 1e-5, 0.0)])
def test_whatever_is_decoded_can_be_drawn(values: tuple[float, float, float]) -> None:
    out = BytesIO()
    plot_skymap(extreme(*values, mean=9e6, depth=28), out)
    assert out.getvalue()[:4] == b"\x89PNG"


def nearest(uniq: IntArray, ra: float, dec: float) -> int:
    """Return which pixel holds a place."""
    order, index = split_uniq(uniq)
    there = [int(nested_at(int(one), np.array([ra]), np.array([dec]))[0]) for one in order]
    (found,) = np.flatnonzero(index == there)
    return int(found)
