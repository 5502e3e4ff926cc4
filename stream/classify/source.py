"""What kind of source a candidate has: the last step of the follow-up, MassPosterior and distance → SourceClass.

Masses as the detector sees them are larger than the source's by 1 + z. The distance's posterior gives z, so that each
sample of the masses stands at several redshifts; at each the samples count by their own weight (a prior uniform in both
masses, within the volume that is heard: the bank's) times how often such binaries merge. The distance stays as the sky
map has it. Without a distance nothing is told: at 1 to 3 Gpc redshift moves masses by a fifth to a half, more than the
filter's own uncertainty, and a distance made up from a prior would be told as if it were measured.

``classification``: BNS, NSBH, BBH share p_astro; Terrestrial is the rest. ``properties`` take the source as
astrophysical: HasNS, a body that can be a neutron star, over the set of equations of state; HasRemnant, two of them or
one that leaves matter outside the black hole; HasMassGap, a body of 3 to 5 Msun. ``mchirp_source`` has the bins of
LVK's alerts (ligo-cgmi 1.0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from stream.classify.neutron_stars import equations_of_state, remnant_share
from stream.classify.population import BOUNDARY_MSUN, GWTC4, Population
from stream.classify.redshift import redshift
from stream.errors import DataError
from stream.records.followup import MassPosterior, SourceClass
from stream.types import BoolArray, FloatArray

MCHIRP_EDGES_MSUN = (
    0.1, 0.87, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 1.9, 2.1, 2.3, 3.0, 5.5, 11.0, 22.0, 44.0, 88.0, 1000.0,
)  # fmt: skip
MASS_GAP_MSUN = (3.0, 5.0)

_REDSHIFTS = 8
_SCORES = np.array([NormalDist().inv_cdf((k + 0.5) / _REDSHIFTS) for k in range(_REDSHIFTS)])


@dataclass(frozen=True, slots=True)
class SourceMasses:
    """Binaries that the source can be, in its own frame; all arrays of shape (n,).

    ``weight`` adds up to 1.
    """

    mass1_msun: FloatArray
    mass2_msun: FloatArray
    spin1: FloatArray
    weight: FloatArray

    def share(self, which: BoolArray) -> float:
        """Return the probability that the source is one of those binaries."""
        return _probability(float(self.weight @ which))


def classify(
    masses: MassPosterior | None,
    p_astro: float | None,
    p_astro_reason: str,
    distance_mpc: tuple[float, float] | None,
    population: Population = GWTC4,
) -> SourceClass:
    """Return what kind of source it is; what cannot be told is None, with the reason.

    Parameters
    ----------
    masses : MassPosterior or None
        In the detector's frame.
    p_astro : float or None
        Probability that the source is astrophysical.
    p_astro_reason : str
        Why it is None.
    distance_mpc : (float, float) or None
        Mean and standard deviation of the luminosity distance, over the whole sky.
    population : Population
        How often which binaries merge.
    """
    try:
        source = source_masses(masses, distance_mpc, population)
    except DataError as unusable:
        why = str(unusable)
        return SourceClass(None, None, None, dict.fromkeys(("classification", "properties", "mchirp_source"), why))
    reasons = {}
    if p_astro is None:
        reasons["classification"] = f"no p_astro: {p_astro_reason}"
    elif not 0.0 <= p_astro <= 1.0:
        reasons["classification"] = f"p_astro of {p_astro} is no probability"
    return SourceClass(
        classification=None if reasons or p_astro is None else classes(source, p_astro),
        properties=properties(source),
        mchirp_source=(MCHIRP_EDGES_MSUN, mchirp_histogram(source)),
        reasons=reasons,
    )


def source_masses(
    masses: MassPosterior | None, distance_mpc: tuple[float, float] | None, population: Population
) -> SourceMasses:
    """Return the binaries that the source can be.

    Raises
    ------
    DataError
        If there are no masses or no distance, or they are not what they should be; it says which.
    """
    if masses is None:
        raise DataError("no masses: the matched filter gave none")
    _check(masses)
    stretched = 1.0 + redshift(_distances(distance_mpc))[:, np.newaxis]
    mass1, mass2 = (masses.parameters[:, k] / stretched for k in (0, 1))
    # Of each distance alone, so that the population says nothing about distances.
    weight = masses.weight * population.density(mass1, mass2)
    weight /= weight.sum(axis=1, keepdims=True) * len(weight)
    spin1 = np.broadcast_to(masses.parameters[:, 2], mass1.shape)
    return SourceMasses(mass1.ravel(), mass2.ravel(), spin1.ravel(), weight.ravel())


def classes(source: SourceMasses, p_astro: float) -> dict[str, float]:
    """Return BNS, NSBH, BBH and Terrestrial, which add up to 1."""
    bns = source.share(source.mass1_msun < BOUNDARY_MSUN)
    bbh = source.share(source.mass2_msun >= BOUNDARY_MSUN)
    nsbh = max(0.0, 1.0 - bns - bbh)
    return {"BNS": p_astro * bns, "NSBH": p_astro * nsbh, "BBH": p_astro * bbh, "Terrestrial": 1.0 - p_astro}


def properties(source: SourceMasses) -> dict[str, float]:
    """Return HasNS, HasRemnant and HasMassGap."""
    known = equations_of_state()
    low, high = MASS_GAP_MSUN
    gap = [(low <= mass) & (mass <= high) for mass in (source.mass1_msun, source.mass2_msun)]
    light = source.mass2_msun <= max(one.largest_msun for one in known)
    m1, m2, spin1 = source.mass1_msun[light], source.mass2_msun[light], source.spin1[light]
    left = remnant_share(m1, m2, spin1, np.array([one.compactness(m2) for one in known])) > 0.0
    largest = np.array([[one.largest_msun] for one in known])
    bright = (m1 <= largest) | ((m2 <= largest) & left)
    weight = np.array([one.weight for one in known])
    return {
        "HasNS": _probability(float(weight @ (m2 <= largest) @ source.weight[light])),
        "HasRemnant": _probability(float(weight @ bright @ source.weight[light])),
        "HasMassGap": source.share(gap[0] | gap[1]),
    }


def mchirp_histogram(source: SourceMasses) -> tuple[float, ...]:
    """Return the probability of each bin of the chirp mass; what lies beyond the outermost counts in it."""
    mchirp = (source.mass1_msun * source.mass2_msun) ** 0.6 / (source.mass1_msun + source.mass2_msun) ** 0.2
    inner = np.searchsorted(MCHIRP_EDGES_MSUN[1:-1], mchirp, side="right")
    counts = np.bincount(inner, source.weight, len(MCHIRP_EDGES_MSUN) - 1)
    return tuple((counts / counts.sum()).tolist())


def _probability(total: float) -> float:
    """Return a sum of weights without what rounding adds."""
    return min(1.0, total)


def _distances(distance_mpc: tuple[float, float] | None) -> FloatArray:
    """Return distances of equal probability: quantiles of the log-normal distribution of that mean and deviation."""
    if distance_mpc is None:
        raise DataError("no distance: masses in the source's frame need its redshift")
    mean, std = distance_mpc
    if not (math.isfinite(mean) and math.isfinite(std) and mean > 0.0 and std >= 0.0):
        raise DataError(f"a distance of {mean} +- {std} Mpc is none: masses in the source's frame need its redshift")
    spread = math.log1p((std / mean) ** 2)
    return np.asarray(mean * np.exp(math.sqrt(spread) * _SCORES - spread / 2.0))


def _check(masses: MassPosterior) -> None:
    parameters, weight = masses.parameters, masses.weight
    if parameters.ndim != 2 or parameters.shape[1] != 4 or weight.shape != (len(parameters),) or not len(weight):
        raise DataError(f"masses of shape {parameters.shape} and weights of shape {weight.shape} are no posterior")
    if not np.isfinite(weight).all() or weight.min() < 0.0 or weight.sum() <= 0.0:
        raise DataError("the weights of the masses are no probabilities")
    mass1, mass2, spins = parameters[:, 0], parameters[:, 1], parameters[:, 2:]
    if not (np.isfinite(parameters).all() and (mass1 >= mass2).all() and (mass2 > 0.0).all()):
        raise DataError("the masses are not those of binaries, larger first")
    if np.abs(spins).max() > 1.0:
        raise DataError(f"a spin of {np.abs(spins).max():g} is none of a black hole")
