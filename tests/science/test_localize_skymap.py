"""The sky map of binaries with known directions and distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.evaluate.skymap_injections import Binary, SkyInjection, inject, make_series
from stream.errors import DataError
from stream.healpix import split_uniq
from stream.localize.grid import Fidelity
from stream.localize.likeness import overlap, searched
from stream.localize.skymap import localize
from stream.records.followup import SkyMap, SnrSeries
from stream.regions import credible_areas_deg2, most_probable_deg, probability
from stream.settings import LocalizeSettings
from stream.timebase import NS_PER_S
from stream.types import FloatArray

SETTINGS = LocalizeSettings()
HLV = ("H1", "L1", "V1")


@pytest.fixture(scope="module")
def quiet() -> SkyInjection:
    """A binary that three detectors hear, in noise."""
    return inject("bbh", HLV, (5, 1))


@pytest.fixture(scope="module")
def skymap(quiet: SkyInjection) -> SkyMap:
    return localize(quiet.series, SETTINGS)


def loud(distance_mpc: float, detectors: tuple[str, ...] = HLV) -> SkyInjection:
    """A binary neutron star without noise."""
    binary = Binary("bns", (1.5, 1.3), 2.1, -0.4, distance_mpc, 0.8, 0.7, 1.1, 1_420_000_000_250_000_000)
    return make_series(binary, detectors, None)


def area_deg2(skymap: SkyMap, level: float) -> float:
    return credible_areas_deg2(skymap, [level])[0]


def towards(ra: float, dec: float) -> FloatArray:
    return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def test_the_probability_is_one(skymap: SkyMap) -> None:
    assert probability(skymap).sum() == pytest.approx(1.0, abs=1e-9)


def test_pixels_cover_the_sphere_once_in_rising_order(skymap: SkyMap) -> None:
    order, index = split_uniq(skymap.uniq)
    assert np.all(np.diff(skymap.uniq) > 0)
    first = np.sort(index << (2 * (11 - order)))
    last = np.sort((index + 1) << (2 * (11 - order)))
    assert first[0] == 0
    assert last[-1] == 12 << 22
    assert np.array_equal(first[1:], last[:-1])


def test_no_direction_is_impossible(skymap: SkyMap) -> None:
    assert skymap.probdensity.min() > 0


@pytest.mark.parametrize("detectors", [("H1", "L1", "V1"), ("H1", "L1", "V1", "K1")])
def test_a_loud_binary_stands_where_the_map_is_densest(detectors: tuple[str, ...]) -> None:
    injection = loud(60.0, detectors)
    skymap = localize(injection.series, SETTINGS)
    best = np.radians(most_probable_deg(skymap))
    assert np.degrees(np.arccos(towards(*best) @ towards(injection.binary.ra_rad, injection.binary.dec_rad))) < 2.0
    assert area_deg2(skymap, 0.9) < 60.0


def test_the_distance_is_that_injected() -> None:
    for distance_mpc in (40.0, 80.0):
        skymap = localize(loud(distance_mpc).series, SETTINGS)
        assert skymap.distmean_mpc is not None and skymap.diststd_mpc is not None
        assert abs(skymap.distmean_mpc - distance_mpc) < 1.5 * skymap.diststd_mpc
        assert 0.03 < skymap.diststd_mpc / distance_mpc < 0.4


def test_the_order_of_detectors_changes_nothing(quiet: SkyInjection, skymap: SkyMap) -> None:
    turned = localize(quiet.series[::-1], SETTINGS)
    assert np.array_equal(turned.uniq, skymap.uniq)
    assert np.array_equal(turned.probdensity, skymap.probdensity)


def test_a_common_phase_and_a_common_conjugation_change_nothing(quiet: SkyInjection, skymap: SkyMap) -> None:
    turned = [replace(s, snr=s.snr * np.exp(1.3j).astype(np.complex64)) for s in quiet.series]
    mirrored = [replace(s, snr=s.snr.conj(), autocorrelation=s.autocorrelation.conj()) for s in quiet.series]
    assert overlap(localize(turned, SETTINGS), skymap) > 0.9999
    assert overlap(localize(mirrored, SETTINGS), skymap) > 0.9999


def test_a_turned_phase_of_one_detector_moves_the_map(quiet: SkyInjection, skymap: SkyMap) -> None:
    first = replace(quiet.series[0], snr=quiet.series[0].snr * np.complex64(1j))
    assert overlap(localize([first, *quiet.series[1:]], SETTINGS), skymap) < 0.98


def test_the_truth_of_a_quiet_binary_is_inside(quiet: SkyInjection, skymap: SkyMap) -> None:
    found = searched(skymap, quiet.binary.ra_rad, quiet.binary.dec_rad)
    assert found.level < 0.99
    assert found.area_deg2 < area_deg2(skymap, 0.99)


def test_one_detector_gives_its_antenna_pattern() -> None:
    skymap = localize(loud(60.0, ("L1",)).series, SETTINGS)
    assert 5_000.0 < area_deg2(skymap, 0.9) < 30_000.0
    assert probability(skymap).sum() == pytest.approx(1.0, abs=1e-9)


def test_a_detector_that_hears_nothing_still_tells_where_the_source_is_not() -> None:
    pair = loud(60.0, ("H1", "L1"))
    silent = inject("bns", HLV, (5, 3)).series[2]
    middle = pair.series[0].gps_ns
    noise = np.random.default_rng(1).normal(size=(2, len(silent.snr))).astype(np.float32)
    third = replace(silent, gps_ns=middle, snr=(0.3 * (noise[0] + 1j * noise[1])).astype(np.complex64), sigma_mpc=1e3)
    two, three = localize(pair.series, SETTINGS), localize([*pair.series, third], SETTINGS)
    assert area_deg2(three, 0.9) < 0.7 * area_deg2(two, 0.9)


def test_a_wider_factor_makes_a_wider_map(quiet: SkyInjection, skymap: SkyMap) -> None:
    narrow = localize(quiet.series, LocalizeSettings(response_factor=1.0))
    assert area_deg2(narrow, 0.9) < area_deg2(skymap, 0.9)


def broken(series: SnrSeries, what: str) -> SnrSeries:
    snr = series.snr.copy()
    snr[3] = np.nan
    ways = {
        "NaN": replace(series, snr=snr),
        "empty": replace(series, snr=snr[:0]),
        "silent": replace(series, sigma_mpc=0.0),
        "unknown": replace(series, detector="X9"),
        "peak": replace(series, autocorrelation=series.autocorrelation * 0),
        "even": replace(series, autocorrelation=series.autocorrelation[1:]),
        "rate": replace(series, sample_rate_hz=0),
        "apart": replace(series, gps_ns=series.gps_ns + 1_000_000_000),
    }
    return ways[what]


@pytest.mark.parametrize("what", ["NaN", "empty", "silent", "unknown", "peak", "even", "rate", "apart"])
def test_a_series_that_cannot_be_is_refused_by_name(quiet: SkyInjection, what: str) -> None:
    bad = broken(quiet.series[0], what)
    with pytest.raises(DataError, match=bad.detector):
        localize([bad, *quiet.series[1:]], SETTINGS)


@pytest.mark.parametrize("snr", [40.0, 90.0])
def test_a_loud_map_is_fine_enough_in_orientation(snr: float) -> None:
    near = loud(60.0)
    noisy = make_series(
        replace(near.binary, distance_mpc=60.0 * near.snr / snr), HLV, np.random.default_rng((5, int(snr)))
    )
    ours, finer = localize(noisy.series, SETTINGS), localize(noisy.series, SETTINGS, Fidelity(6, 8))
    assert overlap(ours, finer) > 0.985


@pytest.mark.parametrize("factor", [0.0, 1e3])
def test_silence_and_what_no_source_can_be_are_refused(quiet: SkyInjection, factor: float) -> None:
    with pytest.raises(DataError, match="largest SNR"):
        localize([replace(s, snr=s.snr * np.complex64(factor)) for s in quiet.series], SETTINGS)


def test_no_series_or_one_detector_twice_is_refused(quiet: SkyInjection) -> None:
    with pytest.raises(DataError, match="0 SNR series"):
        localize([], SETTINGS)
    with pytest.raises(DataError, match="one of each"):
        localize([quiet.series[0], quiet.series[0]], SETTINGS)


def test_threads_share_the_work_and_change_nothing(quiet: SkyInjection) -> None:
    """The same pixels with the same values, bit for bit."""
    alone, shared = (localize(quiet.series, SETTINGS.model_copy(update={"threads": n})) for n in (1, 3))
    assert np.array_equal(alone.uniq, shared.uniq)
    assert np.array_equal(alone.probdensity, shared.probdensity)


def test_a_loud_binary_seen_from_its_edge_is_mapped_as_finer_orientations_do() -> None:
    """The likelihood is narrow in inclination and polarisation there."""
    binary = Binary("bbh", (36.0, 29.0), 5.4, -0.21, 800.0, 0.03, 1.2, 1.0, 1_420_014_000 * NS_PER_S)
    series = make_series(binary, HLV, None).series
    fine = Fidelity(polarizations=12, inclinations=18)
    assert overlap(localize(series, SETTINGS), localize(series, SETTINGS, fine)) > 0.95
