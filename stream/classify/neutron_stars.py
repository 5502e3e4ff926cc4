"""What is left outside when a black hole takes a neutron star, and how heavy and large neutron stars are.

Foucart, Hinderer & Nissanke, PRD 98, 081501 (2018), equation 4: the baryonic mass outside the black hole 10 ms after
the merger, a fit to simulations. The neutron star's baryonic mass is its mass and its binding energy,
``(0.619 C + 0.1359 C^2) M`` (arXiv:1601.06083, equation 21). Equations of state are weighted by their Bayes factors
from GW170817 (Ghosh et al., PRD 104, 083003 (2021), Table I).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stream.types import FloatArray

EQUATIONS_OF_STATE = Path(__file__).parent / "equations_of_state.json"
"""Made by ``python -m pipelines.train.neutron_stars``."""

_ALPHA, _BETA, _GAMMA, _DELTA = 0.406, 0.139, 0.255, 1.761
_BINDING = (0.619, 0.1359)
_MSUN_KM = 1.4766250385  # G Msun / c^2
_HORIZON = 0.5


@dataclass(frozen=True, slots=True)
class EquationOfState:
    """Masses and radii of neutron stars that do not rotate.

    Attributes
    ----------
    name : str
        As lalsimulation has it.
    weight : float
        Relative to the others'.
    largest_msun : float
        No neutron star is heavier.
    mass_msun, radius_km : array of float64, shape (n,)
        Rising masses, and the radii of those.
    """

    name: str
    weight: float
    largest_msun: float
    mass_msun: FloatArray
    radius_km: FloatArray

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON keeps."""
        return {
            "name": self.name,
            "weight": self.weight,
            "largest_msun": self.largest_msun,
            "mass_msun": self.mass_msun.tolist(),
            "radius_km": self.radius_km.tolist(),
        }

    def compactness(self, mass_msun: FloatArray) -> FloatArray:
        """Return G M / (R c^2) of bodies, shape (n,): of a neutron star, or 1/2 of what is too heavy to be one."""
        compact = _MSUN_KM * mass_msun / np.interp(mass_msun, self.mass_msun, self.radius_km)
        return np.where(mass_msun > self.largest_msun, _HORIZON, compact)


@cache
def equations_of_state() -> tuple[EquationOfState, ...]:
    """Return the set that HasNS and HasRemnant are averaged over; the weights add up to 1."""
    kept = json.loads(EQUATIONS_OF_STATE.read_text())
    total = sum(row["weight"] for row in kept)
    return tuple(
        EquationOfState(
            row["name"],
            row["weight"] / total,
            row["largest_msun"],
            np.array(row["mass_msun"]),
            np.array(row["radius_km"]),
        )
        for row in kept
    )


def isco(spin: FloatArray) -> FloatArray:
    """Return the radius of the innermost stable circular orbit, in the black hole's mass, shape (n,).

    Bardeen, Press & Teukolsky, ApJ 178, 347 (1972), equation 2.21; spins along the orbit, -1 to 1.
    """
    z1 = 1.0 + np.cbrt(1.0 - spin**2) * (np.cbrt(1.0 + spin) + np.cbrt(1.0 - spin))
    z2 = np.sqrt(3.0 * spin**2 + z1**2)
    return np.asarray(3.0 + z2 - np.sign(spin) * np.sqrt((3.0 - z1) * (3.0 + z1 + 2.0 * z2)))


def remnant_msun(
    mass1_msun: FloatArray, mass2_msun: FloatArray, spin1: FloatArray, compactness: FloatArray
) -> FloatArray:
    """Return the baryonic mass that stays outside, in solar masses, shape as ``compactness``.

    Parameters are those of :func:`remnant_share`.
    """
    share = np.maximum(remnant_share(mass1_msun, mass2_msun, spin1, compactness), 0.0)
    return mass2_msun * (1.0 + _BINDING[0] * compactness + _BINDING[1] * compactness**2) * share**_DELTA


def remnant_share(
    mass1_msun: FloatArray, mass2_msun: FloatArray, spin1: FloatArray, compactness: FloatArray
) -> FloatArray:
    """Return what the share of the neutron star that stays outside is a power of; nothing stays where it is negative.

    Parameters
    ----------
    mass1_msun, spin1 : array of float64, shape (n,)
        Of the black hole; its spin along the orbit.
    mass2_msun : array of float64, shape (n,)
        Of the neutron star.
    compactness : array of float64, shape (n,) or (k, n)
        Of the neutron star, by one equation of state or several.
    """
    eta = mass1_msun * mass2_msun / (mass1_msun + mass2_msun) ** 2
    swallowed = _BETA * isco(spin1) / eta
    return np.asarray(_ALPHA / np.cbrt(eta) * (1.0 - 2.0 * compactness) - swallowed * compactness + _GAMMA)
