"""The overlap of two sky maps, and their product."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coincide_maps import flat, of, random_map
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluate import raven_peer
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.coincide.coarsen import coarsened
from stream.coincide.combine import MOST_PIXELS, combine, marginal_distance
from stream.coincide.draw import skymap_of
from stream.coincide.overlap import overlap, ranges, total
from stream.healpix import area_sr, centres, split_uniq, uniq_of
from stream.localize.ansatz import to_moments
from stream.records import ExternalEvent, SkyMap
from stream.regions import pixels_at, probability

SEEDS = st.integers(0, 2**32)
EVERYWHERE = of(np.arange(4, 16), np.ones(12))


def at(ra_deg: float, dec_deg: float, radius_deg: float | None = None, containment: float = 0.9) -> SkyMap:
    found = skymap_of(
        ExternalEvent(
            "1", "X", "gamma", "initial", 10**18, 10**18, ra_deg=ra_deg, dec_deg=dec_deg,
            error_radius_deg=radius_deg, containment=containment,
        )
    )  # fmt: skip
    assert found is not None
    return found


@given(SEEDS, SEEDS)
def test_overlap_equals_the_sum_over_fine_pixels(one: int, other: int) -> None:
    """Both maps on all pixels of one fine order: the same to 1e-12."""
    first, second = random_map(one), random_map(other, 50)
    p, q = flat(first, 6), flat(second, 6)
    assert overlap(first, second) == pytest.approx(len(p) * float(np.dot(p, q)) / p.sum() / q.sum(), rel=1e-12)


@given(SEEDS, SEEDS)
def test_overlap_is_symmetric_and_unchanged_by_dividing_pixels_and_by_scale(one: int, other: int) -> None:
    first, second = random_map(one), random_map(other)
    expected = overlap(first, second)
    assert overlap(second, first) == pytest.approx(expected, rel=1e-12)
    some = np.arange(len(first.uniq)) % 3 == 0
    children = (4 * first.uniq[some][:, None] + np.arange(4)).ravel()
    shuffled = np.random.default_rng(one).permutation(len(children) + int((~some).sum()))
    uniq = np.concatenate([first.uniq[~some], children])[shuffled]
    density = np.concatenate([first.probdensity[~some], np.repeat(first.probdensity[some], 4)])[shuffled]
    assert overlap(replace(first, uniq=uniq, probdensity=7.5 * density), second) == pytest.approx(expected, rel=1e-12)


@given(SEEDS)
def test_a_map_that_says_nothing_overlaps_by_one(seed: int) -> None:
    assert overlap(random_map(seed), EVERYWHERE) == pytest.approx(1.0, rel=1e-12)


def test_what_is_no_density_counts_as_none_and_a_part_of_the_sky_is_enough() -> None:
    """Negative and not finite ones are 0, and so is what no pixel covers; a map of nothing overlaps with nothing."""
    uniq = np.arange(4, 16)
    whole = of(uniq, np.array([1.0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
    spoilt = replace(whole, probdensity=np.where(whole.probdensity == 0, [-1, np.nan, np.inf] * 4, whole.probdensity))
    part = replace(whole, uniq=uniq[:2], probdensity=whole.probdensity[:2])
    other = random_map(3)
    assert overlap(spoilt, other) == overlap(whole, other)
    assert overlap(part, other) == pytest.approx(overlap(whole, other), rel=1e-12)
    assert overlap(part, replace(whole, uniq=uniq[2:], probdensity=np.ones(10))) == 0.0
    assert overlap(replace(whole, probdensity=np.zeros(12)), other) == 0.0
    assert overlap(replace(whole, uniq=uniq[:0], probdensity=np.zeros(0)), other) == 0.0
    assert overlap(replace(whole, probdensity=np.full(12, np.nan)), other) == 0.0


def test_overlap_at_the_finest_order() -> None:
    """Two pixels of order 29, one in the other's parent."""
    deep = int(uniq_of(29, np.array(5)))
    one = SkyMap(np.array([deep]), np.array([1.0]), None, None, None, None, None, (), None, "")
    parent = replace(one, uniq=np.array([deep // 4]))
    area = float(area_sr(np.array(28)))
    assert overlap(one, parent) == pytest.approx(4 * math.pi / area, rel=1e-12)
    assert overlap(one, replace(one, uniq=np.array([deep + 1]))) == 0.0


@given(SEEDS, st.floats(0, 359.9), st.floats(-90, 90))
def test_the_overlap_with_a_point_is_the_density_there(seed: int, ra_deg: float, dec_deg: float) -> None:
    skymap = random_map(seed)
    density = skymap.probdensity[pixels_at(skymap, np.radians([ra_deg]), np.radians([dec_deg]))[0]]
    assert overlap(skymap, at(ra_deg, dec_deg)) == pytest.approx(4 * math.pi * density, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_equal_ravens(seed: int) -> None:
    """Where RAVEN's is exact: on the same pixels, on flat maps, and of a flat map with one no coarser."""
    one, other = random_map(seed, 60), random_map(seed + 100, 60)
    ours = overlap(one, other)
    assert raven_peer.overlap(*raven_peer.on_common_pixels(one, other)) == pytest.approx(ours, rel=1e-9)
    p, q = flat(one, 6), flat(other, 6)
    assert raven_peer.overlap_of_flat(p, q) == pytest.approx(ours, rel=1e-9)
    fine = of(uniq_of(6, np.arange(len(p))), p)
    assert raven_peer.overlap_with_flat(fine, q / q.sum()) == pytest.approx(ours, rel=1e-9)
    for ra, dec in np.degrees(np.stack(centres(one.uniq))).T[:5]:
        assert raven_peer.overlap_at(one, ra, dec) == pytest.approx(overlap(one, at(ra, dec)), rel=1e-9)


def test_joint_rates_with_the_sky_equal_ravens() -> None:
    one, other = random_map(1, 60), random_map(2, 60)
    maps = raven_peer.on_common_pixels(one, other)
    _, sky_hz, shared = raven_peer.joint_far("GRB", "Fermi", (-1, 5), 1e-8, rate_hz=1e-5, maps=maps)
    assert shared == pytest.approx(overlap(one, other), rel=1e-9)
    assert sky_hz == pytest.approx(6 * 1e-5 * 1e-8 / overlap(one, other), rel=1e-9)


@given(SEEDS, SEEDS)
def test_the_combined_map_is_the_normalised_product_on_the_sphere(one: int, other: int) -> None:
    gw, external = random_map(one, distance=True), random_map(other)
    made = combine(gw, external, "Fermi-GBM").skymap
    assert made is not None
    assert decode_skymap(encode_skymap(made)).uniq.tolist() == made.uniq.tolist()
    assert float(probability(made).sum()) == pytest.approx(1.0, rel=1e-12)
    product = flat(gw, 6) * flat(external, 6)
    product /= product.sum()
    found = flat(made, 6) * float(area_sr(np.array(6)))
    assert np.abs(found - product).sum() < 3e-6
    assert made.detectors == ("H1", "L1", "Fermi-GBM")


def test_each_line_of_sight_keeps_its_distance_and_the_whole_skys_is_made_anew() -> None:
    gw = random_map(4, distance=True)
    made = combine(gw, at(40, 10, 20)).skymap
    assert made is not None and made.distmu_mpc is not None and gw.distmu_mpc is not None
    held = probability(made)
    likely = held > 1e-4
    place = pixels_at(gw, *centres(made.uniq[likely]))
    assert made.distmu_mpc[likely].tolist() == gw.distmu_mpc[place].tolist()
    assert made.distmean_mpc is not None
    mean, std = marginal_distance(held, made.distmu_mpc, np.asarray(made.distsigma_mpc))
    assert (made.distmean_mpc, made.diststd_mpc) == (mean, std)
    assert marginal_distance(held, np.full(len(held), np.inf), np.ones(len(held))) == (None, None)


def test_distances_of_one_line_of_sight_are_those_of_the_ansatz() -> None:
    """The same as where maps are made, with SciPy; from all but cut off to narrow."""
    ratio = np.concatenate([np.linspace(-8, 12, 81), np.array([40.0, 300.0])])
    for x, mean, std in zip(ratio, *to_moments(ratio)[:2], strict=True):
        found = marginal_distance(np.ones(1), np.array([50 * x]), np.array([50.0]))
        assert found == pytest.approx((50 * mean, 50 * std), rel=1e-6)


def test_marginal_distances_are_those_that_lvk_writes(data_dir: Path) -> None:
    """Of its own map and of its combined one, by ligo.skymap, to 1e-4."""
    for name in ("bayestar", "combined-ext"):
        theirs = decode_skymap((data_dir / f"alerts/lvk_userguide/{name}.multiorder.fits").read_bytes())
        assert theirs.distmu_mpc is not None and theirs.distsigma_mpc is not None
        mean, std = marginal_distance(probability(theirs), theirs.distmu_mpc, theirs.distsigma_mpc)
        assert mean == pytest.approx(theirs.distmean_mpc, rel=2e-4)
        assert std == pytest.approx(theirs.diststd_mpc, rel=2e-4)


def test_maps_apart_have_no_product() -> None:
    north = of(np.arange(4, 16), np.array([1.0] * 4 + [0.0] * 8))
    south = of(np.arange(4, 16), np.array([0.0] * 8 + [1.0] * 4))
    assert combine(north, south) == (None, "the two sky maps have no direction in common")
    assert overlap(north, south) == 0.0
    nothing = replace(north, uniq=north.uniq[:0], probdensity=north.probdensity[:0])
    assert combine(nothing, south).skymap is None and combine(south, nothing).skymap is None


def test_a_product_of_partial_maps_covers_the_sphere() -> None:
    part = replace(random_map(8, distance=True))
    kept = np.arange(len(part.uniq)) % 2 == 0
    layers = ("uniq", "probdensity", "distmu_mpc", "distsigma_mpc", "distnorm")
    part = replace(part, **{name: getattr(part, name)[kept] for name in layers})
    made = combine(part, EVERYWHERE).skymap
    assert made is not None
    assert float(area_sr(split_uniq(made.uniq)[0]).sum()) == pytest.approx(4 * math.pi, rel=1e-12)
    encode_skymap(made)


def test_pixels_are_joined_where_nothing_is_lost() -> None:
    """Sixteen equal pixels become one, and improbable ones too; every probability stays."""
    uniq = np.concatenate([np.arange(5, 16), uniq_of(2, np.arange(16))])
    even = np.concatenate([np.arange(1.0, 12.0), np.full(16, 3.0)])
    found, columns = coarsened(uniq, even[:, None], 0.0)
    assert found.tolist() == list(range(4, 16))
    assert columns[:, 0].tolist() == [3.0, *range(1, 12)]
    uneven = np.concatenate([np.full(11, 1e3), 1e-12 * np.arange(16.0)])
    assert len(coarsened(uniq, uneven[:, None], 0.0)[0]) == len(uniq)
    found, columns = coarsened(uniq, uneven[:, None], 1e-6)
    assert found.tolist() == list(range(4, 16))
    assert columns[0, 0] == pytest.approx(7.5e-12)


def test_a_product_of_many_pixels_is_bounded() -> None:
    order = 7
    rng = np.random.default_rng(1)
    many = of(uniq_of(order, np.arange(12 << (2 * order))), rng.random(12 << (2 * order)) ** 8)
    wide = at(10, 20, 60)
    made = combine(many, wide).skymap
    assert made is None or len(made.uniq) <= MOST_PIXELS
    small = combine(many, at(10, 20, 5)).skymap
    assert small is not None and len(small.uniq) < 10_000
    assert len(encode_skymap(small)) < 500_000


def test_totals_do_not_depend_on_the_order_of_pixels() -> None:
    skymap = random_map(5)
    assert total(ranges(skymap)) == pytest.approx(1.0)
    backwards = replace(skymap, uniq=skymap.uniq[::-1], probdensity=skymap.probdensity[::-1])
    assert total(ranges(backwards)) == total(ranges(skymap))
