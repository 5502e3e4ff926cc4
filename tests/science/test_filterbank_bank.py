"""The template bank: chosen from a seed, for the volume that it keeps; what ships is whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.train.bank import BankConfig, choose, draw, make_bank, matches, sigma_mpc, weigh
from stream.errors import ModelError
from stream.infer.filterbank.bank import read_bank, write_bank
from stream.infer.filterbank.waveforms import chirp_mass_msun

SMALL = BankConfig(seed=4, templates=6, candidates=60, draws=60)


def test_the_shipped_bank_is_in_order_of_chirp_mass_and_its_shares_sum_to_one() -> None:
    bank = read_bank()
    assert len(bank) == 200
    assert (np.diff(chirp_mass_msun(bank.parameters)) >= 0).all()
    assert np.exp(bank.ln_weight).sum() == pytest.approx(1.0)
    assert bank.parameters[:, :2].min() >= 5.0
    assert bank.parameters[:, :2].max() <= 100.0
    np.testing.assert_allclose(sigma_mpc(bank.parameters[::40]), bank.sigma_mpc[::40], rtol=1e-6)


def test_a_seed_gives_one_bank(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_bank(make_bank(SMALL)[0], tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert len(read_bank(tmp_path / "a.npz")) == 6


def test_a_file_that_is_no_bank_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    np.savez(path, parameters=np.zeros((3, 4)))
    with pytest.raises(ModelError, match=r"bank\.npz is not a template bank"):
        read_bank(path)


def test_a_binary_matches_itself_and_others_less() -> None:
    binaries = draw(np.random.default_rng(3), 12, SMALL).parameters
    match = matches(binaries, binaries)
    np.testing.assert_allclose(np.diagonal(match), 1.0, atol=1e-3)
    assert (match <= 1.001).all()
    both = (match > 0) & (match.T > 0)
    np.testing.assert_allclose(match[both], match.T[both], atol=2e-3)


def test_templates_are_taken_where_they_add_most_volume() -> None:
    match = np.array([[0.9, 0.6, 0.0], [0.9, 0.95, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    assert list(choose(match, np.array([0.45, 0.45, 0.1]), 2)) == [0, 2]


def test_a_template_that_no_draw_likes_best_is_rare_and_not_impossible() -> None:
    match = np.array([[0.9, 0.6, 0.1], [0.8, 0.95, 0.1], [0.99, 0.9, 0.2]], dtype=np.float32)
    np.testing.assert_allclose(np.exp(weigh(match, np.ones(3))), np.array([2.5, 1.5, 0.5]) / 4.5)
