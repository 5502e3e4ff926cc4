"""Sky maps beside BAYESTAR's, and what the evaluation makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluate import skymap_peer
from pipelines.evaluate.skymap_figures import calibration, summary
from pipelines.evaluate.skymap_injections import SkyInjection, make_series, response
from pipelines.evaluate.skymap_peer import injection, kept_peer_map, peer_map
from pipelines.evaluate.skymaps import SkymapsConfig, measure
from stream.errors import ConfigurationError, DataError
from stream.localize.bayestar import bayestar_map
from stream.localize.likeness import overlap
from stream.localize.skymap import localize
from stream.records.followup import SkyMap
from stream.regions import credible_areas_deg2
from stream.settings import LocalizeSettings

SETTINGS = LocalizeSettings()

# Of BAYESTAR's maps (ligo.skymap 2.5.4) of injections of seed 1: index, 50 and 90 % areas, mean distance and standard
# deviation.
KEPT = (
    (0, 963.39, 3092.78, 4145.97, 1354.90),
    (1, 282.79, 1185.62, 3402.42, 925.45),
    (2, 501.72, 1957.96, 722.52, 210.40),
    (5, 92.79, 443.05, 2495.10, 574.68),
    (6, 381.19, 1326.44, 366.05, 105.69),
    (7, 102.98, 591.86, 286.38, 75.40),
    (9, 173.29, 885.77, 3191.27, 1011.06),
    (10, 101.54, 325.88, 167.39, 34.90),
)


def test_maps_have_the_areas_and_distances_of_bayestars() -> None:
    ratios = []
    for index, area50, area90, mean, std in KEPT:
        made = injection(1, index)
        ours = localize(made.series, SETTINGS)
        half, most = credible_areas_deg2(ours, [0.5, 0.9])
        assert ours.distmean_mpc is not None and ours.diststd_mpc is not None
        ratios.append((half / area50, most / area90, ours.distmean_mpc / mean, ours.diststd_mpc / std))
    assert np.median(ratios, axis=0) == pytest.approx(1.0, abs=0.02)
    assert np.array(ratios) == pytest.approx(1.0, abs=0.1)


def test_an_injection_follows_from_its_seed() -> None:
    one, other = injection(3, 1), injection(3, 1)
    assert one.binary == other.binary
    assert all(np.array_equal(a.snr, b.snr) for a, b in zip(one.series, other.series, strict=True))
    assert one.binary != injection(3, 5).binary


def test_the_series_of_a_binary_peaks_where_and_as_high_as_it_should() -> None:
    made = injection(3, 5)
    quiet = make_series(made.binary, ("H1", "L1", "V1"), None)
    for series in quiet.series:
        factor, delay_s = response(made.binary, series.detector)
        at = int(np.abs(series.snr).argmax())
        assert np.abs(series.snr[at]) == pytest.approx(
            abs(factor) * series.sigma_mpc / made.binary.distance_mpc, rel=0.02
        )
        assert series.gps_ns + at * 1e9 / series.sample_rate_hz == pytest.approx(
            made.binary.gps_ns + delay_s * 1e9, abs=0.3e6
        )


def test_the_noise_is_that_of_the_autocorrelation() -> None:
    made = injection(3, 4)
    far = make_series(made.binary, ("H1", "L1"), np.random.default_rng(1), 1000)
    noise = np.concatenate([s.snr[:900] for s in far.series])
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(2.0, rel=0.4)
    middle = len(far.series[0].autocorrelation) // 2
    found = np.vdot(noise[:-1], noise[1:]) / np.vdot(noise, noise)
    assert found == pytest.approx(far.series[0].autocorrelation[middle + 1], abs=0.05)


@pytest.fixture
def quick_peer(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """BAYESTAR's place taken by our own map with a factor of its own; counts how often it is asked."""
    asked: list[int] = []

    def instead(series: object, factor: float) -> SkyMap:
        asked.append(1)
        return localize(series, LocalizeSettings(response_factor=0.9 * factor))  # type: ignore[arg-type]

    monkeypatch.setattr(skymap_peer, "bayestar_map", instead)
    return asked


def test_the_peers_map_is_made_once_and_kept(tmp_path: Path, quick_peer: list[int]) -> None:
    made = injection(1, 1)
    assert kept_peer_map(made, 0.83, tmp_path) is None
    first = peer_map(made, 0.83, tmp_path)
    again = peer_map(made, 0.83, tmp_path)
    assert len(quick_peer) == 1
    assert np.array_equal(first.skymap.uniq, again.skymap.uniq)
    assert overlap(first.skymap, again.skymap) == pytest.approx(1.0)
    assert first.seconds == again.seconds
    assert kept_peer_map(made, 1.0, tmp_path) is None  # another setting is another map


def test_the_report_has_each_group_with_the_peer_beside_it(tmp_path: Path, quick_peer: list[int]) -> None:
    shown: list[float] = []
    config = SkymapsConfig(4, 1, True, 1, SETTINGS)
    report = measure(config, tmp_path, lambda done, _: shown.append(done))
    assert len(quick_peer) == 2  # GW170817's likeness too
    everything = report["summary"]["all"]
    assert everything["injections"] == 4
    assert everything["peer"]["maps"] == 1
    assert everything["peer"]["overlap"]["median"] > 0.97
    assert everything["peer"]["median_ratio"]["area90_deg2"] < 1.0
    assert (
        report["gw170817_like"]["three_detectors"]["area90_deg2"]
        < report["gw170817_like"]["two_detectors"]["area90_deg2"]
    )
    assert shown == [*range(1, 5)]
    assert {f.name for f in tmp_path.iterdir()} >= {"report.json", "pp.png", "map-0.png", "gw170817-like.png", "peer"}


def test_levels_that_crowd_are_out_of_the_band_and_uniform_ones_in_it() -> None:
    uniform = (np.arange(100) + 0.5) / 100
    assert calibration(uniform)["in_band"]
    assert not calibration(uniform**2)["in_band"]


def test_no_group_is_made_of_nothing() -> None:
    row = {"level": 0.5, "searched_deg2": 1.0, "area50_deg2": 1.0, "area90_deg2": 3.0, "distance_mpc": 100.0,
           "distance_std_mpc": 20.0, "seconds": 0.1}  # fmt: skip
    rows = [
        {"kind": "bbh", "detectors": ["H1", "L1"], "distance_mpc": 90.0, "ours": row, "factor_1": row, "peer": None}
    ]
    assert set(summary(rows)) == {"all", "BBH, two detectors"}


def shortened(made: SkyInjection) -> list[object]:
    return [
        type(s)(s.detector, s.gps_ns, s.sample_rate_hz, s.snr[:170], s.autocorrelation, s.sigma_mpc)
        for s in made.series
    ]


def test_bayestar_says_which_series_is_too_short_for_it() -> None:
    with pytest.raises(DataError, match=r"SNR series of H1 has 170 samples"):
        bayestar_map(shortened(injection(1, 0)), 0.83)  # type: ignore[arg-type]


def test_without_ligo_skymap_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ligo.skymap", None)
    with pytest.raises(ConfigurationError, match=r"install ligo\.skymap"):
        bayestar_map(injection(1, 0).series, 0.83)
