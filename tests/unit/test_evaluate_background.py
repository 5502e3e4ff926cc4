"""Measuring a background: sparse slides lose nothing above their threshold, and the file and the card go together."""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluate import mergers
from pipelines.evaluate.background import MeasureConfig, measure
from pipelines.evaluate.curves import curve
from pipelines.evaluate.poisson import count_events, far_grid
from pipelines.evaluate.slid import Stretch
from pipelines.evaluate.stretches import NoiseConfig, encode, strain_of
from stream.detect import Head
from stream.errors import ModelError
from stream.infer import open_model
from stream.settings import InferSettings, Settings
from stream.significance import load_shipped
from stream.significance.events import loudest_apart

CARD = open_model("first")
NOISE = NoiseConfig(seed=5, stretches=1, stretch_s=120, glitch_rate_hz=0.05, detectors=("H1", "L1", "V1"))
SETS = [members for size in (2, 3) for members in combinations(range(3), size)]


@pytest.fixture(scope="module")
def stretch() -> Stretch:
    frames, valid = encode(CARD, [strain_of(NOISE, 0, name) for name in NOISE.detectors], NOISE.detectors)
    return Stretch(Head(CARD, InferSettings(threads=1)), frames, valid, CARD.encoder.frame_rate_hz)


@pytest.mark.parametrize("members", SETS)
def test_sparse_slides_find_the_events_of_dense_ones(stretch: Stretch, members: tuple[int, ...]) -> None:
    looked_at = 0
    for lag_s in stretch.lags(members)[::9]:
        dense = stretch.dense(members, lag_s)
        threshold = float(np.sort(dense.events)[-8]) - 1e-3
        most = float(dense.loud[1, dense.loud[0] >= threshold].max())
        sparse = stretch.sparse(members, lag_s, threshold, threshold - most - 1.0)
        assert sparse.duration_s == dense.duration_s
        assert sparse.room >= 1.0 - 1e-5
        np.testing.assert_allclose(np.sort(sparse.events)[-8:], np.sort(dense.events)[-8:], atol=1e-4)
        looked_at += 1
    assert looked_at >= 6


def test_sparse_slides_that_look_too_high_say_so(stretch: Stretch) -> None:
    """``room`` falls to nothing when frames that matter may lie lower than was looked."""
    dense = stretch.dense((0, 1), 10)
    threshold = float(np.sort(dense.events)[-8])
    loud = dense.loud[0] >= threshold
    lowest = float((dense.loud[0] - dense.loud[1])[loud].min())
    assert stretch.sparse((0, 1), 10, threshold, lowest).room == pytest.approx(0.0, abs=1e-4)


def test_detectors_of_a_slide_are_never_at_the_same_time(stretch: Stretch) -> None:
    for lag_s in stretch.lags((0, 1, 2)):
        apart = [lag_s % 120, -lag_s % 120, 2 * lag_s % 120, -2 * lag_s % 120]
        assert min(apart) >= 2


def test_peaks_within_a_second_are_one_event_that_its_loudest_stands_for() -> None:
    frames = np.array([100, 130, 140, 300, 460, 580])
    statistic = np.array([1.0, 2.0, 5.0, 3.0, 4.0, 6.0])
    assert loudest_apart(frames, statistic, 128, 128).tolist() == [5.0, 3.0, 6.0]
    assert loudest_apart(frames[:0], statistic[:0], 128, 128).tolist() == []


def test_a_curve_is_small_and_never_says_too_few() -> None:
    events = np.random.default_rng(1).exponential(1.0, 50_000)
    values = curve(events, 1e6)
    assert len(values["counts"]) < 700
    for at in (0.01, 0.5, 2.0, 8.0, 11.0):
        known = [n for s, n in zip(values["statistics"], values["counts"], strict=True) if s <= at]
        assert min(known, default=len(events)) >= (events >= at).sum()


def test_a_measured_background_is_in_the_card_and_of_this_network(tmp_path: Path) -> None:
    """A run that was cut off goes on from its work folder: the second one reads what the first has encoded."""
    folder = Path(shutil.copytree(CARD.folder, tmp_path / "first"))
    config = MeasureConfig(NOISE, tail_far_hz=0.05, larger_sets_stride=9)
    card = open_model(f"{folder}/", to_be_measured=True)
    made = measure(card, config, tmp_path / "work")
    before = (folder / "background.json").read_bytes()
    assert made["measured_with"]["noise"]["seed"] == 5
    known = load_shipped(open_model(f"{folder}/"))
    assert set(known) == {"H1", "L1", "V1", "H1+L1", "H1+V1", "L1+V1", "H1+L1+V1"}
    assert known["H1+L1"].duration_s > 10 * known["H1"].duration_s
    measure(card, config, tmp_path / "work")
    assert (folder / "background.json").read_bytes() == before
    (folder / "background.json").write_bytes(before + b" ")
    with pytest.raises(ModelError, match=r"background\.json"):
        open_model(f"{folder}/")


def test_the_grid_spans_three_decades_of_what_the_time_can_show() -> None:
    grid = far_grid(3 * 3600)
    assert grid[0] / grid[-1] == pytest.approx(1000)
    assert grid[-1] * 3 * 3600 == pytest.approx(1.0)


def test_few_minutes_of_noise_ring_as_often_as_their_fars_say() -> None:
    result = count_events(Settings(infer=InferSettings(model="first")), 0.1, seed=3)
    assert 330 < result.heard_s < 360
    for expected, observed in zip(result.expected, result.observed, strict=True):
        assert abs(observed - expected) <= 4 * np.sqrt(expected) + 2
    assert result.observed[0] > 20
    assert set(result.as_dict()) >= {"far_hz", "expected", "observed", "error"}


def test_live_slides_as_source_give_the_fars_without_the_shipped_background() -> None:
    settings = Settings.model_validate({"infer": {"model": "first"}, "significance": {"slides": 8}})
    result = count_events(settings, 0.05, seed=3, source="live", begin_s=120)
    assert result.source == "live"
    assert 100 < result.heard_s < 200
    assert result.observed[0] > 5


def test_mergers_are_not_in_the_live_background() -> None:
    """The short form of ``tocsin evaluate background --mergers-every 20``."""
    settings = Settings.model_validate({"infer": {"model": "first"}, "significance": {"slides": 8}})
    compared = mergers.compare(settings, 0.05, 20.0, seed=4)
    assert compared["events"] >= 5
    pair = compared["sets"]["H1+L1"]
    for expected, observed, error in zip(pair["expected"], pair["observed"], pair["error"], strict=True):
        assert abs(observed - expected) <= 4 * error + 2
