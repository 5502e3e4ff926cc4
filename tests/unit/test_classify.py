"""What kind of source a candidate has: classes, properties and chirp mass, from masses, p_astro and distance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from astropy.cosmology import Planck18
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.classify import Population, classify
from stream.classify.redshift import redshift
from stream.classify.source import MCHIRP_EDGES_MSUN
from stream.records.followup import MassPosterior, SourceClass

NEAR = (1.0, 0.0)
"""A distance so small that masses in the source's frame are those of the detector."""
CLASSES = ("BNS", "NSBH", "BBH", "Terrestrial")


def posterior(*rows: tuple[float, ...], weight: tuple[float, ...] | None = None) -> MassPosterior:
    parameters = np.array([(*row, 0.0, 0.0)[:4] for row in rows], dtype=np.float64).reshape(len(rows), 4)
    shares = np.full(len(rows), 1.0 / max(len(rows), 1)) if weight is None else np.array(weight)
    return MassPosterior(parameters, shares, 1.0, 0.1)


def told(masses: MassPosterior, distance_mpc: tuple[float, float] = NEAR, p_astro: float = 1.0) -> SourceClass:
    return classify(masses, p_astro, "", distance_mpc)


def properties(*rows: tuple[float, ...]) -> dict[str, float]:
    found = told(posterior(*rows)).properties
    assert found is not None
    return {name: round(value, 3) for name, value in found.items()}


def classes(masses: MassPosterior, distance_mpc: tuple[float, float] = NEAR, p_astro: float = 1.0) -> dict[str, float]:
    found = told(masses, distance_mpc, p_astro).classification
    assert found is not None
    return dict(found)


@pytest.mark.parametrize(
    ("masses", "expected"),
    [((1.4, 1.4), "BNS"), ((2.9, 1.1), "BNS"), ((3.1, 2.9), "NSBH"), ((20.0, 1.4), "NSBH"), ((3.2, 3.1), "BBH")],
)
def test_boundary_of_the_classes_is_three_solar_masses(masses: tuple[float, float], expected: str) -> None:
    """LVK's user guide: BNS both below 3 Msun, NSBH one, BBH none."""
    assert classes(posterior(masses))[expected] == pytest.approx(1.0)


def test_template_of_gw170817_is_a_bns_as_far_as_it_is_a_signal() -> None:
    """p-astro's test ``test_compute_p_astro_bns``: masses 1.77 and 1.07 give BNS all of p_astro, 0.08 and 0.99."""
    for p_astro in (0.08, 0.99):
        found = classes(posterior((1.77, 1.07)), (40.0, 8.0), p_astro)
        assert found == pytest.approx({"BNS": p_astro, "NSBH": 0.0, "BBH": 0.0, "Terrestrial": 1.0 - p_astro})


@given(
    masses=st.lists(st.tuples(st.floats(0.5, 120.0), st.floats(0.5, 120.0)), min_size=1, max_size=8),
    p_astro=st.floats(0.0, 1.0),
    distance=st.tuples(st.floats(1.0, 2e4), st.floats(0.0, 5e3)),
)
@settings(max_examples=60, deadline=None)
def test_classes_and_bins_add_up_to_one(
    masses: list[tuple[float, float]], p_astro: float, distance: tuple[float, float]
) -> None:
    """Whatever the masses, the four classes and the bins are probabilities that add up to 1."""
    found = classify(posterior(*[(max(m), min(m)) for m in masses]), p_astro, "", distance)
    assert found.classification is not None and found.properties is not None and found.mchirp_source is not None
    assert tuple(found.classification) == CLASSES
    assert sum(found.classification.values()) == pytest.approx(1.0)
    assert sum(found.mchirp_source[1]) == pytest.approx(1.0)
    for value in (*found.classification.values(), *found.properties.values(), *found.mchirp_source[1]):
        assert 0.0 <= value <= 1.0
    assert found.reasons == {}


def test_terrestrial_is_what_p_astro_leaves() -> None:
    """The astrophysical classes share p_astro."""
    assert classes(posterior((30.0, 20.0)), p_astro=0.3) == {"BNS": 0.0, "NSBH": 0.0, "BBH": 0.3, "Terrestrial": 0.7}


