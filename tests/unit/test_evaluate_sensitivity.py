"""A measurement of sensitivity: resumed, refused, repeated; searches are anything that ranks a stretch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pipelines.cli import entry
from pipelines.evaluate import sensitivity
from pipelines.evaluate.limit import KnownTemplate
from pipelines.evaluate.population import Population, stratified_snrs
from pipelines.evaluate.scene import Injection, Scene, SceneConfig
from pipelines.evaluate.searched import YEAR_S, Counts, Searched
from pipelines.evaluate.sensitivity import Plan, evaluate, plan
from stream.errors import ConfigurationError
from stream.simulate.waveforms import BinaryParameters

SCENE = SceneConfig(seed=5, stretch_s=184, spacing_s=8.0)
WHAT = Plan(SCENE, 2, 8 * YEAR_S)


@dataclass
class Sharp:
    """A search that finds what is louder than a threshold, whatever the rate: its rho_eff is that threshold."""

    threshold: float
    label: str = "sharp"
    searched: list[int] = field(default_factory=list)

    def search(self, scene: Scene, background_s: float) -> Searched:
        self.searched.append(scene.index)
        snrs = np.array([i.network_snr for i in scene.injections])
        return Searched(snrs, Counts.of(background_s, np.full(10_000, self.threshold)))


class Light:
    """A stretch whose binaries have SNRs and no waveforms, which take a while to make."""

    def __init__(self, config: SceneConfig, index: int) -> None:
        self.index = index
        snrs = stratified_snrs(np.random.default_rng([config.seed, index]), config.injections)
        parameters = BinaryParameters(30.0, 20.0)
        self.injections = [Injection(20.0 + k, parameters, {"H1": float(s)}, 1.0, {}) for k, s in enumerate(snrs)]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Sharp:
    """Stands for the known templates, whose filters take longer than a unit test may."""
    made = Sharp(6.0, "limit")
    monkeypatch.setattr(sensitivity, "Scene", Light)
    monkeypatch.setattr(sensitivity, "KnownTemplate", lambda: made)
    return made


def test_what_is_printed_is_what_the_searches_are_known_to_do(tmp_path: Path, limit: Sharp) -> None:
    found = evaluate(WHAT, [Sharp(8.0)], tmp_path, workers=1).summary
    assert list(found) == ["limit", "sharp"]
    assert found["limit"]["fraction_of_limit"] == {"2/day": 1.0, "1/month": 1.0, "1/year": 1.0}
    # SNRs are one from each of 26 equal shares of volume: a step of 1/26 in the share found is 4 % in rho_eff or less.
    assert found["sharp"]["rho_eff"]["1/year"] == pytest.approx(8.0, rel=0.1)
    assert (found["sharp"]["injections"], found["sharp"]["background_s"]) == (26, round(8 * YEAR_S))


def test_a_measurement_goes_on_where_it_stopped(tmp_path: Path, limit: Sharp) -> None:
    """A stretch whose file is there is not searched again; a file half written is no file."""
    first = evaluate(WHAT, [Sharp(8.0)], tmp_path, workers=1)
    (tmp_path / "stretches" / "1.sharp.json").rename(tmp_path / "stretches" / "1.sharp.json.99.part")
    again = Sharp(8.0)
    second = evaluate(WHAT, [again], tmp_path, workers=1)
    assert (again.searched, limit.searched, second) == ([1], [0, 1], first)


def test_a_model_that_is_added_is_searched_by_alone(tmp_path: Path, limit: Sharp) -> None:
    evaluate(WHAT, [Sharp(8.0)], tmp_path, workers=1)
    known, new = Sharp(8.0), Sharp(7.0, "other")
    found = evaluate(WHAT, [known, new], tmp_path, workers=1).summary
    assert (list(found), known.searched, new.searched) == (["limit", "sharp", "other"], [], [0, 1])


def test_progress_counts_stretches_and_searches(tmp_path: Path, limit: Sharp) -> None:
    seen: list[tuple[float, float]] = []
    evaluate(WHAT, [Sharp(8.0)], tmp_path, lambda done, total: seen.append((done, total)), workers=1)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_report_has_curves_and_a_picture(tmp_path: Path, limit: Sharp) -> None:
    evaluate(WHAT, [Sharp(8.0)], tmp_path, workers=1)
    report = json.loads((tmp_path / "sensitivity.json").read_text())
    detail = report["details"]["sharp"]["1/month"]
    assert {"by_snr", "by_chirp_mass_msun", "by_mass_ratio", "by_chi_eff", "lightest_tenth"} <= set(detail)
    assert report["plan"]["seed"] == 5
    assert (tmp_path / "sensitivity.png").read_bytes().startswith(b"\x89PNG")


def test_another_measurement_in_the_folder_is_refused_by_what_differs(tmp_path: Path, limit: Sharp) -> None:
    evaluate(WHAT, [], tmp_path, workers=1)
    other = Plan(SceneConfig(seed=6, stretch_s=184, population=Population(precessing=True)), 2, 8 * YEAR_S)
    with pytest.raises(
        ConfigurationError, match=r"holds another measurement \(seed, population differ\): name another"
    ):
        evaluate(other, [], tmp_path, workers=1)


def test_two_searches_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="two searches are called sharp"):
        evaluate(WHAT, [Sharp(8.0), Sharp(7.0)], tmp_path, workers=1)


@pytest.mark.parametrize(
    ("injections", "years"), [(2000, 3.0), (400, 1.0), (400, 3.0), (5000, 3.0), (20, 0.01), (40, 30.0), (90_000, 3.0)]
)
def test_a_plan_gives_the_injections_and_the_background_that_were_asked_for(injections: int, years: float) -> None:
    made = plan(SceneConfig(), injections, years)
    slid_s = made.stretches * (made.scene.stretch_s - 80) ** 2
    assert made.stretches * made.scene.injections >= injections
    assert made.scene.spacing_s >= 7.9
    assert made.scene.stretch_s <= 10_100
    assert made.stretches == 1 or made.scene.stretch_s >= 1024
    assert slid_s >= 1.04 * years * YEAR_S


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--masses", "50", "7"], "masses from 50 to 7 Msun: give two that rise"),
        (["--spectrum", "moon"], "no spectrum named 'moon'"),
        (["--model", "none"], "no model 'none'"),
        (["--years", "nan"], "nan is not from 0.001 to 100"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "report")
    monkeypatch.setattr("sys.argv", ["tocsin", "evaluate", "sensitivity", "--out", folder, *arguments])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code in (1, 2)
    assert said in " ".join(capfd.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SceneConfig(stretch_s=80), "a stretch of 80 s holds no injection"),
        (lambda: SceneConfig(spacing_s=1.0), "injections every 1 s disturb each other"),
        (lambda: KnownTemplate().search(Scene(SceneConfig(stretch_s=90, detectors=("H1",)), 0), 1.0), "two detectors"),
    ],
)
def test_data_that_cannot_be_measured_on_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make()
