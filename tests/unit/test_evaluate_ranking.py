"""The comparison of rankings: real conditioner, templates by FFT, the three rankings, slides of the same noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluate.ranking import RULES, RankedSearch, spoiled
from pipelines.evaluate.scene import END_S, SETTLED_S, Scene, SceneConfig

SECONDS = 126
HEARD_S = SECONDS - SETTLED_S - END_S


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("ranking")
    parameters = np.array([[36.0, 30.0, 0.0, 0.0], [22.0, 16.0, 0.2, 0.0], [12.0, 9.0, 0.0, 0.0]])
    np.savez(made / "bank.npz", parameters=parameters, ln_weight=np.log([0.5, 0.3, 0.2]))
    return made


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(SceneConfig(seed=2, stretch_s=SECONDS, spacing_s=11.0), 0)


def test_the_three_rankings_are_measured_on_the_same_triggers(folder: Path, scene: Scene) -> None:
    """Each finds the loudest injection above all its background: slides of what is not round an injection."""
    for rule in RULES:
        searched = RankedSearch(rule, folder / "bank.npz", folder / "kept").search(scene, 1e9)
        loudest = int(np.argmax([one.network_snr for one in scene.injections]))
        assert 0.0 < searched.background.duration_s < HEARD_S * (HEARD_S - 1)
        assert searched.ranks[loudest] == searched.ranks.max()
        assert searched.ranks[loudest] > searched.background.loudest.max(initial=-99.0)


def test_triggers_are_kept_and_lie_where_strain_is_whitened(folder: Path, scene: Scene) -> None:
    search = RankedSearch("C", folder / "bank.npz", folder / "kept")
    search.search(scene, 1e5)
    with np.load(folder / "kept" / "0.L1.npz") as kept:
        found = {name: kept[name] for name in kept.files}
    assert len(found["valid"]) == HEARD_S * 16
    assert found["duration_ns"] == HEARD_S * 1_000_000_000
    since_ns = found["time_ns"] - found["gps_ns"]
    assert np.all((since_ns >= 0) & (since_ns < found["duration_ns"]))
    assert np.abs(found["snr"]).min() >= 3.99
    # A template's envelope in noise has 0.2 maxima above 4 a second; the loud injection adds its own.
    quiet = np.abs(found["snr"]) < 5.0
    assert 0.05 < quiet.sum() / 3 / HEARD_S < 0.6


def test_what_is_spoiled_round_an_injection_grows_with_its_snr(scene: Scene) -> None:
    """Each merger is inside; the loudest takes eight seconds before it and four after."""
    stretches = spoiled(scene.injections)
    loudest = int(np.argmax([one.network_snr for one in scene.injections]))
    lengths = [(end - start) / 1e9 for start, end in stretches]
    assert lengths[loudest] == max(lengths) == pytest.approx(12.0)
    assert min(lengths) >= 1.0