def test_redshift_makes_masses_lighter() -> None:
    """5 and 3.3 Msun as seen from 1 Gpc (z = 0.2) have a companion below 3 Msun."""
    seen = posterior((5.0, 3.3))
    assert classes(seen)["BBH"] == pytest.approx(1.0)
    assert classes(seen, (1000.0, 10.0))["NSBH"] == pytest.approx(1.0)


def test_uncertain_distance_gives_uncertain_class() -> None:
    """Where the boundary lies within the distance's uncertainty, both classes keep a share."""
    found = classes(posterior((10.0, 3.45)), (700.0, 200.0))
    assert 0.1 < found["NSBH"] < 0.9
    assert found["NSBH"] + found["BBH"] == pytest.approx(1.0)


def test_more_frequent_binaries_count_more() -> None:
    """Two samples of equal weight share by how often such binaries merge: a tenth as many NSBH is a tenth the odds."""
    both = posterior((10.0, 1.4), (10.0, 5.0))
    odds = []
    for rate in (28.0, 2.8):
        found = classify(both, 1.0, "", NEAR, Population(nsbh=rate)).classification
        assert found is not None
        odds.append(found["NSBH"] / found["BBH"])
    assert odds[0] == pytest.approx(10.0 * odds[1])


def test_population_has_its_rates() -> None:
    """Summed over its masses, each class's density is its rate."""
    edges = np.geomspace(1.0, 100.0, 3001)
    middle, step = np.sqrt(edges[1:] * edges[:-1]), np.diff(edges)
    m1, m2 = np.meshgrid(middle, middle, indexing="ij")
    rate = np.where(m2 <= m1, Population().density(m1, m2), 0.0) * np.outer(step, step)
    assert rate[m1 < 3.0].sum() == pytest.approx(44.0, rel=0.01)
    assert rate[(m1 >= 3.0) & (m2 < 3.0)].sum() == pytest.approx(28.0, rel=0.01)
    assert rate[m2 >= 3.0].sum() == pytest.approx(19.0, rel=0.01)


@pytest.mark.parametrize(
    ("rows", "has_ns", "has_remnant", "gap"),
    [
        (((1.4, 1.4), (2.0, 0.5, 0.99, 0.99)), 1.0, 1.0, 0.0),
        (((1.1, 1.0),), 1.0, 1.0, 0.0),
        (((4.5, 4.4), (4.3, 4.2)), 0.0, 0.0, 1.0),
        (((40.5, 4.4), (40.3, 4.2)), 0.0, 0.0, 1.0),
        (((100.0, 50.0),), 0.0, 0.0, 0.0),
        (((8.0, 1.4, -0.99),), 1.0, 0.0, 0.0),
        (((8.0, 1.4, 0.99),), 1.0, 1.0, 0.0),
        (((5.5, 1.5),), 1.0, 0.0, 0.0),
        (((5.5, 1.5, 0.9),), 1.0, 1.0, 0.0),
        (((3.001, 2.8),), 0.0, 0.0, 1.0),
    ],
)
def test_properties_are_those_of_em_bright(
    rows: tuple[tuple[float, ...], ...], has_ns: float, has_remnant: float, gap: float
) -> None:
    """em-bright 1.1.5's ``tests/test_em_bright.py``, where the equation of state does not decide: within 0.01."""
    found = properties(*rows) if len(rows) == 1 else _means([properties(row) for row in rows])
    assert found == pytest.approx({"HasNS": has_ns, "HasRemnant": has_remnant, "HasMassGap": gap}, abs=0.01)


def _means(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(one[name] for one in found) / len(found) for name in found[0]}


def test_heavier_companion_is_less_of_a_neutron_star() -> None:
    """HasNS falls with the lighter mass, from 1 at 1.9 Msun to 0 at 2.8 Msun."""
    chance = [properties((10.0, m))["HasNS"] for m in np.linspace(1.9, 2.8, 19)]
    assert chance == sorted(chance, reverse=True)
    assert (chance[0], chance[-1]) == (1.0, 0.0)


