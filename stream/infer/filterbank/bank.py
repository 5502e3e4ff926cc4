"""The template bank on disk: parameters, the population's weight of each template, and how far each is seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream.errors import ModelError
from stream.infer.model import BANK, CARILLON
from stream.types import FloatArray

SHIPPED = CARILLON / BANK


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank of aligned-spin templates, in the order of chirp mass.

    Attributes
    ----------
    parameters : array of float64, shape (n, 4)
        Masses in solar masses (detector frame), larger first, and the spins along the orbit.
    ln_weight : array of float64, shape (n,)
        Logarithm of the share of detected binaries whose best template this is; the shares sum to 1.
    sigma_mpc : array of float64, shape (n,)
        SNR at 1 Mpc, face-on, in noise of ``aLIGO_O4``.
    """

    parameters: FloatArray
    ln_weight: FloatArray
    sigma_mpc: FloatArray

    def __len__(self) -> int:
        return len(self.parameters)


def read_bank(path: Path = SHIPPED) -> Bank:
    """Read a bank.

    Raises
    ------
    ModelError
        If the file is not there or is not a bank.
    """
    try:
        with np.load(path) as kept:
            bank = Bank(kept["parameters"], kept["ln_weight"], kept["sigma_mpc"])
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"{path} is not a template bank ({error}): make it with pipelines.train.bank") from error
    n = len(bank.parameters)
    if bank.parameters.shape != (n, 4) or bank.ln_weight.shape != (n,) or bank.sigma_mpc.shape != (n,):
        raise ModelError(f"{path} holds arrays that do not fit together: make it anew with pipelines.train.bank")
    return bank


def write_bank(bank: Bank, path: Path) -> None:
    """Write a bank; the same bank gives the same bytes."""
    np.savez(path, parameters=bank.parameters, ln_weight=bank.ln_weight, sigma_mpc=bank.sigma_mpc)
