"""Injections that sky maps are measured on: the SNR series that a binary gives, made without strain.

A detector's series is the template's autocorrelation times the complex SNR that position and orientation give (LAL's
antenna patterns and delays), plus Gaussian noise coloured by the same autocorrelation: what a matched filter makes of
Gaussian noise of the spectrum assumed (as bayestar-realize-coincs; Singer & Price, PRD 93, 024013 (2016), section IV).
Binaries are isotropic and uniform in volume; those are kept whose *measured* SNR is above a threshold, so that what is
kept follows from the data alone and posteriors stay calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import lal
import lalsimulation
import numpy as np

from stream.records.followup import SnrSeries
from stream.simulate.psds import psd
from stream.timebase import NS_PER_S
from stream.types import ComplexArray, FloatArray

Kind: TypeAlias = Literal["bbh", "nsbh", "bns"]

SPECTRA = {"H1": "aLIGO_O4", "L1": "aLIGO_O4", "V1": "AdV_O3", "K1": "KAGRA_O4", "I1": "aLIGO_O4"}
RATE_HZ = 2048
HALF_SAMPLES = 160
"""Of a series on either side of the loudest peak: 78 ms, the way of light through the Earth and as much again."""

_STEP_HZ, _LOW_HZ = 0.25, 20.0
_SAMPLES = int(RATE_HZ / _STEP_HZ)
_MASSES_MSUN = {"bbh": ((8.0, 60.0), (8.0, 60.0)), "nsbh": ((3.0, 20.0), (1.1, 2.2)), "bns": ((1.1, 2.2), (1.1, 2.2))}
_LEAST_SNR = 8.0
_FAINTEST_OPTIMAL = 5.0
_EPOCH_NS, _YEAR_S = 1_420_000_000 * NS_PER_S, 31_557_600


@dataclass(frozen=True, slots=True)
class Binary:
    """What is injected; masses as the detector sees them, and the arrival at the Earth's centre."""

    kind: Kind
    masses_msun: tuple[float, float]
    ra_rad: float
    dec_rad: float
    distance_mpc: float
    cos_inclination: float
    polarization_rad: float
    phase_rad: float
    gps_ns: int


@dataclass(frozen=True, slots=True)
class SkyInjection:
    """A binary, its SNR series in each detector, and the network SNR measured in them."""

    binary: Binary
    series: tuple[SnrSeries, ...]
    snr: float


@dataclass(frozen=True, slots=True)
class _Template:
    """Of one detector: SNR at 1 Mpc, and how the power of the matched filter spreads over frequencies (sum 1)."""

    sigma_mpc: float
    power: FloatArray

    def ring(self, delay_s: float = 0.0) -> ComplexArray:
        """Return the autocorrelation, delayed, over all samples (circular), shape (_SAMPLES,)."""
        return self._series(self.power * np.exp(-2j * np.pi * delay_s * np.arange(len(self.power)) * _STEP_HZ))

    def noise(self, rng: np.random.Generator) -> ComplexArray:
        """Return noise of unit variance in each quadrature, shape (_SAMPLES,)."""
        draw = rng.normal(size=len(self.power)) + 1j * rng.normal(size=len(self.power))
        return self._series(np.sqrt(self.power) * draw)

    def _series(self, spectrum: ComplexArray) -> ComplexArray:
        return np.fft.ifft(spectrum, _SAMPLES) * _SAMPLES


