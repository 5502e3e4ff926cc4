"""Binary-black-hole waveforms, and what each detector sees of them.

IMRPhenomXP (precessing, dominant modes; Pratten et al., Phys. Rev. D 103, 104056 (2021)), or IMRPhenomXPHM with higher
modes, through lalsimulation's conditioned time-domain interface; antenna patterns, light-travel times and sidereal time
through lal.
"""

from __future__ import annotations

from dataclasses import dataclass

import lal
import lalsimulation
import numpy as np

from stream.timebase import NS_PER_S
from stream.types import FloatArray

_DETECTORS = {d.frDetector.prefix: d for d in lal.CachedDetectors}


@dataclass(frozen=True, slots=True)
class BinaryParameters:
    """A binary, in the detector frame.

    ``spin1`` and ``spin2`` are dimensionless Cartesian vectors in the frame of lalsimulation; ``geocent_ns`` is the GPS
    time at which the merger passes the Earth's centre.
    """

    mass1_msun: float
    mass2_msun: float
    spin1: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spin2: tuple[float, float, float] = (0.0, 0.0, 0.0)
    luminosity_distance_mpc: float = 400.0
    inclination_rad: float = 0.0
    phase_rad: float = 0.0
    ra_rad: float = 0.0
    dec_rad: float = 0.0
    polarization_rad: float = 0.0
    geocent_ns: int = 1_126_259_462_000_000_000

    @property
    def chirp_mass_msun(self) -> float:
        """Chirp mass in solar masses, detector frame."""
        return float((self.mass1_msun * self.mass2_msun) ** 0.6 / (self.mass1_msun + self.mass2_msun) ** 0.2)

    @classmethod
    def equal_mass(cls, mass_msun: float) -> BinaryParameters:
        """Return a face-on binary of two equal masses without spin."""
        return cls(mass_msun, mass_msun)


@dataclass(frozen=True, slots=True)
class Polarizations:
    """Plus and cross, shape (n,), and the sample nearest to the merger (the epoch's zero)."""

    hp: FloatArray
    hc: FloatArray
    merger_index: int
    sample_rate_hz: int
    merger_offset_s: float


@dataclass(frozen=True, slots=True)
class DetectorSignal:
    """Strain of one detector: first sample counted on the detector's clock, and when the merger arrives."""

    start_sample: int
    samples: FloatArray
    arrival_ns: int


def polarizations(
    parameters: BinaryParameters, sample_rate_hz: int, low_frequency_hz: float = 20.0, *, higher_modes: bool = False
) -> Polarizations:
    """Return the polarisations, tapered at their start at ``low_frequency_hz``."""
    p = parameters
    approximant = lalsimulation.IMRPhenomXPHM if higher_modes else lalsimulation.IMRPhenomXP
    hp, hc = lalsimulation.SimInspiralTD(
        p.mass1_msun * lal.MSUN_SI, p.mass2_msun * lal.MSUN_SI, *p.spin1, *p.spin2,
        p.luminosity_distance_mpc * 1e6 * lal.PC_SI, p.inclination_rad, p.phase_rad, 0.0, 0.0, 0.0,
        1.0 / sample_rate_hz, low_frequency_hz, 20.0, None, approximant,
    )  # fmt: skip
    before_s = -float(hp.epoch)
    index = round(before_s * sample_rate_hz)
    return Polarizations(
        np.array(hp.data.data), np.array(hc.data.data), index, sample_rate_hz, before_s - index / sample_rate_hz
    )


def project(
    parameters: BinaryParameters,
    detectors: tuple[str, ...],
    sample_rate_hz: int,
    low_frequency_hz: float = 20.0,
    *,
    higher_modes: bool = False,
) -> dict[str, DetectorSignal]:
    """Return the strain in each detector, delayed to a fraction of a sample."""
    waves = polarizations(parameters, sample_rate_hz, low_frequency_hz, higher_modes=higher_modes)
    gps = lal.LIGOTimeGPS(*divmod(parameters.geocent_ns, NS_PER_S))
    sidereal_rad = lal.GreenwichMeanSiderealTime(gps)
    pad = sample_rate_hz // 16
    n_fft = len(waves.hp) + 2 * pad
    spectra = [np.fft.rfft(np.pad(h, pad), n_fft) for h in (waves.hp, waves.hc)]
    frequency = np.fft.rfftfreq(n_fft, 1.0 / sample_rate_hz)
    signals: dict[str, DetectorSignal] = {}
    for name in detectors:
        site = _DETECTORS[name]
        plus, cross = lal.ComputeDetAMResponse(
            site.response, parameters.ra_rad, parameters.dec_rad, parameters.polarization_rad, sidereal_rad
        )
        delay_s = lal.TimeDelayFromEarthCenter(site.location, parameters.ra_rad, parameters.dec_rad, gps)
        arrival_ns = parameters.geocent_ns + round(delay_s * 1e9)
        whole, fraction_ns = divmod(arrival_ns * sample_rate_hz, NS_PER_S)
        shift_s = fraction_ns / NS_PER_S / sample_rate_hz - waves.merger_offset_s
        turned = (plus * spectra[0] + cross * spectra[1]) * np.exp(-2j * np.pi * frequency * shift_s)
        start = whole - waves.merger_index - pad
        signals[name] = DetectorSignal(start, np.fft.irfft(turned, n_fft), arrival_ns)
    return signals


def draw_binary(
    rng: np.random.Generator, geocent_ns: int, mass_range_msun: tuple[float, float] = (5.0, 100.0)
) -> BinaryParameters:
    """Draw a binary: masses log-uniform, spins isotropic up to 0.9, position and orientation isotropic."""
    low, high = np.log(mass_range_msun)
    m1, m2 = sorted(np.exp(rng.uniform(low, high, 2)), reverse=True)
    spins = []
    for _ in range(2):
        direction = rng.standard_normal(3)
        spins.append(rng.uniform(0, 0.9) * direction / np.linalg.norm(direction))
    return BinaryParameters(
        mass1_msun=float(m1),
        mass2_msun=float(m2),
        spin1=(float(spins[0][0]), float(spins[0][1]), float(spins[0][2])),
        spin2=(float(spins[1][0]), float(spins[1][1]), float(spins[1][2])),
        inclination_rad=float(np.arccos(rng.uniform(-1, 1))),
        phase_rad=float(rng.uniform(0, 2 * np.pi)),
        ra_rad=float(rng.uniform(0, 2 * np.pi)),
        dec_rad=float(np.arcsin(rng.uniform(-1, 1))),
        polarization_rad=float(rng.uniform(0, np.pi)),
        geocent_ns=geocent_ns,
    )
