"""Whether joint false-alarm rates are true, and equal to ligo-raven's: the measurement itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coincide_maps import random_map
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.evaluate.chance import KINDS, Kind, Sky, coincide_in_time, measure
from pipelines.evaluate.chance_picture import plot_chance
from pipelines.evaluate.counts import counted, dispersion, two_sided
from pipelines.evaluate.raven_grid import grid, gw170817, overlaps
from stream.coincide.windows import GROUPS
from stream.settings import ExternalSettings

SETTINGS = ExternalSettings()
QUICK = {"targeted, Fermi", "HEN, Burst", "GRB, Burst"}


def quiet(done: float, of: float) -> None:
    assert 0 < done <= of


def test_unrelated_events_coincide_as_often_as_their_joint_rate_says() -> None:
    """From the times alone, untargeted and targeted, over three decades; and no more clustered than chance."""
    report = measure(300, 3, Sky(), SETTINGS, quiet, [k for k in KINDS if k.name in QUICK])
    rows = [row for found in report["searches"] for row in found["time"]]
    assert len(rows) > 12
    assert min(row["p"] for row in rows) > 0.05 / len(rows)
    for found in report["searches"]:
        assert found["dispersion"] is None or found["dispersion"]["p"] > 0.001


def test_with_the_sky_they_are_as_many_as_expected_and_no_more_than_the_rate_says() -> None:
    kind = next(k for k in KINDS if k.name == "GRB, Burst")
    sky = Sky([random_map(seed, 60) for seed in range(4)], 150)
    found = measure(100, 5, sky, SETTINGS, quiet, [replace(kind, radius_deg=12.0)])["searches"][0]["sky"]
    assert found["pairs"] == 150
    assert abs(found["overlap_mean"] - 1) < 4 * found["overlap_mean_error"]
    for row in found["joint"]:
        assert row["expected"] <= row["at_most"] * (1 + 5 * found["overlap_mean_error"])
        assert row["p"] > 0.002


def test_a_rate_that_is_wrong_is_seen() -> None:
    """Three times too low: the numbers are off at each threshold."""
    pairs = coincide_in_time(KINDS[2], 100, 1, SETTINGS)
    rows = counted(pairs.far_hz / 3, pairs.most_hz, pairs.length_s, lambda far_hz: far_hz)
    assert min(row["p"] for row in rows) < 1e-6
    assert two_sided(0, 0.0) == 1.0 and two_sided(2, 0.0) == 0.0
    assert two_sided(5, 5.0) == 1.0 and two_sided(0, 20.0) < 1e-8


def test_clusters_are_seen_and_too_few_events_say_nothing() -> None:
    rng = np.random.default_rng(1)
    alone = dispersion(rng.poisson(5.0, 100))
    clustered = dispersion(4 * rng.poisson(1.3, 100))
    assert alone is not None and alone["p"] > 0.01
    assert clustered is not None and clustered["p"] < 1e-6 and clustered["variance_over_mean"] > 2
    assert dispersion(rng.poisson(0.1, 100)) is None


def test_every_kind_has_a_rate_and_a_window_and_settings_count() -> None:
    for kind in KINDS:
        assert kind.rate_hz(SETTINGS) > 0 and kind.group in GROUPS and kind.window(SETTINGS) is not None
    assert Kind("", "Swift-BAT", "SubGRBTargeted").rate_hz(SETTINGS) == 1e-3
    others = ExternalSettings(searches=("HEN",), rates_per_year={"HEN": 1500.0}, windows_s={"HEN": (-100, 0)})
    found = measure(50, 1, Sky(), others, quiet)["searches"]
    assert [row["kind"] for row in found] == ["HEN, Burst"]
    assert found[0]["pairs"] == pytest.approx(50 * 1500 * 730 * 100 / 31_536_000, rel=0.3)
    assert min(row["p"] for row in found[0]["time"]) > 0.001


def test_rates_over_the_grid_equal_ravens() -> None:
    rows = grid()
    assert len(rows) == 70
    assert max(row["apart"] for row in rows) < 1e-9


def test_gw170817_and_grb_170817a_are_rated_as_raven_does(data_dir: Path) -> None:
    """1 in 10 000 years, 6 s, 325 a year; and an overlap of 2.87 with LVK's first map, to nine digits RAVEN's."""
    found = gw170817((data_dir / "alerts/skymaps/GW170817_prelim.fits.gz").read_bytes())
    assert found["time_hz"] == pytest.approx(found["raven_time_hz"], rel=1e-9) == pytest.approx(1.96075e-16, rel=1e-5)
    assert found["ours"] == pytest.approx(found["raven"], rel=1e-9) == pytest.approx(2.8723, rel=1e-3)
    assert found["sky_hz"] == pytest.approx(found["raven_sky_hz"], rel=1e-9)
    assert found["told_sky_hz"] == pytest.approx(found["sky_hz"], rel=1e-9)
    assert found["significant"] and found["combined_bytes"] < 500_000
    assert "ours" not in gw170817(None)


def test_overlaps_of_circles_equal_ravens_on_the_same_pixels() -> None:
    rows = overlaps(random_map(2, 80))
    assert len(rows) == 12 and max(row["apart"] for row in rows) < 1e-9


def test_the_command_prints_tables_json_and_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "chance.png"
    runner = CliRunner()
    short = ["evaluate", "coincidences", "--years", "3", "--times-only"]
    told = runner.invoke(app, [*short, "--plot", str(picture)])
    assert told.exit_code == 0 and "expected" in told.stdout and picture.read_bytes().startswith(b"\x89PNG")
    report = json.loads(runner.invoke(app, [*short, "--json"]).stdout)
    assert [found["kind"] for found in report["searches"]] == [kind.name for kind in KINDS]
    beside = runner.invoke(app, ["evaluate", "coincidences", "--raven"])
    assert beside.exit_code == 0 and "RAVEN" in beside.stdout
    assert (
        json.loads(runner.invoke(app, ["evaluate", "coincidences", "--raven", "--json"]).stdout)["rates_apart"] < 1e-9
    )
    assert runner.invoke(app, ["evaluate", "coincidences", "--raven", "--skymap", str(tmp_path)]).exit_code != 0


def test_a_picture_has_the_sky_too(tmp_path: Path) -> None:
    sky = Sky([random_map(1, 40)], 20)
    report = measure(20, 1, sky, SETTINGS, quiet, KINDS[2:3])
    plot_chance(report, tmp_path / "sky.png")
    assert (tmp_path / "sky.png").stat().st_size > 1000
