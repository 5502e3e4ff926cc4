"""The network as a search to be measured, and its card."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluate.filterbank import NetworkSearch
from pipelines.evaluate.filterbank_card import card, taps_of
from pipelines.evaluate.ranking import RankedSearch
from pipelines.evaluate.scene import END_S, SETTLED_S, Scene, SceneConfig
from stream.infer.filterbank.bank import Bank, read_bank, write_bank
from stream.infer.filterbank.build import build
from stream.infer.filterbank.waveforms import waveforms
from stream.simulate.psds import psd

PARAMETERS = np.array([[12.0, 9.0, 0.0, 0.0], [22.0, 16.0, 0.2, 0.0], [36.0, 30.0, 0.0, 0.0]])


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    sigma_mpc = build(waveforms(PARAMETERS), taps_of(psd("aLIGO_O4"))).sigma
    write_bank(Bank(PARAMETERS, np.log([0.2, 0.3, 0.5]), sigma_mpc), tmp_path / "bank.npz")
    return tmp_path / "bank.npz"


def test_the_network_ranks_injections_as_the_fft_filter_does(bank: Path, tmp_path: Path) -> None:
    scene = Scene(SceneConfig(seed=2, stretch_s=116, spacing_s=11.0), 0)
    expected = RankedSearch("C", bank, tmp_path / "fft").search(scene, 1e9)
    actual = NetworkSearch("C", bank, tmp_path / "network").search(scene, 1e9)
    loudest = int(np.argmax([one.network_snr for one in scene.injections]))
    assert actual.ranks[loudest] == actual.ranks.max()
    assert actual.ranks[loudest] == pytest.approx(expected.ranks[loudest], rel=0.05)
    assert actual.background.duration_s == pytest.approx(expected.background.duration_s, rel=0.1)
    with np.load(tmp_path / "network" / "0.H1.npz") as kept:
        assert len(kept["valid"]) == (116 - SETTLED_S - END_S) * 16


def test_the_card_says_what_is_kept_and_what_it_costs(bank: Path) -> None:
    made = tomllib.loads(card(read_bank(bank), 1, 1))
    assert made["templates"] == 3
    assert made["data_after_merger_ms"] == pytest.approx(93.8)
    for spectrum in ("aLIGO_O4", "random_0"):
        assert made["snr_kept"][spectrum]["minimum"] > 0.97
    assert made["cost"]["detector_hop_ms"] > 0
