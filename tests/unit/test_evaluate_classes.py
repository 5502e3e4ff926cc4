"""The calibration of classes: its figures, its population, and that it goes on where it was stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.evaluate import classes
from pipelines.evaluate.classes import ClassesConfig, evaluate
from pipelines.evaluate.classes_figures import Told, brier, reliability, summary
from pipelines.evaluate.classes_population import (
    Heard,
    class_of,
    heard_per_year,
    source_masses,
    volume_gpc3,
)
from pipelines.evaluate.classes_scene import truth
from pipelines.train.bank import sigma_mpc
from stream.errors import ConfigurationError
from stream.simulate.waveforms import BinaryParameters

SURE = {"BNS": 0.0, "NSBH": 0.0, "BBH": 1.0, "Terrestrial": 0.0}


def told(truth: str, classification: dict[str, float] | None, **changed: Any) -> Told:
    plain: dict[str, Any] = {
        "true_properties": {"HasNS": 0.0, "HasRemnant": 0.0, "HasMassGap": 0.0},
        "rang": True,
        "per_year": 1.0,
        "properties": {"HasNS": 0.0, "HasRemnant": 0.0, "HasMassGap": 0.0},
        "in_true_bin": 1.0,
    }
    return Told(truth=truth, classification=classification, **(plain | changed))


def test_brier_score_is_the_mean_square() -> None:
    """Certain and right is 0, certain and wrong 1, and weights count."""
    probability, truths = np.array([1.0, 1.0, 0.5]), np.array([1.0, 0.0, 1.0])
    assert brier(probability, truths, np.ones(3)) == pytest.approx((0.0 + 1.0 + 0.25) / 3)
    assert brier(probability, truths, np.array([1.0, 0.0, 1.0])) == pytest.approx(0.125)


def test_reliability_sees_what_is_told_too_boldly() -> None:
    """Of what is told with 0.9 half is so; of what is told with 0.3, 0.3."""
    probability = np.array([0.9] * 10 + [0.3] * 10)
    truths = np.array([1.0] * 5 + [0.0] * 5 + [1.0] * 3 + [0.0] * 7)
    rows = reliability(probability, truths, np.ones(20))
    assert [(r["told"], r["true"], r["count"]) for r in rows] == [(0.3, 0.3, 10), (0.9, 0.5, 10)]
    assert rows[1]["error"] == pytest.approx(np.sqrt(0.25 / 10), abs=1e-3)


def test_agreement_counts_signals_that_rang_with_and_without_weight() -> None:
    """A loud NSBH told as BBH is one of three, and one of thirty as heard; what did not ring is left out."""
    rows = [told("BBH", SURE, per_year=14.5)] * 2 + [
        told("NSBH", SURE, per_year=1.0),
        told("BBH", SURE, rang=False),
        told("BBH", None),
        told("Terrestrial", SURE),
    ]
    found = summary(rows, {"BBH": 4, "NSBH": 1})["agreement"]
    assert (found["signals"], found["with_class"]) == (4, 3)
    assert found["class"] == {"agree": 2, "share": 0.6667, "share_as_heard": round(29 / 30, 4)}


def test_a_signal_told_as_noise_still_has_its_class() -> None:
    """Near the threshold noise is the most probable; which class it would be is right all the same."""
    near = {"BNS": 0.0, "NSBH": 0.01, "BBH": 0.09, "Terrestrial": 0.9}
    found = summary([told("BBH", near)], {"BBH": 1})["agreement"]
    assert (found["class"]["share"], found["class_or_noise"]["share"]) == (1.0, 0.0)


def test_nulls_are_counted_with_their_reasons() -> None:
    """What is not told is no part of a score; how often and why stands in the report."""
    rows = [told("BBH", None, properties=None, in_true_bin=None, reasons={"classification": "no distance"})]
    found = summary(rows, {"BBH": 1})
    assert found["nulls"] == {"classification": 1, "properties": 1}
    assert found["reasons"] == {"no distance": 1}
    assert found["probabilities"]["BBH"]["brier"] is None


def test_masses_are_of_their_class() -> None:
    """Each class's masses are on their side of 3 Msun, larger first."""
    rng = np.random.default_rng(1)
    for name in ("BNS", "NSBH", "BBH"):
        masses = source_masses(name, rng, 500)
        assert masses.shape == (500, 2) and (masses[:, 0] >= masses[:, 1]).all()
        assert {class_of(*row) for row in masses.tolist()} == {name}


