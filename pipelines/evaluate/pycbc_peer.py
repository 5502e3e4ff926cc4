"""A PyCBC-style bank search as a search that is measured: what a site has today.

PyCBC finds the triggers in an interpreter of its own (:mod:`pipelines.evaluate.pycbc_search`): it asks for another
numpy. Here they become events: triggers of one template within 15 ms, ranked by their re-weighted SNRs added
in squares (Usman et al., Class. Quantum Grav. 33, 215004 (2016)), slid without the injections as every search is.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy import signal

from pipelines.evaluate.coincidence import Slid, TriggerList, coincident
from pipelines.evaluate.limit import FOUND_S
from pipelines.evaluate.scene import END_S, RATE_HZ, SETTLED_S, Scene, loudest_near
from pipelines.evaluate.searched import Searched
from stream.errors import ConfigurationError, DataError
from stream.types import FloatArray

VARIABLE = "TOCSIN_PYCBC_PYTHON"
_SCRIPT = Path(__file__).with_name("pycbc_search.py")
_OUT_HZ = 2048
_LEAST_RANK = 7.0
_COLUMNS = ("mass1", "mass2", "spin1z", "spin2z")


@dataclass(frozen=True, slots=True)
class PycbcSearch:
    """PyCBC with a bank.

    Attributes
    ----------
    python : str
        The interpreter that has pycbc.
    bank : array of float64, shape (n_templates, 4)
        Masses in Msun, detector frame, and aligned spins.
    """

    python: str
    bank: FloatArray
    label: str = "pycbc"

    @classmethod
    def of(cls, bank: Path | None) -> PycbcSearch:
        """Return the search with a bank from a file.

        Raises
        ------
        ConfigurationError
            If there is no interpreter, or no bank.
        """
        python = os.environ.get(VARIABLE)
        if not python or not Path(python).is_file():
            raise ConfigurationError(
                f"{VARIABLE} is {'no file: ' + python if python else 'not set'}: name a Python that has pycbc (uv venv "
                f"pycbc; uv pip install --python pycbc pycbc; export {VARIABLE}=$PWD/pycbc/bin/python)"
            )
        if bank is None:
            raise ConfigurationError(
                "a search by pycbc needs a bank of templates: give --bank, as pycbc_brute_bank makes"
            )
        return cls(python, read_bank(bank))

    def search(self, scene: Scene, background_s: float) -> Searched:
        """Search a stretch with its injections, and slide it without them."""
        names = scene.config.detectors
        one, other = (self._triggers(scene, name, signals=True) for name in names)
        times_s, ranks = coincident(one, other)
        found = loudest_near(scene.injections, times_s, ranks, FOUND_S)
        quiet = [self._triggers(scene, name, signals=False).between(SETTLED_S, scene.config.stretch_s - END_S)
                 for name in names]  # fmt: skip
        ring = Slid(SETTLED_S, scene.config.stretch_s - END_S - SETTLED_S, _LEAST_RANK)
        slides = min(ring.heard_s - 1, int(np.ceil(background_s / ring.heard_s)))
        return Searched(found, ring.count(quiet[0], quiet[1], slides))

    def _triggers(self, scene: Scene, detector: str, *, signals: bool) -> TriggerList:
        strain = np.concatenate(list(scene.strain(detector, signals=signals)))
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("strain.npy", "bank.npy", "out.npz")]
            np.save(files[0], signal.resample_poly(strain, 1, RATE_HZ // _OUT_HZ))
            np.save(files[1], self.bank)
            command = [self.python, str(_SCRIPT), *map(str, files)]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )
            if done.returncode:
                why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise DataError(f"{self.python} could not search with pycbc: {why}")
            with np.load(files[2]) as kept:
                return TriggerList(kept["template"], kept["time_s"], kept["rank"])


def read_bank(path: Path) -> FloatArray:
    """Read a bank: PyCBC's HDF5, or an npz with ``parameters`` (m1, m2, chi1, chi2).

    Raises
    ------
    ConfigurationError
        If it is neither.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path) as kept:
                bank = np.asarray(kept["parameters"], dtype=np.float64)
        else:
            with h5py.File(path) as file:
                bank = np.stack([np.asarray(file[name], dtype=np.float64) for name in _COLUMNS], axis=1)
    except (OSError, KeyError, ValueError) as error:
        raise ConfigurationError(
            f"{path} is no bank of templates ({error}): give PyCBC's HDF5, or an npz with parameters"
        ) from error
    if bank.ndim != 2 or bank.shape[1] != len(_COLUMNS) or not len(bank):
        raise ConfigurationError(f"{path} holds an array of shape {bank.shape}, not of templates with 4 parameters")
    return bank
