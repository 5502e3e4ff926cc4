"""The population that sensitivity is stated for: binaries uniform in volume, drawn where they can be found.

In flat space the number of sources of one kind (masses, spins, orientation) that stand above network SNR ``rho`` goes
as ``(sigma / rho)**3``, with ``sigma`` the kind's SNR at 1 Mpc. The kinds are therefore drawn with probability
``sigma**3`` and the SNR from ``rho**-4`` above :data:`FAINTEST_SNR`: each binary then stands for the same volume. What
is drawn is not quite ``sigma**3``, since the proposal knows only the aligned dominant mode (precession and unequal
detectors change it), and the weight ``(true / proposed sigma)**3`` makes up for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import lal
import lalsimulation
import numpy as np

from stream.errors import ConfigurationError
from stream.simulate.psds import Psd
from stream.simulate.waveforms import BinaryParameters
from stream.timebase import NS_PER_S
from stream.types import FloatArray

FAINTEST_SNR = 4.5
"""Below this network SNR nothing is found at any false-alarm rate of interest."""

_LOW_HZ, _HIGH_HZ, _STEP_HZ = 20.0, 1024.0, 0.5
_LARGEST_SPIN = 0.9
_SCOUTS = 200

_Masses: TypeAlias = tuple[float, float]
_Spins: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Population:
    """What binaries there are.

    Component masses are uniform in ``mass_range_msun``, detector frame; spins isotropic with a size uniform up to 0.9,
    of which only the part along the orbit's axis is kept unless ``precessing``; position and orientation isotropic.
    """

    mass_range_msun: tuple[float, float] = (7.0, 50.0)
    precessing: bool = False

    def __post_init__(self) -> None:
        """Refuse masses that the waveform or the search cannot have.

        Raises
        ------
        ConfigurationError
        """
        low, high = self.mass_range_msun
        if not 3.0 <= low < high <= 200.0:
            raise ConfigurationError(f"masses from {low:g} to {high:g} Msun: give two that rise, from 3 to 200")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A binary at 1 Mpc, and the SNR at 1 Mpc that it was proposed for (only ratios matter)."""

    parameters: BinaryParameters
    proposed_sigma: float


