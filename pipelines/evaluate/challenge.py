"""The data of the first machine-learning gravitational-wave search challenge, made anew by its rules, and its measure.

Schäfer et al., Phys. Rev. D 107, 023021 (2023), arXiv:2209.11146 (MLGWSC-1). H1 and L1, coloured Gaussian noise:

* 1: the design spectrum ``aLIGOZeroDetHighPower``, masses uniform from 10 to 50 solar masses, no spin, dominant mode;
* 2: one of 20 spectra of O3a in each detector, masses from 7 on, aligned spins uniform up to 0.99;
* 3: other spectra of O3a in each stretch, isotropic spins, precession and higher modes.

Masses are the detector frame's. Mergers are 24 to 30 s apart, uniform in the volume of the *chirp distance* from 130 to
350 Mpc, which is the distance times ``(1.22 Msun / chirp mass)**(5/6)``. A search's sensitive volume at a false-alarm
rate is ``V_max / N sum (Mc / Mc_max)**(5/2)`` over what it found, its sensitive distance the radius of that volume;
``V_max`` and ``Mc_max`` are the largest of a month's injections. A month is 30 days.

What differs: the stretches follow from a seed of ours, nothing is injected before the rolling spectrum has settled, and
false-alarm rates come from slides of the same data less what is near injections, since a few hours hold no month.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import lalsimulation
import numpy as np

from pipelines.evaluate.scene import END_S, RATE_HZ, SETTLED_S, START_S, Injection, Scene, SceneConfig
from pipelines.evaluate.searched import Searched
from stream.errors import ConfigurationError
from stream.simulate.glitches import optimal_snr
from stream.simulate.psds import Psd
from stream.simulate.waveforms import BinaryParameters, project
from stream.timebase import NS_PER_S
from stream.types import BoolArray, FloatArray

DATASETS = (1, 2, 3)
MONTH_S = 30 * 86_400
FARS_HZ = {"10/month": 10 / MONTH_S, "1/month": 1 / MONTH_S}
PUBLISHED_MPC: dict[int, dict[str, int]] = {1: {"PyCBC": 2492, "TPI FSU Jena": 2363, "Virgo-AUTh": 2116}}
"""Sensitive distances at one false alarm a month, of arXiv:2209.11146 as far as they are known here."""

_DETECTORS = ("H1", "L1")
_CHIRP_DISTANCE_MPC = (130.0, 350.0)
_REFERENCE_MSUN = 1.4 * 2.0**-0.2
_APART_S = (24.0, 30.0)
_LARGEST_SPIN = 0.99
_SPECTRA = 20


@dataclass(frozen=True, slots=True)
class Drawn:
    """Binaries of a dataset, as arrays: masses and distance, shape (n,), spins, shape (n, 2, 3)."""

    mass1_msun: FloatArray
    mass2_msun: FloatArray
    spins: FloatArray
    distance_mpc: FloatArray

    @property
    def chirp_mass_msun(self) -> FloatArray:
        """Chirp masses, shape (n,)."""
        m1, m2 = self.mass1_msun, self.mass2_msun
        mass: FloatArray = (m1 * m2) ** 0.6 / (m1 + m2) ** 0.2
        return mass


def draw(rng: np.random.Generator, dataset: int, count: int) -> Drawn:
    """Draw binaries of a dataset."""
    masses = np.sort(rng.uniform(10.0 if dataset == 1 else 7.0, 50.0, (count, 2)), axis=1)
    spins: FloatArray = np.zeros((count, 2, 3))
    if dataset == 2:
        spins[:, :, 2] = rng.uniform(-_LARGEST_SPIN, _LARGEST_SPIN, (count, 2))
    elif dataset == 3:
        direction = rng.standard_normal((count, 2, 3))
        size = rng.uniform(0.0, _LARGEST_SPIN, (count, 2, 1))
        spins = size * direction / np.linalg.norm(direction, axis=2, keepdims=True)
    low, high = (d**3 for d in _CHIRP_DISTANCE_MPC)
    chirp_distance = rng.uniform(low, high, count) ** (1 / 3)
    drawn = Drawn(masses[:, 1], masses[:, 0], spins, chirp_distance)
    distance = chirp_distance * (drawn.chirp_mass_msun / _REFERENCE_MSUN) ** (5 / 6)
    return Drawn(drawn.mass1_msun, drawn.mass2_msun, spins, distance)


class ChallengeScene(Scene):
    """One stretch of a dataset.

    Parameters
    ----------
    dataset : int
    seed, index : int
    stretch_s : int
    spectra : Path or None
        Folder of the challenge's spectra, ``H1/psd-0.hdf`` and so on; dataset 1 needs none.
    """

    def __init__(self, dataset: int, seed: int, index: int, stretch_s: int, spectra: Path | None) -> None:
        self.config = SceneConfig(seed, stretch_s, spacing_s=sum(_APART_S) / 2, detectors=_DETECTORS)
        self.index = index
        self.spectra = spectra_of(dataset, np.random.default_rng([seed, dataset, index * (dataset == 3)]), spectra)
        rng = np.random.default_rng([seed, dataset, index, 1])
        self._noise_seed = int(rng.integers(1 << 31))
        self._glitches = {name: [] for name in _DETECTORS}
        self.injections = self._inject(rng, dataset)
        self._signals = {name: [i.signals[name] for i in self.injections] for name in _DETECTORS}

    def _inject(self, rng: np.random.Generator, dataset: int) -> list[Injection]:
        apart = rng.uniform(*_APART_S, self.config.stretch_s // round(_APART_S[0]))
        at_s = SETTLED_S + np.cumsum(apart)
        at_s = at_s[at_s < self.config.stretch_s - END_S - 1]
        drawn = draw(rng, dataset, len(at_s))
        return [self._injection(rng, dataset, drawn, k, float(t)) for k, t in enumerate(at_s)]

    def _injection(self, rng: np.random.Generator, dataset: int, drawn: Drawn, k: int, at_s: float) -> Injection:
        first, second = (tuple(float(x) for x in spin) for spin in drawn.spins[k])
        binary = BinaryParameters(
            mass1_msun=float(drawn.mass1_msun[k]),
            mass2_msun=float(drawn.mass2_msun[k]),
            spin1=(first[0], first[1], first[2]),
            spin2=(second[0], second[1], second[2]),
            luminosity_distance_mpc=float(drawn.distance_mpc[k]),
            inclination_rad=float(np.arccos(rng.uniform(-1, 1))),
            phase_rad=float(rng.uniform(0, 2 * np.pi)),
            ra_rad=float(rng.uniform(0, 2 * np.pi)),
            dec_rad=float(np.arcsin(rng.uniform(-1, 1))),
            polarization_rad=float(rng.uniform(0, 2 * np.pi)),
            geocent_ns=START_S * NS_PER_S + round(at_s * NS_PER_S),
        )
        signals = project(binary, _DETECTORS, RATE_HZ, higher_modes=dataset == 3)
        arrivals_ns = [s.arrival_ns - START_S * NS_PER_S for s in signals.values()]
        snrs = {name: optimal_snr(s.samples, self.spectra[name], RATE_HZ) for name, s in signals.items()}
        return Injection(
            sum(arrivals_ns) / len(arrivals_ns) / NS_PER_S, binary, snrs, binary.chirp_mass_msun**2.5, signals
        )


def spectra_of(dataset: int, rng: np.random.Generator, folder: Path | None) -> dict[str, Psd]:
    """Return each detector's spectrum.

    Raises
    ------
    ConfigurationError
        If the challenge's spectra are needed and not there.
    """
    if dataset == 1:
        frequency: FloatArray = np.arange(10.0, 2048.25, 0.25)
        values = np.array([lalsimulation.SimNoisePSDaLIGOZeroDetHighPower(float(f)) for f in frequency])
        return dict.fromkeys(_DETECTORS, Psd(frequency, values))
    return {name: _measured(folder, name, int(rng.integers(_SPECTRA))) for name in _DETECTORS}


def _measured(folder: Path | None, detector: str, number: int) -> Psd:
    path = (folder or Path()) / detector / f"psd-{number}.hdf"
    if folder is None or not path.is_file():
        raise ConfigurationError(
            f"{path} is not there: give --spectra the folder of the challenge's spectra (its repository's psds)"
        )
    with h5py.File(path) as file:
        values = np.asarray(file["data"], dtype=np.float64)
        frequency: FloatArray = np.arange(len(values), dtype=np.float64) * float(file["data"].attrs["delta_f"])
    good = (frequency >= 10.0) & (values > 0)
    return Psd(frequency[good], values[good])


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a search sees at a false-alarm rate, and the standard deviation of it."""

    distance_mpc: float
    error_mpc: float
    found: int

    def as_dict(self) -> dict[str, float]:
        """Return what is printed."""
        return {
            "distance_mpc": round(self.distance_mpc),
            "error_mpc": round(self.error_mpc),
            "found": self.found,
        }


