"""Neutron stars and what they leave outside, beside the values that ligo.em-bright publishes.

Golden values are of em-bright's docstrings and tests (github.com/deepchatterjeeligo/em-bright,
``ligo/em_bright/computeDiskMass.py`` and ``tests/test_em_bright.py``, version 1.1.5).
"""

from __future__ import annotations

import json

import lal
import lalsimulation
import numpy as np
import pytest

from pipelines.train.neutron_stars import WEIGHTS, equation_of_state
from stream.classify.neutron_stars import EQUATIONS_OF_STATE, EquationOfState, equations_of_state, isco, remnant_msun
from stream.types import FloatArray


def floats(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float64)


def of_radius(km: float, largest_msun: float) -> EquationOfState:
    return EquationOfState("one radius", 1.0, largest_msun, floats(0.5, largest_msun), floats(km, km))


def test_compactness_of_ap4_is_that_of_em_bright() -> None:
    """``computeCompactness([1.1, 1.2, 1.3], eosname='AP4')``, and a largest mass of 2.212."""
    ap4 = equation_of_state("AP4")
    assert ap4.compactness(floats(1.1, 1.2, 1.3)) == pytest.approx([0.141, 0.154, 0.167], abs=1e-3)
    assert ap4.largest_msun == pytest.approx(2.212, abs=1e-3)


def test_what_is_too_heavy_for_a_neutron_star_is_as_compact_as_a_black_hole() -> None:
    """``computeCompactness(2.9, eosname='AP4')`` is 0.5."""
    assert equation_of_state("AP4").compactness(floats(2.9)).tolist() == [0.5]


@pytest.mark.parametrize(
    ("equation", "expected", "within"),
    [
        (of_radius(15.0, 3.0), (0.12265712, 0.04272054, 0.0), 1e-6),
        (equation_of_state("AP4"), (0.00851525, 0.0, 0.0), 5e-5),
    ],
    ids=["15 km", "AP4"],
)
def test_remnant_of_three_binaries_is_that_of_em_bright(
    equation: EquationOfState, expected: tuple[float, ...], within: float
) -> None:
    """``computeDiskMass([5, 6, 7], [1.0, 1.2, 1.6], 0, 0)`` with R = 15 km, and with AP4."""
    mass2 = floats(1.0, 1.2, 1.6)
    made = remnant_msun(floats(5.0, 6.0, 7.0), mass2, np.zeros(3), equation.compactness(mass2))
    assert made == pytest.approx(expected, abs=within)


def test_remnant_grows_with_spin_as_in_em_bright() -> None:
    """``computeDiskMass(5.5, 1.5, spin, 0, eosname='SLY')`` for spins of 0, 0.5 and 0.9."""
    mass2 = floats(1.5, 1.5, 1.5)
    compactness = equation_of_state("SLY").compactness(mass2)
    made = remnant_msun(floats(5.5, 5.5, 5.5), mass2, floats(0.0, 0.5, 0.9), compactness)
    assert made == pytest.approx([0.0, 0.008914595943631946, 0.2644515401548974], rel=0.005)


def test_innermost_orbit_is_known_at_its_limits() -> None:
    """6 M without spin, 1 M with the orbit, 9 M against it."""
    assert isco(floats(0.0, 1.0, -1.0)) == pytest.approx([6.0, 1.0, 9.0])


def test_equations_of_several_states_are_each_as_alone() -> None:
    """Compactness of shape (k, n) gives each row what it has by itself."""
    m1, m2, spin = floats(5.0, 6.0), floats(1.2, 1.4), floats(0.5, 0.8)
    rows = [one.compactness(m2) for one in equations_of_state()[:3]]
    together = remnant_msun(m1, m2, spin, np.array(rows))
    assert together.tolist() == [remnant_msun(m1, m2, spin, row).tolist() for row in rows]


@pytest.mark.parametrize("name", ["SLY", "APR4_EPP", "MPA1", "MS1_PP"])
def test_table_is_what_lalsimulation_makes(name: str) -> None:
    """Equations of state made anew are those that are shipped."""
    shipped = {row["name"]: row for row in json.loads(EQUATIONS_OF_STATE.read_text())}
    assert equation_of_state(name, WEIGHTS[name]).as_dict() == shipped[name]


def test_table_is_the_whole_set_and_small() -> None:
    """Every equation of state of the paper's table is there, and weights add up to 1."""
    assert [one.name for one in equations_of_state()] == list(WEIGHTS)
    assert sum(one.weight for one in equations_of_state()) == pytest.approx(1.0)
    assert EQUATIONS_OF_STATE.stat().st_size < 20_000


def test_radius_between_the_tables_masses_is_lalsimulations() -> None:
    """Interpolation is within 0.5 % of a denser table, up to the largest mass."""
    family = lalsimulation.CreateSimNeutronStarFamily(lalsimulation.SimNeutronStarEOSByName("H4"))
    h4 = next(one for one in equations_of_state() if one.name == "H4")
    mass = np.linspace(0.8, h4.largest_msun - 0.001, 50)
    radius_m = [lalsimulation.SimNeutronStarRadius(m * lal.MSUN_SI, family) for m in mass]
    assert h4.compactness(mass) == pytest.approx(lal.MRSUN_SI * mass / radius_m, rel=0.005)
