"""An external event's place is prepared when its notice is heard: an alert reads small maps, whoever sent what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from findings import MERGER_NS
from messengers import burst, retracted
from skymaps import skymap

from stream.codec.skymap import decode_skymap, encode_skymap
from stream.coincide import draw
from stream.coincide import judge as judge_module
from stream.coincide.coincidences import MOST_JUDGED, Coincidences
from stream.coincide.combine import combine
from stream.coincide.draw import skymap_of
from stream.coincide.overlap import overlap
from stream.coincide.prepare import MOST_PIXELS, lighter, prepared
from stream.coincide.store import Store
from stream.healpix import area_sr, split_uniq, uniq_of
from stream.records import ExternalEvent, GwEvent, SkyMap
from stream.settings import ExternalSettings

STAR = tuple(
    (60.0 + (40.0 if k % 2 else 5.0) * np.cos(k * np.pi / 32), (40.0 if k % 2 else 5.0) * np.sin(k * np.pi / 32))
    for k in range(64)
)
NEEDLE: dict[str, Any] = {"ra_deg": 197.0, "dec_deg": -23.0, "error_radius_deg": 10.0, "error_minor_deg": 0.02}
ANNULUS = {"ra_deg": 197.0, "dec_deg": -23.0, "error_radius_deg": 60.0, "error_inner_deg": 59.0}


def rough(order: int) -> SkyMap:
    """A map of which no two pixels are equal."""
    count = 12 << (2 * order)
    density = np.random.default_rng(3).random(count)
    density /= density.sum() * float(area_sr(np.array(order)))
    return SkyMap(uniq_of(order, np.arange(count)), density, None, None, None, None, None, (), MERGER_NS, "x")


def total(found: SkyMap) -> float:
    return float(np.sum(found.probdensity * area_sr(split_uniq(found.uniq)[0])))


@pytest.mark.parametrize("order", [5, 6, 8])
def test_a_map_has_few_pixels_covers_the_sphere_and_keeps_its_probability(order: int) -> None:
    found = lighter(rough(order))
    assert len(found.uniq) <= MOST_PIXELS
    assert total(found) == pytest.approx(1.0, abs=1e-9)
    assert len(decode_skymap(encode_skymap(found)).uniq) == len(found.uniq)  # which checks that it covers the sphere


def test_what_is_small_on_the_sky_keeps_its_resolution() -> None:
    """The needle of an ellipse, among pixels of the whole sky."""
    whole = skymap_of(burst(**NEEDLE))
    assert whole is not None and len(whole.uniq) > MOST_PIXELS
    assert overlap(lighter(whole), whole) == pytest.approx(overlap(whole, whole), rel=0.1)
    assert overlap(lighter(whole), skymap()) == pytest.approx(overlap(whole, skymap()), rel=1e-3)


@pytest.mark.parametrize("told", [{"corners_deg": STAR}, NEEDLE, ANNULUS], ids=["star", "needle", "annulus"])
def test_what_takes_long_to_draw_is_drawn_once(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    found = prepared(burst(**told))
    assert found.skymap is not None and len(decode_skymap(found.skymap).uniq) <= MOST_PIXELS
    monkeypatch.setattr(draw, "_pixels", None)
    assert skymap_of(found) is not None


def test_circles_points_and_small_maps_stay_as_they_are() -> None:
    for told in (burst(), replace(burst(), skymap=encode_skymap(lighter(rough(5), 3000)))):
        assert prepared(told) is told


def test_a_map_that_cannot_be_read_is_left_out_and_its_circle_counts() -> None:
    assert prepared(replace(burst(), skymap=b"no map")) == burst()
    assert prepared(replace(retracted(burst()), skymap=encode_skymap(rough(6)))).skymap is None


def test_an_alert_reads_small_maps_alone_and_makes_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    products: list[int] = []

    def counted(one: SkyMap, other: SkyMap) -> float:
        sizes.append(len(other.uniq))
        return overlap(one, other)

    def combined(one: SkyMap, other: SkyMap, source: str) -> object:
        products.append(len(other.uniq))
        return combine(one, other, source)

    monkeypatch.setattr(judge_module, "overlap", counted)
    monkeypatch.setattr(judge_module, "combine", combined)
    coincidences = Coincidences(ExternalSettings(), Store(None), "test")
    large = encode_skymap(rough(7))
    events: list[ExternalEvent] = [replace(burst(1.0 + k / 100, str(k)), skymap=large) for k in range(MOST_JUDGED + 4)]
    for event in events:
        coincidences.heard(event)
    found = coincidences.of(GwEvent("TS150914a", MERGER_NS, 1e-9, "CBC", encode_skymap(skymap())))
    assert found is not None and found.external is not None and found.combined_fits is not None
    assert len(found.others) == MOST_JUDGED - 1
    assert max(sizes) <= MOST_PIXELS and len(sizes) == MOST_JUDGED + 1
    assert len(products) == 1
