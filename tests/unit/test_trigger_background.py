"""A matched-filter network's background: classes, a file that its card knows, made anew from what is left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipelines.evaluate.background import MeasureConfig, default_config, measure
from pipelines.evaluate.stretches import NoiseConfig
from pipelines.evaluate.trigger_background import SETTLED_S, TriggerMeasureConfig
from stream.infer import open_model
from stream.significance import load_shipped

CARD = open_model("carillon", to_be_measured=True)
SECONDS = 112
CONFIG = TriggerMeasureConfig(
    NoiseConfig(seed=5, stretch_s=SECONDS, glitch_rate_hz=0.05),
    {"H1": 2, "L1": 2, "V1": 1},
    years=1e-4,
    other_years=1e-4,
    largest_set=3,
    middle_slides=6,
    frequent_hz=0.05,
    rare_hz=0.02,
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the model's folder, and the folder of triggers."""
    made = tmp_path_factory.mktemp("measured")
    folder = Path(shutil.copytree(CARD.folder, made / "carillon"))
    measure(open_model(f"{folder}/", to_be_measured=True), CONFIG, made / "work")
    return folder, made / "work"


def test_each_class_has_a_background_of_the_time_in_which_it_is_open(measured: tuple[Path, Path]) -> None:
    known = load_shipped(open_model(f"{measured[0]}/"))
    singles = {"H1", "L1", "V1"}
    pairs = {"H1+L1", "H1+V1", "L1+V1", "H1+L1+V1"}
    assert set(known) == singles | pairs | {f"{d} of {name}" for name in pairs for d in name.split("+")}
    own_s = SECONDS - SETTLED_S
    times = {"H1": 2 * own_s, "V1": own_s, "H1 of H1+L1": 2 * own_s, "V1 of H1+L1+V1": own_s}
    assert {name: known[name].duration_s for name in times} == times
    slid = known["H1+L1"]
    assert [c.duration_s for c in slid.curves] == sorted((c.duration_s for c in slid.curves), reverse=True)
    assert slid.duration_s > 20 * own_s
    assert slid.curves[-1].rate(slid.curves[-1].complete_above).far_hz > 0.02


def test_a_second_run_reads_the_kept_triggers_and_makes_the_same_file(measured: tuple[Path, Path]) -> None:
    folder, work = measured
    before, kept = (folder / "background.json").read_bytes(), sorted(work.iterdir())
    times_ns = [path.stat().st_mtime_ns for path in kept]
    measure(open_model(f"{folder}/", to_be_measured=True), CONFIG, work)
    assert (folder / "background.json").read_bytes() == before
    assert [path.stat().st_mtime_ns for path in sorted(work.iterdir())] == times_ns
    assert json.loads(before)["measured_with"]["noise"]["seed"] == 5


def test_what_ships_is_measured_as_the_kind_of_the_model_asks() -> None:
    assert isinstance(default_config(CARD), TriggerMeasureConfig)
    assert isinstance(default_config(open_model("first")), MeasureConfig)
