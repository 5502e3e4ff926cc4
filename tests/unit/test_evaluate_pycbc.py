"""The PyCBC-style peer: its bank, what it refuses, and, where there is an interpreter with pycbc, its search."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipelines.evaluate.pycbc_peer import VARIABLE, PycbcSearch, read_bank
from pipelines.evaluate.scene import Scene, SceneConfig
from stream.errors import ConfigurationError, DataError

BANK = np.array([[30.0, 25.0, 0.1, -0.2], [20.0, 10.0, 0.0, 0.0], [45.0, 40.0, 0.3, 0.3]])


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "bank.npz"
    np.savez(path, parameters=BANK)
    return path


def test_both_forms_of_a_bank_are_read(bank: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bank.hdf", "w") as file:
        for name, values in zip(("mass1", "mass2", "spin1z", "spin2z"), BANK.T, strict=True):
            file[name] = values
    np.testing.assert_array_equal(read_bank(bank), BANK)
    np.testing.assert_array_equal(read_bank(tmp_path / "bank.hdf"), BANK)


def test_what_is_no_bank_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "flat.npz", parameters=np.ones(4))
    (tmp_path / "text.hdf").write_text("no")
    with pytest.raises(ConfigurationError, match=r"holds an array of shape \(4,\)"):
        read_bank(tmp_path / "flat.npz")
    with pytest.raises(ConfigurationError, match=r"text\.hdf is no bank of templates"):
        read_bank(tmp_path / "text.hdf")


def test_without_an_interpreter_it_says_how_to_get_one(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} is not set: name a Python that has pycbc"):
        PycbcSearch.of(bank)


def test_without_a_bank_it_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, sys.executable)
    with pytest.raises(ConfigurationError, match="needs a bank of templates: give --bank"):
        PycbcSearch.of(None)


def test_an_interpreter_without_pycbc_is_named_with_its_reason(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, sys.executable)
    scene = Scene(SceneConfig(stretch_s=96, spacing_s=8.0), 0)
    with pytest.raises(DataError, match="could not search with pycbc: ModuleNotFoundError"):
        PycbcSearch.of(bank).search(scene, 1.0)


@pytest.mark.slow
def test_it_finds_loud_binaries_that_its_bank_fits(tmp_path: Path) -> None:
    """Each loud binary is in the bank: its rank is its SNR, which no chi-squared takes away."""
    if not os.environ.get(VARIABLE):
        pytest.skip(f"{VARIABLE} is not set: it names a Python that has pycbc")
    scene = Scene(SceneConfig(seed=3, stretch_s=288, spacing_s=8.0), 0)
    loud = [k for k, i in enumerate(scene.injections) if i.network_snr > 9 and min(i.snrs.values()) > 5]
    own = [scene.injections[k].parameters for k in loud]
    parameters = [[p.mass1_msun, p.mass2_msun, p.spin1[2], p.spin2[2]] for p in own]
    np.savez(tmp_path / "bank.npz", parameters=np.array(parameters))
    found = PycbcSearch.of(tmp_path / "bank.npz").search(scene, 2e4)
    assert len(loud) >= 2
    for k in loud:
        assert found.ranks[k] == pytest.approx(scene.injections[k].network_snr, abs=3.0)
    assert found.background.duration_s >= 2e4
