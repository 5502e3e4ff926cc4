"""Make the tables of the extrinsic term from a seed, and the same term by direct Monte Carlo, which they must equal.

``python -m pipelines.train.extrinsic [--out FILE]``. Sources are uniform in volume and isotropic in position and
orientation, dominant mode without precession; antenna patterns and sites are lal's. About a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path

import lal
import numpy as np
import structlog
from scipy.special import ndtr

from stream.detect.extrinsic import (
    BANDWIDTH_HZ,
    MEAN_FREQUENCY_HZ,
    SHIPPED,
    ExtrinsicTerm,
)
from stream.detect.pair_table import SLACK_NS, TABLE_SNR, PairTable
from stream.infer.model import record_hash
from stream.simulate.detector import DEFAULT_SPECTRA
from stream.simulate.psds import psd
from stream.types import ComplexArray, FloatArray

log = structlog.get_logger()

DETECTORS = ("H1", "L1", "V1", "K1")
_SITES = {d.frDetector.prefix: d for d in lal.CachedDetectors}
_ANGLES, _PHASES = 25, 36
_FINE_ANGLES, _FINE_PHASES = 60, 72
_DELAY_STEP_S = 0.6e-3
_LEAST_FIT = 0.3


@dataclass(frozen=True, slots=True)
class Sources:
    """Directions and orientations.

    Attributes
    ----------
    response : array of complex, shape (n, n_detectors)
        Amplitude and phase in each detector at one distance: 1 for a face-on binary overhead.
    delay_s : array of float64, shape (n, n_detectors)
        Arrival times relative to the Earth's centre.
    """

    response: ComplexArray
    delay_s: FloatArray


def draw_sources(rng: np.random.Generator, count: int, detectors: tuple[str, ...]) -> Sources:
    """Draw isotropic positions, inclinations and polarisations."""
    z, longitude = rng.uniform(-1, 1, count), rng.uniform(0, 2 * np.pi, count)
    psi, cos_inclination = rng.uniform(0, np.pi, count), rng.uniform(-1, 1, count)
    s = np.sqrt(1 - z**2)
    sky = np.stack([s * np.cos(longitude), s * np.sin(longitude), z], axis=1)
    east = np.stack([-np.sin(longitude), np.cos(longitude), np.zeros(count)], axis=1)
    north = np.cross(sky, east)
    c, d = np.cos(psi)[:, None], np.sin(psi)[:, None]
    x, y = c * east + d * north, -d * east + c * north
    response = np.empty((count, len(detectors)), dtype=np.complex128)
    delay_s = np.empty((count, len(detectors)))
    for k, name in enumerate(detectors):
        tensor = _SITES[name].response.astype(np.float64)
        xx, yy, xy = (np.einsum("ni,ij,nj->n", a, tensor, b) for a, b in ((x, x), (y, y), (x, y)))
        response[:, k] = 0.5 * (1 + cos_inclination**2) * (xx - yy) + 1j * cos_inclination * 2 * xy
        delay_s[:, k] = -(sky @ _SITES[name].location) / lal.C_SI
    return Sources(response, delay_s)


def nominal_sensitivity(detector: str) -> float:
    """Return a detector's horizon for a binary's inspiral, to 400 Hz, with its usual spectrum, against aLIGO_O4."""
    frequency = np.arange(20.0, 400.0, 0.25)
    own, unit = (
        np.sum(frequency ** (-7 / 3) / psd(name).at(frequency)) for name in (DEFAULT_SPECTRA[detector], "aLIGO_O4")
    )
    return float(np.sqrt(own / unit))


def direct(sources: Sources, snr: ComplexArray, time_s: FloatArray) -> float:
    """Return T of one coincidence, the noise peaks' density left out, by the sum over all sources.

    Parameters
    ----------
    sources : Sources
        Of the detectors that take part, with their sensitivities.
    snr : array of complex, shape (n_detectors,)
    time_s : array of float64, shape (n_detectors,)
    """
    q = float(np.sum(np.abs(snr) ** 2))
    amplitude = np.linalg.norm(sources.response, axis=1)
    weight = np.abs(snr) ** 2
    late = time_s - sources.delay_s
    late = late - (late @ weight)[:, None] / q
    sigma_s = 1.0 / (2 * np.pi * BANDWIDTH_HZ * np.abs(snr))
    turned = snr * np.exp(-2j * np.pi * MEAN_FREQUENCY_HZ * late)
    fit = np.abs(np.sum(turned * sources.response.conj(), axis=1)) / amplitude
    fit = np.maximum(fit, _LEAST_FIT * np.sqrt(q))
    # Gaussian in each time about a common unknown one: its integral leaves this norm.
    norm = np.prod(1 / (np.sqrt(2 * np.pi) * sigma_s)) * np.sqrt(2 * np.pi / np.sum(sigma_s**-2.0))
    exponent = -0.5 * (q - fit**2) - 0.5 * np.sum((late / sigma_s) ** 2, axis=1)
    return float(np.log(np.mean(amplitude**3 * fit**-5.0 * np.exp(exponent)) * norm + 1e-300))


def pair_table(sources: Sources, travel_ns: int) -> PairTable:
    """Return the table of two detectors, its sources smeared as noise does at the table's SNR.

    Sources are sorted into cells of amplitude angle and phase once for each node of the delay, weighted by how well
    their delay fits and turned by the phase that goes with the difference; noise in amplitudes and phases is then a
    fixed kernel, a convolution over the phase.
    """
    a, b = sources.response.T
    delay = sources.delay_s[:, 1] - sources.delay_s[:, 0]
    order = np.argsort(delay)
    delay = delay[order]
    phase = np.angle(b * a.conj())[order]
    row = np.minimum((np.arctan2(np.abs(b), np.abs(a)) / (0.5 * np.pi) * _FINE_ANGLES).astype(np.int64)[order], 59)
    weight = (np.hypot(np.abs(a), np.abs(b)) ** 3)[order] / len(delay)
    n = int(np.ceil((travel_ns + SLACK_NS) * 1e-9 / _DELAY_STEP_S))
    nodes = np.arange(-n, n + 1).astype(np.float64) * _DELAY_STEP_S
    values = np.empty((len(nodes), _ANGLES, _PHASES))
    for j, angle in enumerate(np.linspace(0, 0.5 * np.pi, _ANGLES)):
        # A detector that triggered has more than this share of the SNR; below, the delay would be lost in noise.
        share = max(np.sin(angle) * np.cos(angle), 0.25)
        sigma_s = 1.0 / (TABLE_SNR * share * 2 * np.pi * BANDWIDTH_HZ)
        kernel = np.fft.rfft(_kernel(angle), axis=1)
        for i, node in enumerate(nodes):
            near = slice(*np.searchsorted(delay, [node - 5 * sigma_s, node + 5 * sigma_s]))
            late = node - delay[near]
            density = np.exp(-0.5 * (late / sigma_s) ** 2) / np.sqrt(2 * np.pi) / sigma_s
            turned = (phase[near] + 2 * np.pi * MEAN_FREQUENCY_HZ * late) / (2 * np.pi) * _FINE_PHASES
            cell = row[near] * _FINE_PHASES + np.rint(turned).astype(np.int64) % _FINE_PHASES
            size = _FINE_ANGLES * _FINE_PHASES
            filled = np.bincount(cell, weight[near] * density, size).reshape(_FINE_ANGLES, _FINE_PHASES)
            smeared = np.fft.irfft((np.fft.rfft(filled, axis=1) * kernel).sum(axis=0), _FINE_PHASES)
            values[i, j] = np.log(np.maximum(smeared[:: _FINE_PHASES // _PHASES], 1e-30))
    return PairTable(travel_ns, nodes, np.maximum(values, values.max() - 25.0))


def _kernel(angle: float) -> FloatArray:
    """Return how likely noise moves a source's amplitudes and phases to ``angle``, over its own and the phase."""
    own = (np.arange(_FINE_ANGLES) + 0.5) / _FINE_ANGLES * 0.5 * np.pi
    difference = np.arange(_FINE_PHASES) / _FINE_PHASES * 2 * np.pi
    lost = np.sin(2 * angle) * np.sin(2 * own)[:, None] * np.sin(0.5 * difference) ** 2
    fit = np.maximum(np.cos(angle - own)[:, None] ** 2 - lost, _LEAST_FIT**2)
    kernel: FloatArray = (TABLE_SNR**2 * fit) ** -2.5 * np.exp(-0.5 * TABLE_SNR**2 * (1 - fit))
    return kernel