def test_binaries_are_as_loud_as_asked_and_their_rate_falls_with_it() -> None:
    """From SNR 20 on, a tenth or less of what is heard from 7 on, in flat space (7 / 20) ** 3 = 0.04."""
    rates = []
    for faintest in (7.0, 20.0):
        heard = Heard("NSBH", faintest, ("H1", "L1"), np.random.default_rng(2))
        for one in [heard.draw(1_400_000_000_000_000_000) for _ in range(30)]:
            row = np.array([[one.mass1_msun, one.mass2_msun, one.spin1[2], one.spin2[2]]])
            assert np.sqrt(2.0) * sigma_mpc(row)[0] / one.luminosity_distance_mpc >= faintest
            assert truth(one)["class"] == "NSBH"
        rates.append(heard_per_year("NSBH", heard.tried, heard.kept))
    assert 0.01 < rates[1] / rates[0] < 0.1


def test_volume_of_the_near_universe_is_a_ball() -> None:
    """Within redshift 0.01 it is 4 pi / 3 d^3, but for the expansion."""
    z, volume = volume_gpc3(0.01)
    distance_gpc = 299_792.458 / 67.66 * z[-1] / 1e3
    assert volume[-1] == pytest.approx(4 * np.pi / 3 * distance_gpc**3, rel=0.03)


def test_truth_is_in_the_source_frame() -> None:
    """3.3 and 1.5 Msun at z = 0.2 are a BNS of 2.75 and 1.25 Msun, of 1.59 Msun together."""
    found = truth(BinaryParameters(3.3, 1.5, luminosity_distance_mpc=1012.0))
    assert found["class"] == "BNS" and found["masses_msun"] == pytest.approx([2.75, 1.25], rel=0.002)
    assert found["properties"]["HasNS"] == 1.0 and found["mchirp_bin"] == 7


@dataclass
class Searched:
    """Stands for the search and the follow-up of a stretch."""

    asked: list[int] = field(default_factory=list)

    def __call__(self, scene: object, index: int, *_: object) -> dict[str, Any]:
        self.asked.append(index)
        candidate = {
            "far_hz": 1e-8, "classification": SURE, "properties": {"HasNS": 0.0, "HasRemnant": 0.0, "HasMassGap": 0.0},
            "mchirp_source": [0.0] * 15 + [1.0, 0.0, 0.0], "reasons": {},
        }  # fmt: skip
        one = truth(BinaryParameters(40.0, 35.0)) | {"searched": candidate, "given": candidate}
        return {
            "tried": dict.fromkeys(("BNS", "NSBH", "BBH"), 100), "kept": {"BNS": 0, "NSBH": 0, "BBH": 2},
            "noise_s": 700.0, "injections": [one, one | {"searched": None}], "others": [],
        }  # fmt: skip


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> Searched:
    made = Searched()
    monkeypatch.setattr(classes, "run", made)
    monkeypatch.setattr(classes, "follower", lambda settings: None)
    return made


def test_it_goes_on_where_it_was_stopped(tmp_path: Path, searched: Searched) -> None:
    """A stretch whose file is there is not searched again; the report is of all."""
    config = ClassesConfig(injections=150)
    evaluate(config, tmp_path, workers=1)
    (tmp_path / "stretches" / "1.json").unlink()
    report = evaluate(config, tmp_path, workers=1)
    assert searched.asked == [0, 1, 2, 1]
    assert report["searched"]["by_class"]["BBH"] == {"injected": 6, "candidates": 3, "rang": 3, "told_as": {"BBH": 3}}
    assert report["given"]["by_class"]["BBH"]["candidates"] == 6
    assert report["given"]["mchirp_source"] == {"count": 6, "probability_of_true_bin": 1.0, "true_bin_above_a_half": 6}
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert (tmp_path / "reliability.png").stat().st_size > 1000


def test_a_folder_of_another_measurement_is_refused(tmp_path: Path, searched: Searched) -> None:
    """Figures of two seeds are not mixed."""
    evaluate(ClassesConfig(injections=20), tmp_path, workers=1)
    with pytest.raises(ConfigurationError, match="seed"):
        evaluate(ClassesConfig(injections=20, seed=2), tmp_path, workers=1)