def test_faster_black_hole_leaves_more_outside() -> None:
    """HasRemnant grows with the black hole's spin, over the equations of state."""
    chance = [properties((7.0, 1.4, spin))["HasRemnant"] for spin in np.linspace(-0.5, 0.95, 12)]
    assert chance == sorted(chance)
    assert chance[0] == 0.0 and chance[-1] == 1.0


@pytest.mark.parametrize(("masses", "at"), [((1.5, 1.4), 4), ((14.0, 13.0), 14), ((45.0, 36.0), 15)])
def test_chirp_mass_stands_in_ligo_cgmis_bin(masses: tuple[float, float], at: int) -> None:
    """ligo-cgmi 1.0.4's tests: its bins, and the bin of two of its binaries; one of 35 Msun stands in 22 to 44."""
    found = told(posterior(masses)).mchirp_source
    assert found is not None
    edges, probabilities = found
    assert edges == (0.1, 0.87, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 1.9, 2.1, 2.3, 3, 5.5, 11, 22, 44, 88, 1000)
    assert probabilities.index(max(probabilities)) == at and len(edges) == len(probabilities) + 1


def test_chirp_mass_beyond_the_bins_is_kept() -> None:
    """A binary of 0.05 Msun counts in the lightest bin."""
    found = told(posterior((0.06, 0.05))).mchirp_source
    assert found is not None and found[1][0] == 1.0 and found[0] == MCHIRP_EDGES_MSUN


def test_without_p_astro_the_class_is_unknown_and_the_rest_is_not() -> None:
    """classification is None with p_astro's own reason; properties and chirp mass do not need it."""
    found = classify(posterior((30.0, 20.0)), None, "no foreground of H1+V1", NEAR)
    assert found.classification is None and found.properties is not None and found.mchirp_source is not None
    assert dict(found.reasons) == {"classification": "no p_astro: no foreground of H1+V1"}


GOOD = posterior((30.0, 20.0))


@pytest.mark.parametrize(
    ("masses", "distance", "why"),
    [
        (None, NEAR, "no masses"),
        (GOOD, None, "no distance"),
        (GOOD, (math.nan, 1.0), "nan"),
        (GOOD, (-5.0, 1.0), "-5.0"),
        (GOOD, (100.0, math.inf), "inf"),
        (posterior(), NEAR, "no posterior"),
        (replace(GOOD, weight=np.ones(3)), NEAR, "no posterior"),
        (replace(GOOD, weight=np.array([math.nan])), NEAR, "weights"),
        (replace(GOOD, weight=np.array([-1.0])), NEAR, "weights"),
        (replace(GOOD, weight=np.array([0.0])), NEAR, "weights"),
        (posterior((math.nan, 20.0)), NEAR, "binaries"),
        (posterior((20.0, 30.0)), NEAR, "binaries"),
        (posterior((20.0, -1.0)), NEAR, "binaries"),
        (posterior((20.0, 10.0, 1.5)), NEAR, "1.5"),
    ],
)
def test_what_cannot_be_used_is_unknown_with_its_reason(
    masses: MassPosterior | None, distance: tuple[float, float] | None, why: str
) -> None:
    """Everything is None, and each reason says what is missing or wrong; nothing is raised."""
    found = classify(masses, 0.9, "", distance)
    assert (found.classification, found.properties, found.mchirp_source) == (None, None, None)
    assert set(found.reasons) == {"classification", "properties", "mchirp_source"}
    assert all(why in reason for reason in found.reasons.values())


@pytest.mark.parametrize("p_astro", [math.nan, -0.1, 1.1])
def test_p_astro_that_is_no_probability_gives_no_class(p_astro: float) -> None:
    """classification is None, with the value in the reason."""
    found = told(GOOD, p_astro=p_astro)
    assert found.classification is None and str(p_astro) in found.reasons["classification"]


def test_redshift_is_that_of_planck_2018() -> None:
    """Within 0.2 % of astropy's cosmology, which has radiation too."""
    z = np.array([0.01, 0.1, 0.5, 1.0, 2.0, 5.0])
    assert redshift(Planck18.luminosity_distance(z).value) == pytest.approx(z, rel=0.002)
