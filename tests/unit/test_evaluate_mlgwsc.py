"""MLGWSC-1 by its rules: what is drawn, where it is put, the formula, and a search that goes on where it was."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.evaluate.challenge import (
    DATASETS,
    ChallengeScene,
    draw,
    figures,
    largest_of_a_month,
    reach,
    spectra_of,
)
from pipelines.evaluate.mlgwsc import Entry, measure
from pipelines.evaluate.scene import SETTLED_S, Scene
from pipelines.evaluate.searched import Counts, Searched
from stream.errors import ConfigurationError


@pytest.mark.parametrize("dataset", DATASETS)
def test_binaries_are_drawn_as_each_dataset_says(dataset: int) -> None:
    drawn = draw(np.random.default_rng(1), dataset, 20_000)
    lightest = 10.0 if dataset == 1 else 7.0
    assert (drawn.mass1_msun >= drawn.mass2_msun).all()
    assert (drawn.mass2_msun.min(), drawn.mass1_msun.max()) == pytest.approx((lightest, 50.0), abs=0.1)
    size, along = np.linalg.norm(drawn.spins, axis=2), np.abs(drawn.spins[:, :, 2])
    assert float(size.mean()) == pytest.approx(0.0 if dataset == 1 else 0.495, abs=0.01)
    assert float(along.mean()) == pytest.approx((0.0, 0.495, 0.2475)[dataset - 1], abs=0.01)


def test_distances_are_uniform_in_the_volume_of_the_chirp_distance() -> None:
    drawn = draw(np.random.default_rng(1), 2, 20_000)
    chirp_distance = drawn.distance_mpc * (1.4 * 2**-0.2 / drawn.chirp_mass_msun) ** (5 / 6)
    share = (chirp_distance**3 - 130.0**3) / (350.0**3 - 130.0**3)
    assert (share.min(), share.mean(), share.max()) == pytest.approx((0.0, 0.5, 1.0), abs=0.01)


def test_mergers_are_24_to_30_s_apart_and_a_stretch_follows_from_seed_and_number() -> None:
    scene, again, other = (ChallengeScene(1, seed, 0, 400, None) for seed in (5, 5, 6))
    apart = np.diff([i.parameters.geocent_ns / 1e9 for i in scene.injections])
    assert apart.min() >= 24.0
    assert apart.max() <= 30.0
    assert min(i.at_s for i in scene.injections) > SETTLED_S + 23
    assert [i.as_dict() for i in scene.injections] == [i.as_dict() for i in again.injections]
    assert [i.as_dict() for i in scene.injections] != [i.as_dict() for i in other.injections]
    np.testing.assert_array_equal(next(scene.strain("L1")), next(again.strain("L1")))


def test_the_measured_spectra_are_read_one_for_all_in_2_and_others_in_each_stretch_in_3(tmp_path: Path) -> None:
    for name in ("H1", "L1"):
        (tmp_path / name).mkdir()
        for k in range(20):
            with h5py.File(tmp_path / name / f"psd-{k}.hdf", "w") as file:
                file["data"] = np.full(1025, (k + 1) * 1e-46)
                file["data"].attrs["delta_f"] = 1.0
    scenes = [
        [ChallengeScene(dataset, 1, k, 110, tmp_path).spectra for k in range(4)]
        for dataset in (2, 3)
    ]  # fmt: skip
    heights = [{float(s["H1"].values_per_hz[0]) for s in of} for of in scenes]
    assert (len(heights[0]), len(heights[1]) > 1) == (1, True)


def test_spectra_that_are_not_there_are_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="give --spectra"):
        spectra_of(2, np.random.default_rng(1), None)


def test_the_design_spectrum_is_its_own_at_100_hz() -> None:
    spectrum = spectra_of(1, np.random.default_rng(1), None)["H1"]
    assert float(spectrum.at(np.array([100.0]))[0]) == pytest.approx(1.523e-47, rel=1e-3)


def test_a_search_that_finds_all_of_one_mass_sees_as_far_as_the_farthest() -> None:
    mass = np.full(100, 40.0)
    everything = reach(mass, np.ones(100, np.bool_), (6000.0, 40.0))
    assert (everything.distance_mpc, everything.error_mpc, everything.found) == (6000.0, 0.0, 100)
    eighth = reach(mass, np.arange(100) % 8 == 0, (6000.0, 40.0))
    assert eighth.distance_mpc == pytest.approx(3000.0, rel=0.02)
    assert eighth.error_mpc == pytest.approx(3000.0 * np.sqrt(7 / 100) / 3, rel=0.05)
    assert reach(mass / 2, np.ones(100, np.bool_), (6000.0, 40.0)).distance_mpc == pytest.approx(6000.0 * 2 ** (-5 / 6))


def test_a_rate_that_the_background_does_not_reach_is_left_empty() -> None:
    short = Searched(np.array([9.0, 3.0]), Counts.of(1e6, [5.0, 4.0, 3.0]))
    made = figures(1, 1, np.array([30.0, 20.0]), short)
    assert made["sensitive_distance"]["1/month"] is None  # type: ignore[index]
    assert made["sensitive_distance"]["10/month"]["found"] == 1  # type: ignore[index]


def test_a_month_holds_binaries_near_the_largest_mass() -> None:
    distance_mpc, mass_msun = largest_of_a_month(1, 1)
    assert 6300.0 < distance_mpc < 6900.0
    assert 43.0 < mass_msun < 43.6


@dataclass(frozen=True)
class Knows:
    """A search that is told what there is; it keeps which stretches it was asked for."""

    label: str = "knows"
    asked: list[int] = field(default_factory=list)

    def search(self, scene: Scene, background_s: float) -> Searched:
        self.asked.append(scene.index)
        return Searched(np.array([i.network_snr for i in scene.injections]), Counts.of(background_s, [1.0] * 100))


def test_a_measurement_goes_on_where_it_was_and_takes_more_hours(tmp_path: Path) -> None:
    searcher = Knows()
    made = [measure(Entry(1, 3, n, None, 200), [searcher], tmp_path) for n in (1, 2)]
    assert searcher.asked == [0, 1]
    assert made[0]["ours"]["knows"]["injections"] < made[1]["ours"]["knows"]["injections"]
    assert made[1]["published_mpc_at_1/month"]["PyCBC"] == 2492
    assert made[1]["known_template_at_1/month"]["found"] <= made[1]["ours"]["knows"]["injections"]
    assert made[1]["hours"] == round(2 * 120 / 3600, 2)


def test_the_command_prints_our_figures_beside_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.evaluate.mlgwsc.STRETCH_S", 200)
    monkeypatch.setattr("pipelines.evaluate.model.ModelSearch.of", lambda _: Knows())
    arguments = ["evaluate", "mlgwsc", "--out", str(tmp_path), "--hours", "0.1"]
    printed = CliRunner().invoke(app, arguments)
    assert printed.exit_code == 0, printed.output
    assert "PyCBC, published" in printed.output
    assert "knows" in printed.output
    as_json = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert as_json["dataset"] == 1