@cache
def _noise_spectrum(detector: str) -> FloatArray:
    return psd(SPECTRA[detector]).at(np.arange(_SAMPLES // 2) * _STEP_HZ)


def _amplitude(masses_msun: tuple[float, float]) -> FloatArray:
    """Return |h+(f)| of a face-on binary at 1 Mpc (IMRPhenomD), shape (_SAMPLES // 2,)."""
    hp, _ = lalsimulation.SimInspiralChooseFDWaveform(
        *(m * lal.MSUN_SI for m in masses_msun), *(0.0,) * 6, 1e6 * lal.PC_SI, *(0.0,) * 5, _STEP_HZ, _LOW_HZ,
        RATE_HZ / 2, _LOW_HZ, None, lalsimulation.IMRPhenomD,
    )  # fmt: skip
    out: FloatArray = np.abs(hp.data.data[: _SAMPLES // 2])
    return out


def _template(amplitude: FloatArray, detector: str) -> _Template:
    power = np.square(amplitude) / _noise_spectrum(detector)
    total = float(power.sum())
    return _Template(float(np.sqrt(4.0 * total * _STEP_HZ)), power / total)


def response(binary: Binary, detector: str) -> tuple[complex, float]:
    """Return what a detector's SNR is multiplied by (1 if overhead and face-on), and the delay from the centre in s."""
    site = lal.cached_detector_by_prefix[detector]
    time = lal.LIGOTimeGPS(binary.gps_ns // NS_PER_S, binary.gps_ns % NS_PER_S)
    gmst = lal.GreenwichMeanSiderealTime(time)
    plus, cross = lal.ComputeDetAMResponse(site.response, binary.ra_rad, binary.dec_rad, binary.polarization_rad, gmst)
    u = binary.cos_inclination
    amplitude = (0.5 * (1.0 + u * u) * plus + 1j * u * cross) * np.exp(1j * binary.phase_rad)
    return amplitude, lal.TimeDelayFromEarthCenter(site.location, binary.ra_rad, binary.dec_rad, time)


def _draw(rng: np.random.Generator, kind: Kind, masses: tuple[float, float], farthest_mpc: float) -> Binary:
    return Binary(
        kind,
        masses,
        float(rng.uniform(0, 2 * np.pi)),
        float(np.arcsin(rng.uniform(-1, 1))),
        float(farthest_mpc * np.cbrt(rng.uniform())),
        float(rng.uniform(-1, 1)),
        float(rng.uniform(0, np.pi)),
        float(rng.uniform(0, 2 * np.pi)),
        _EPOCH_NS + int(rng.integers(_YEAR_S * NS_PER_S)),
    )


def make_series(
    binary: Binary, detectors: tuple[str, ...], rng: np.random.Generator | None, samples: int = HALF_SAMPLES
) -> SkyInjection:
    """Return the series of a binary.

    Parameters
    ----------
    binary : Binary
    detectors : tuple of str
    rng : Generator or None
        Of the noise; None for none.
    samples : int
        On either side of the middle, which is the loudest peak of all.
    """
    amplitude = _amplitude(binary.masses_msun)
    templates = {d: _template(amplitude, d) for d in detectors}
    middle = _SAMPLES // 2
    start_ns = binary.gps_ns - middle * NS_PER_S // RATE_HZ
    rings: dict[str, ComplexArray] = {}
    for detector, template in templates.items():
        factor, delay_s = response(binary, detector)
        signal = template.ring(middle / RATE_HZ + delay_s) * factor * template.sigma_mpc / binary.distance_mpc
        rings[detector] = signal if rng is None else signal + template.noise(rng)
    near = slice(middle - 64, middle + 65)
    peaks = {d: float(np.abs(ring[near]).max()) for d, ring in rings.items()}
    loudest = max(peaks, key=lambda d: peaks[d])
    at = middle - 64 + int(np.abs(rings[loudest][near]).argmax())
    first_ns = start_ns + at * NS_PER_S // RATE_HZ - samples * NS_PER_S // RATE_HZ
    series = tuple(
        SnrSeries(
            d,
            first_ns,
            RATE_HZ,
            ring[at - samples : at + samples + 1].astype(np.complex64),
            np.roll(templates[d].ring(), samples)[: 2 * samples + 1].astype(np.complex64),
            templates[d].sigma_mpc,
        )
        for d, ring in rings.items()
    )
    return SkyInjection(binary, series, float(np.sqrt(sum(p * p for p in peaks.values()))))


def optimal_snr(binary: Binary, sigma_mpc: dict[str, float]) -> float:
    """Return the network SNR without noise."""
    squares = [abs(response(binary, d)[0] * s / binary.distance_mpc) ** 2 for d, s in sigma_mpc.items()]
    return float(np.sqrt(sum(squares)))


def inject(kind: Kind, detectors: tuple[str, ...], seed: tuple[int, ...]) -> SkyInjection:
    """Draw a binary that is loud enough: measured network SNR of 8, and 4 in the second loudest detector.

    Masses are uniform, as the detector sees them.
    """
    rng = np.random.default_rng(seed)
    (low1, high1), (low2, high2) = _MASSES_MSUN[kind]
    masses = (float(rng.uniform(low1, high1)), float(rng.uniform(low2, high2)))
    masses = (max(masses), min(masses))
    amplitude = _amplitude(masses)
    sigma_mpc = {d: _template(amplitude, d).sigma_mpc for d in detectors}
    farthest_mpc = float(np.sqrt(sum(s * s for s in sigma_mpc.values()))) / _FAINTEST_OPTIMAL
    while True:
        binary = _draw(rng, kind, masses, farthest_mpc)
        if optimal_snr(binary, sigma_mpc) < _FAINTEST_OPTIMAL:
            continue
        made = make_series(binary, detectors, rng)
        seconds = sorted(float(np.abs(s.snr).max()) for s in made.series)
        if made.snr >= _LEAST_SNR and seconds[-2] >= _LEAST_SNR / 2:
            return made