def reach(chirp_mass_msun: FloatArray, found: BoolArray, largest: tuple[float, float]) -> Reach:
    """Return the sensitive distance by the challenge's formula.

    Parameters
    ----------
    chirp_mass_msun : array of float64, shape (n,)
        Of all injections.
    found : array of bool, shape (n,)
    largest : tuple of float
        Distance in Mpc and chirp mass of a month's injections.
    """
    share = (chirp_mass_msun / largest[1]) ** 2.5 * found
    radius: float = largest[0] * float(share.mean()) ** (1 / 3)
    relative = float(share.std()) / np.sqrt(len(share)) / max(float(share.mean()), 1e-12)
    return Reach(radius, radius * relative / 3, int(found.sum()))


def largest_of_a_month(dataset: int, seed: int) -> tuple[float, float]:
    """Return the largest distance in Mpc and the largest chirp mass of a month's injections."""
    drawn = draw(np.random.default_rng([seed, dataset]), dataset, round(MONTH_S / (sum(_APART_S) / 2)))
    return float(drawn.distance_mpc.max()), float(drawn.chirp_mass_msun.max())


def figures(dataset: int, seed: int, chirp_mass_msun: FloatArray, searched: Searched) -> dict[str, object]:
    """Return what is printed of one search."""
    largest = largest_of_a_month(dataset, seed)
    rows: dict[str, object] = {}
    for far, far_hz in FARS_HZ.items():
        threshold = searched.background.threshold(far_hz)
        rows[far] = None if threshold is None else reach(chirp_mass_msun, searched.ranks > threshold, largest).as_dict()
    return {
        "sensitive_distance": rows,
        "injections": len(chirp_mass_msun),
        "background_s": round(searched.background.duration_s),
    }
