"""Redshift of a luminosity distance, in a flat universe of matter and a cosmological constant.

Numbers of Planck 2018 (A&A 641, A6 (2020), Table 2, TT,TE,EE+lowE+lensing+BAO), as astropy's ``Planck18`` has them;
without radiation, which moves the redshift by less than 0.2 % of itself up to 5.
"""

from __future__ import annotations

import numpy as np

from stream.types import FloatArray

HUBBLE_KM_S_MPC = 67.66
MATTER = 0.30966
_LIGHT_KM_S = 299_792.458
_HIGHEST = 20.0


def _table() -> tuple[FloatArray, FloatArray]:
    """Return redshifts and their luminosity distances in Mpc: Simpson's rule over 1 / E(z)."""
    z = np.expm1(np.linspace(0.0, np.log1p(_HIGHEST), 2001))
    middle = (z[1:] + z[:-1]) / 2.0
    rate, between = (1.0 / np.sqrt(MATTER * (1.0 + at) ** 3 + 1.0 - MATTER) for at in (z, middle))
    steps = np.diff(z) / 6.0 * (rate[1:] + 4.0 * between + rate[:-1])
    comoving = _LIGHT_KM_S / HUBBLE_KM_S_MPC * np.concatenate(([0.0], np.cumsum(steps)))
    return z, (1.0 + z) * comoving


_REDSHIFT, _DISTANCE_MPC = _table()


def redshift(distance_mpc: FloatArray) -> FloatArray:
    """Return the redshift of luminosity distances, shape (n,); farther than redshift 20 counts as 20."""
    return np.asarray(np.interp(distance_mpc, _DISTANCE_MPC, _REDSHIFT))
