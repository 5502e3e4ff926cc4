"""Binaries of each class as they are heard: what ``tocsin evaluate classes`` puts into the noise.

Masses in the source's frame, and mergers a year, are of :mod:`stream.classify.population`: neutron stars uniform in
1 to 3 Msun, black holes as m^-2.35 in 3 to 100 Msun, a black hole's lighter companion uniform from 3 Msun up to it.
Spins lie along the orbit: the part along it of an isotropic spin of uniform size, up to 0.9 of a black hole and 0.05 of
a neutron star. Sources are uniform in comoving volume and their own time (Planck 2018), their orientation isotropic.
Those are kept whose own template has enough SNR in all detectors together, in the 12 s before the merger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import lal
import numpy as np
from astropy.cosmology import Planck18

from pipelines.evaluate.population import anywhere, site
from pipelines.train.bank import sigma_mpc
from stream.classify.population import BOUNDARY_MSUN, GWTC4, HEAVIEST_MSUN, LIGHTEST_MSUN, SLOPE
from stream.infer.filterbank.waveforms import chirp_mass_msun
from stream.simulate.waveforms import BinaryParameters
from stream.timebase import NS_PER_S
from stream.types import FloatArray

CLASSES = ("BNS", "NSBH", "BBH")

_RATES = {"BNS": GWTC4.bns, "NSBH": GWTC4.nsbh, "BBH": GWTC4.bbh}
_FARTHEST = {"BNS": 0.25, "NSBH": 0.7, "BBH": 3.0}
"""Redshifts beyond which none of the class is heard."""
_BATCH = 4000
_STAR_SPIN, _HOLE_SPIN = 0.05, 0.9
_REFERENCE = np.array([[1.4, 1.4, 0.0, 0.0]])
_BOUND = 1.4
"""No template's SNR is larger than so many times that of 1.4 and 1.4 Msun, scaled as chirp mass to the power 5/6."""


def class_of(mass1_msun: float, mass2_msun: float) -> str:
    """Return the class of a binary by its masses in the source's frame, larger first."""
    if mass1_msun < BOUNDARY_MSUN:
        return "BNS"
    return "NSBH" if mass2_msun < BOUNDARY_MSUN else "BBH"


@dataclass(slots=True)
class Heard:
    """Draws binaries of one class that are heard, and counts how many it took.

    Attributes
    ----------
    name : str
    faintest_snr : float
    detectors : tuple of str
    rng : numpy.random.Generator
    tried, kept : int
    """

    name: str
    faintest_snr: float
    detectors: tuple[str, ...]
    rng: np.random.Generator
    tried: int = 0
    kept: int = 0
    _sites: list[Any] = field(init=False)
    _volume: tuple[FloatArray, FloatArray] = field(init=False)
    _waiting: Iterator[FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare volumes, and the stream of what might be heard."""
        self._sites = [site(name) for name in self.detectors]
        self._volume = volume_gpc3(_FARTHEST[self.name])
        self._waiting = self._near_enough()

    def draw(self, geocent_ns: int) -> BinaryParameters:
        """Return one whose merger passes the Earth's centre at a time; masses are those that the detector sees."""
        sidereal = lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(*divmod(geocent_ns, NS_PER_S)))
        for row in self._waiting:
            (cosine, ra, dec, psi), pattern = anywhere(self.rng, self._sites, sidereal)
            seen = pattern * np.sqrt(len(self._sites)) / row[4]
            if all(seen * sigma(row[None, :4])[0] >= self.faintest_snr for sigma in (_bound, sigma_mpc)):
                break
        self.kept += 1
        m1, m2, chi1, chi2, distance_mpc = row.tolist()
        return BinaryParameters(
            mass1_msun=m1,
            mass2_msun=m2,
            spin1=(0.0, 0.0, chi1),
            spin2=(0.0, 0.0, chi2),
            luminosity_distance_mpc=distance_mpc,
            inclination_rad=float(np.arccos(cosine)),
            phase_rad=float(self.rng.uniform(0, 2 * np.pi)),
            ra_rad=ra,
            dec_rad=dec,
            polarization_rad=psi,
            geocent_ns=geocent_ns,
        )

    def _near_enough(self) -> Iterator[FloatArray]:
        """Yield masses and spins as seen, and distance, of those that could be heard if they were face-on above."""
        redshifts, volume = self._volume
        while True:
            masses = source_masses(self.name, self.rng, _BATCH)
            z = np.interp(self.rng.uniform(0.0, volume[-1], _BATCH), volume, redshifts)
            distance = Planck18.luminosity_distance(z).value
            rows = np.column_stack((masses * (1.0 + z)[:, None], self._spins(masses), distance))
            before = self.tried
            loud = np.sqrt(len(self._sites)) * _bound(rows) >= self.faintest_snr * distance
            for k in np.flatnonzero(loud).tolist():
                self.tried = before + k + 1
                yield rows[k]
            self.tried = before + _BATCH

    def _spins(self, masses: FloatArray) -> FloatArray:
        most = np.where(masses < BOUNDARY_MSUN, _STAR_SPIN, _HOLE_SPIN)
        spins: FloatArray = most * self.rng.uniform(0.0, 1.0, masses.shape) * self.rng.uniform(-1.0, 1.0, masses.shape)
        return spins


def heard_per_year(name: str, tried: int, kept: int) -> float:
    """Return how many of a class are heard a year, of how many were tried."""
    return float(_RATES[name] * volume_gpc3(_FARTHEST[name])[1][-1] * kept / tried)


def volume_gpc3(farthest: float) -> tuple[FloatArray, FloatArray]:
    """Return redshifts, and the comoving volume within each over 1 + z for the source's slower clock."""
    z = np.linspace(0.0, farthest, 600)
    shell = 4 * np.pi * Planck18.differential_comoving_volume(z).value * 1e-9 / (1.0 + z)
    return z, np.concatenate(([0.0], np.cumsum(np.diff(z) * (shell[1:] + shell[:-1]) / 2.0)))


def source_masses(name: str, rng: np.random.Generator, count: int) -> FloatArray:
    """Return masses in the source's frame, larger first, shape (count, 2)."""
    stars = rng.uniform(LIGHTEST_MSUN, BOUNDARY_MSUN, (count, 2))
    if name == "BNS":
        return np.sort(stars, axis=1)[:, ::-1]
    if name == "NSBH":
        return np.column_stack((_holes(rng, count), stars[:, 0]))
    primary = np.empty(0)
    while len(primary) < count:
        # Of companions uniform up to the primary's mass this share are black holes.
        more = _holes(rng, count)
        primary = np.concatenate((primary, more[rng.random(count) < 1.0 - BOUNDARY_MSUN / more]))
    return np.column_stack((primary[:count], rng.uniform(BOUNDARY_MSUN, primary[:count])))


def _holes(rng: np.random.Generator, count: int) -> FloatArray:
    """Return masses of m^-2.35."""
    low, high = BOUNDARY_MSUN ** (1.0 - SLOPE), HEAVIEST_MSUN ** (1.0 - SLOPE)
    masses: FloatArray = rng.uniform(high, low, count) ** (1.0 / (1.0 - SLOPE))
    return masses


def _bound(rows: FloatArray) -> FloatArray:
    """Return more than the SNR at 1 Mpc, face-on above one detector."""
    scaled: FloatArray = (chirp_mass_msun(rows) / chirp_mass_msun(_REFERENCE)) ** (5 / 6)
    return _BOUND * _reference_sigma_mpc() * scaled


@cache
def _reference_sigma_mpc() -> float:
    return float(sigma_mpc(_REFERENCE)[0])
