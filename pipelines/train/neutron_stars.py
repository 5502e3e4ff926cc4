"""Make the table of neutron stars that HasNS and HasRemnant rest on: ``python -m pipelines.train.neutron_stars``.

The set of equations of state, and how much each counts, is Table I of Ghosh et al., PRD 104, 083003 (2021): its
approximate Bayes factors, from GW170817. Radius and largest mass come from lalsimulation's tables and its integration
of the Tolman-Oppenheimer-Volkoff equation. The result is package data of :mod:`stream.classify.neutron_stars`.
"""

from __future__ import annotations

import json

import lal
import lalsimulation
import numpy as np

from stream.classify.neutron_stars import EQUATIONS_OF_STATE, EquationOfState
from stream.types import FloatArray

WEIGHTS = {
    "SLY": 1.0, "BHF_BBB2": 0.995, "KDE0V": 1.075, "KDE0V1": 1.079, "SKOP": 0.78, "H4": 0.074, "HQC18": 1.074,
    "SLY2": 1.01, "SLY230A": 0.947, "SKMP": 0.356, "RS": 0.218, "SK255": 0.22, "SLY9": 0.448, "APR4_EPP": 1.06,
    "SKI2": 0.14, "SKI4": 0.392, "SKI6": 0.337, "SK272": 0.202, "SKI3": 0.135, "SKI5": 0.035, "MPA1": 0.309,
    "MS1B_PP": 0.014, "MS1_PP": 0.002,
}  # fmt: skip
_LIGHTEST_MSUN = 0.5
_POINTS = 25
_SHORT_OF_LARGEST = 1e-4  # The family's spline ends a little before its largest mass.


def equation_of_state(name: str, weight: float = 1.0) -> EquationOfState:
    """Return masses and radii of one equation of state, by lalsimulation's name; denser where the radius bends."""
    family = lalsimulation.CreateSimNeutronStarFamily(lalsimulation.SimNeutronStarEOSByName(name))
    largest = lalsimulation.SimNeutronStarMaximumMass(family) / lal.MSUN_SI
    up = 1.0 - (1.0 - np.linspace(0.0, 1.0, _POINTS)) ** 2
    mass: FloatArray = _LIGHTEST_MSUN + (largest * (1.0 - _SHORT_OF_LARGEST) - _LIGHTEST_MSUN) * up
    radius = [lalsimulation.SimNeutronStarRadius(m * lal.MSUN_SI, family) / 1e3 for m in mass]
    return EquationOfState(name, weight, round(largest, 5), mass.round(4), np.round(radius, 4))


def main() -> None:
    """Run from the command line."""
    made = [equation_of_state(name, weight) for name, weight in WEIGHTS.items()]
    rows = ",\n".join(json.dumps(one.as_dict()) for one in made)
    EQUATIONS_OF_STATE.write_text(f"[\n{rows}\n]\n")
    print(f"{len(made)} equations of state, {EQUATIONS_OF_STATE.stat().st_size} bytes: {EQUATIONS_OF_STATE}")


if __name__ == "__main__":
    main()