class Proposal:
    """Draw kinds of binaries with probability ``sigma**3``, by two rejections: orientation, then masses and spins.

    Parameters
    ----------
    population : Population
    detectors : sequence of str
    spectra : sequence of Psd
        One per detector.
    rng : numpy.random.Generator
    """

    def __init__(
        self, population: Population, detectors: Sequence[str], spectra: Sequence[Psd], rng: np.random.Generator
    ) -> None:
        self._population = population
        self._sites = [site(name) for name in detectors]
        frequency = np.arange(_LOW_HZ, _HIGH_HZ, _STEP_HZ)
        self._weight: FloatArray = np.mean([1.0 / s.at(frequency) for s in spectra], axis=0)
        self._rng = rng
        # What the loudest kind is, is known well enough from a few: a louder one keeps its excess as weight.
        self._loudest = 1.05 * max(self._sigma(*self._masses_and_spins()) for _ in range(_SCOUTS))

    def draw(self, geocent_ns: int) -> Drawn:
        """Return one binary whose merger passes the Earth's centre at a time."""
        angles, pattern = self._orientation(geocent_ns)
        masses, spins, sigma = self._kind()
        parameters = BinaryParameters(
            mass1_msun=masses[0],
            mass2_msun=masses[1],
            spin1=spins[0],
            spin2=spins[1],
            luminosity_distance_mpc=1.0,
            inclination_rad=float(np.arccos(angles[0])),
            phase_rad=angles[1],
            ra_rad=angles[2],
            dec_rad=angles[3],
            polarization_rad=angles[4],
            geocent_ns=geocent_ns,
        )
        return Drawn(parameters, sigma * pattern)

    def mean_cube(self, geocent_ns: int, draws: int) -> float:
        """Return the mean of the cube of what is proposed for, over the population itself: where binaries are, not
        where they can be found.
        """
        sidereal = lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(*divmod(geocent_ns, NS_PER_S)))
        kinds = [min(self._sigma(*self._masses_and_spins()), self._loudest) ** 3 for _ in range(draws)]
        patterns = [anywhere(self._rng, self._sites, sidereal)[1] ** 3 for _ in range(10 * draws)]
        return float(np.mean(kinds) * np.mean(patterns))

    def _orientation(self, geocent_ns: int) -> tuple[tuple[float, ...], float]:
        """Return cosine of inclination, phase, right ascension, declination and polarisation; and the amplitude."""
        sidereal = lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(*divmod(geocent_ns, NS_PER_S)))
        while True:
            (cosine, ra, dec, psi), pattern = anywhere(self._rng, self._sites, sidereal)
            if self._rng.random() < pattern**3:
                phase = self._rng.uniform(0, 2 * np.pi)
                return (cosine, float(phase), ra, dec, psi), pattern

    def _kind(self) -> tuple[_Masses, _Spins, float]:
        """Return masses, spins, and the sigma that they were accepted for."""
        while True:
            masses, spins = self._masses_and_spins()
            sigma = self._sigma(masses, spins)
            if self._rng.random() < (sigma / self._loudest) ** 3:
                return masses, spins, min(sigma, self._loudest)

    def _masses_and_spins(self) -> tuple[_Masses, _Spins]:
        light, heavy = np.sort(self._rng.uniform(*self._population.mass_range_msun, 2))
        spins = []
        for _ in range(2):
            direction = self._rng.standard_normal(3)
            spin = self._rng.uniform(0, _LARGEST_SPIN) * direction / np.linalg.norm(direction)
            if not self._population.precessing:
                spin[:2] = 0.0
            spins.append((float(spin[0]), float(spin[1]), float(spin[2])))
        return (float(heavy), float(light)), (spins[0], spins[1])

    def _sigma(self, masses: _Masses, spins: _Spins) -> float:
        """Return the SNR at 1 Mpc, face on, of the dominant mode without precession."""
        plus, _ = lalsimulation.SimInspiralChooseFDWaveform(
            masses[0] * lal.MSUN_SI, masses[1] * lal.MSUN_SI, 0.0, 0.0, spins[0][2], 0.0, 0.0, spins[1][2],
            1e6 * lal.PC_SI, 0.0, 0.0, 0.0, 0.0, 0.0, _STEP_HZ, _LOW_HZ, _HIGH_HZ, _LOW_HZ, None,
            lalsimulation.IMRPhenomXAS,
        )  # fmt: skip
        power = np.abs(plus.data.data[round(_LOW_HZ / _STEP_HZ) :][: len(self._weight)]) ** 2
        return float(np.sqrt(4 * _STEP_HZ * np.sum(power * self._weight)))


def anywhere(
    rng: np.random.Generator, sites: Sequence[Any], sidereal_rad: float
) -> tuple[tuple[float, float, float, float], float]:
    """Return cosine of inclination, right ascension, declination and polarisation of any binary; the amplitude.

    The amplitude is 1 of a binary face-on above each site.
    """
    cosine, ra, psi = rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi), rng.uniform(0, np.pi)
    dec = np.arcsin(rng.uniform(-1, 1))
    power = 0.0
    for one in sites:
        plus, cross = lal.ComputeDetAMResponse(one.response, ra, dec, psi, sidereal_rad)
        power += (plus * (1 + cosine**2) / 2) ** 2 + (cross * cosine) ** 2
    return (float(cosine), float(ra), float(dec), float(psi)), float(np.sqrt(power / len(sites)))


def stratified_snrs(rng: np.random.Generator, count: int) -> FloatArray:
    """Return network SNRs from ``rho**-4`` above :data:`FAINTEST_SNR`, one from each of ``count`` equal shares.

    Shares of equal volume, shuffled: what chance does to the SNRs themselves is no part of the error.
    """
    share = (rng.permutation(count) + 1.0 - rng.random(count)) / count
    snrs: FloatArray = FAINTEST_SNR * share ** (-1 / 3)
    return snrs


def effective_spin(parameters: BinaryParameters) -> float:
    """Return chi_eff, the spins' parts along the orbit's axis weighted by mass."""
    p = parameters
    return (p.mass1_msun * p.spin1[2] + p.mass2_msun * p.spin2[2]) / (p.mass1_msun + p.mass2_msun)


def site(name: str) -> Any:
    """Return lal's detector of a name such as H1."""
    return next(d for d in lal.CachedDetectors if d.frDetector.prefix == name)