def silence_table(sources: Sources, modulus: FloatArray, floor_snr: float) -> FloatArray:
    """Return ln of the probability that the second detector is below the floor where the first has an SNR."""
    first, second = np.abs(sources.response).T
    weight = first**3 / np.sum(first**3)
    # The modulus of a signal in noise of unit variance in both parts: normal about its root mean square less one.
    expected = np.sqrt(1.0 + np.outer(modulus, second / np.maximum(first, 1e-6)) ** 2)
    out: FloatArray = np.log(np.maximum(ndtr(floor_snr - expected) @ weight, 1e-12))
    return out


def travel_ns(first: str, second: str) -> int:
    """Return light's travel time between two sites."""
    return round(float(np.linalg.norm(_SITES[first].location - _SITES[second].location)) / lal.C_SI * 1e9)


def make(seed: int, count: int, floor_snr: float) -> ExtrinsicTerm:
    """Make all tables.

    Parameters
    ----------
    seed : int
    count : int
        Sources drawn.
    floor_snr : float
        SNR above which a detector triggers.
    """
    sensitivity = np.array([nominal_sensitivity(name) for name in DETECTORS])
    drawn = draw_sources(np.random.default_rng(seed), count, DETECTORS)
    sources = Sources(drawn.response * sensitivity, drawn.delay_s)
    modulus = np.geomspace(2.0, 60.0, 48)
    pairs, silence = {}, {}
    for i, j in combinations(range(len(DETECTORS)), 2):
        names = (DETECTORS[i], DETECTORS[j])
        pairs[names] = pair_table(_of(sources, [i, j]), travel_ns(*names))
        log.info("extrinsic pair", detectors=names, most=round(float(pairs[names].values.max()), 2))
    few = Sources(sources.response[:20_000], sources.delay_s[:20_000])
    for i, j in permutations(range(len(DETECTORS)), 2):
        silence[DETECTORS[i], DETECTORS[j]] = silence_table(_of(few, [i, j]), modulus, floor_snr)
    volume = np.mean(np.abs(sources.response) ** 3, axis=0)
    return ExtrinsicTerm(DETECTORS, sensitivity, volume, pairs, silence, modulus)


def _of(sources: Sources, columns: list[int]) -> Sources:
    return Sources(sources.response[:, columns], sources.delay_s[:, columns])


def main(words: Sequence[str] | None = None) -> None:
    """Run from the command line, or with its words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--seed", type=int, default=849118)
    parser.add_argument("--sources", type=int, default=2_000_000)
    parser.add_argument("--floor", type=float, default=4.0, help="SNR above which a detector triggers")
    arguments = parser.parse_args(words)
    make(arguments.seed, arguments.sources, arguments.floor).save(arguments.out)
    record_hash(arguments.out.parent, arguments.out.name)


if __name__ == "__main__":
    main()
