"""The data that sensitivity is measured on: stretches of simulated noise, with binaries of the population in them.

A stretch follows from seed and number alone, so that every search sees the same samples. It can be heard with its
binaries or without them (background must hold no signal), and with its glitches or without (a known template's limit is
that of Gaussian noise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeAlias

import numpy as np

from pipelines.evaluate.population import Population, Proposal, effective_spin, stratified_snrs
from stream.errors import ConfigurationError
from stream.records import DataQuality, StrainBlock
from stream.simulate.glitches import draw_glitch, optimal_snr
from stream.simulate.noise import ColouredNoise
from stream.simulate.psds import Psd, psd, psd_names, random_psd
from stream.simulate.waveforms import BinaryParameters, DetectorSignal, project
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import FloatArray, IntArray

RATE_HZ = 4096
START_S = 1_400_000_000
"""GPS second at which every stretch begins."""
SETTLED_S = 72
"""Nothing is injected before: the rolling PSD covers 64 s, after 8 s without any."""
END_S = 8
O3A_GLITCH_RATE_HZ = 7e4 / 1.2e7
"""Gravity Spy triggers at L1 in O3a, per second of observing."""
RANDOM = "random"


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """What to simulate.

    ``spectrum`` is a named one for all detectors, or ``random``: variations of aLIGO_O4 with lines, new for every
    detector and stretch (each stretch then counts alike, however quiet). ``glitch_rate_hz`` is per detector.
    """

    seed: int = 1
    stretch_s: int = 4096
    spacing_s: float = 8.0
    spectrum: str = "aLIGO_O4"
    glitch_rate_hz: float = 0.0
    population: Population = field(default_factory=Population)
    detectors: tuple[str, ...] = ("H1", "L1")

    def __post_init__(self) -> None:
        """Refuse what gives no injection, or injections that disturb each other, and spectra that there are not.

        Raises
        ------
        ConfigurationError
        """
        if self.spectrum not in (RANDOM, *psd_names()):
            known = ", ".join((RANDOM, *psd_names()))
            raise ConfigurationError(f"no spectrum named {self.spectrum!r}: there are {known}")
        if not self.spacing_s >= 2.0:
            raise ConfigurationError(f"injections every {self.spacing_s:g} s disturb each other: leave at least 2 s")
        if self.injections < 1:
            raise ConfigurationError(
                f"a stretch of {self.stretch_s} s holds no injection: its first {SETTLED_S} s and last {END_S} s have "
                f"none; make it longer than {SETTLED_S + END_S + self.spacing_s:g} s"
            )

    @property
    def injections(self) -> int:
        """How many a stretch holds."""
        return int((self.stretch_s - SETTLED_S - END_S) / self.spacing_s)


@dataclass(frozen=True, slots=True)
class Injection:
    """A binary in the data: when it merges, what it is, how loud it is and what it stands for.

    ``at_s`` is the mean of its arrival times, from the stretch's start; ``weight`` the volume it stands for, in units
    that all injections share.
    """

    at_s: float
    parameters: BinaryParameters
    snrs: dict[str, float]
    weight: float
    signals: dict[str, DetectorSignal]

    @property
    def network_snr(self) -> float:
        """Optimal SNR of all detectors together."""
        return float(np.sqrt(sum(s**2 for s in self.snrs.values())))

    def as_dict(self) -> dict[str, object]:
        """Return what a report keeps."""
        p = self.parameters
        return {
            "at_s": round(self.at_s, 6),
            "network_snr": self.network_snr,
            "snrs": self.snrs,
            "weight": self.weight,
            "chirp_mass_msun": p.chirp_mass_msun,
            "mass_ratio": p.mass2_msun / p.mass1_msun,
            "chi_eff": effective_spin(p),
            "parameters": asdict(p),
        }


Draw: TypeAlias = Callable[[SceneConfig, dict[str, Psd], np.random.Generator], list[Injection]]


class Scene:
    """One stretch.

    Parameters
    ----------
    config : SceneConfig
    index : int
        Its number.
    draw : callable
        Draws its injections; those of ``config.population`` unless others are wanted.
    """

    def __init__(self, config: SceneConfig, index: int, draw: Draw | None = None) -> None:
        self.config, self.index = config, index
        rng = np.random.default_rng([config.seed, index])
        self.spectra: dict[str, Psd] = {name: _spectrum(config, rng) for name in config.detectors}
        self._noise_seed = int(rng.integers(1 << 31))
        self._glitches = {name: _glitches(config, self.spectra[name], rng) for name in config.detectors}
        self.injections = (draw or _injections)(config, self.spectra, rng)
        self._signals = {name: [i.signals[name] for i in self.injections] for name in config.detectors}

    def strain(self, detector: str, *, signals: bool = True, glitches: bool = True) -> Iterator[FloatArray]:
        """Yield one detector's strain, second by second, each of shape (4096,)."""
        noise = ColouredNoise(self.spectra[detector], RATE_HZ, self._noise_seed, detector)
        added = (self._signals[detector] if signals else []) + (self._glitches[detector] if glitches else [])
        starts: IntArray = np.array([a.start_sample for a in added], dtype=np.int64)
        ends: IntArray = np.array([a.start_sample + len(a.samples) for a in added], dtype=np.int64)
        first = START_S * RATE_HZ
        for at in range(first, first + self.config.stretch_s * RATE_HZ, RATE_HZ):
            samples = noise.samples(at, RATE_HZ).copy()
            for k in np.flatnonzero((starts < at + RATE_HZ) & (ends > at)):
                lo, hi = max(at, starts[k]), min(at + RATE_HZ, ends[k])
                samples[lo - at : hi - at] += added[k].samples[lo - starts[k] : hi - starts[k]]
            yield samples

    def blocks(self, *, signals: bool = True) -> Iterator[StrainBlock]:
        """Yield all detectors' strain as blocks of 1 s, as a source gives them to the search."""
        good = np.full(HOPS_PER_S, DataQuality.all_good(), dtype=np.uint32)
        streams = [self.strain(name, signals=signals) for name in self.config.detectors]
        for k, pieces in enumerate(zip(*streams, strict=True)):
            for name, samples in zip(self.config.detectors, pieces, strict=True):
                yield StrainBlock(name, f"{name}:SIM", (START_S + k) * NS_PER_S, RATE_HZ, samples, good, k)


def loudest_near(
    injections: Sequence[Injection], times_s: FloatArray, ranks: FloatArray, within_s: float
) -> FloatArray:
    """Return each injection's loudest event within some time of it, and minus infinity where there is none.

    Parameters
    ----------
    times_s : array of float64, shape (n_events,)
        From the stretch's start.
    ranks : array of float64, shape (n_events,)
    """
    order = np.argsort(times_s)
    times_s, ranks = times_s[order], ranks[order]
    at = np.array([i.at_s for i in injections])
    first, last = np.searchsorted(times_s, at - within_s), np.searchsorted(times_s, at + within_s, side="right")
    return np.array([ranks[a:b].max(initial=-np.inf) for a, b in zip(first, last, strict=True)])


def _spectrum(config: SceneConfig, rng: np.random.Generator) -> Psd:
    return random_psd(rng, psd("aLIGO_O4")) if config.spectrum == RANDOM else psd(config.spectrum)


def _glitches(config: SceneConfig, spectrum: Psd, rng: np.random.Generator) -> list[DetectorSignal]:
    found = []
    for _ in range(rng.poisson(config.glitch_rate_hz * config.stretch_s)):
        glitch = draw_glitch(rng, RATE_HZ, spectrum)
        start = START_S * RATE_HZ + int(rng.integers(config.stretch_s * RATE_HZ)) - glitch.peak_index
        found.append(DetectorSignal(start, glitch.samples, 0))
    return found


def _injections(config: SceneConfig, spectra: dict[str, Psd], rng: np.random.Generator) -> list[Injection]:
    proposal = Proposal(config.population, config.detectors, list(spectra.values()), rng)
    made = []
    for k, snr in enumerate(stratified_snrs(rng, config.injections)):
        at_s = SETTLED_S + (k + rng.uniform(0.4, 0.6)) * config.spacing_s
        drawn = proposal.draw(START_S * NS_PER_S + round(at_s * NS_PER_S))
        signals = project(drawn.parameters, config.detectors, RATE_HZ)
        snrs = {name: optimal_snr(s.samples, spectra[name], RATE_HZ) for name, s in signals.items()}
        sigma = float(np.sqrt(sum(s**2 for s in snrs.values())))
        arrivals_ns = [s.arrival_ns - START_S * NS_PER_S for s in signals.values()]
        made.append(
            Injection(
                at_s=sum(arrivals_ns) / len(arrivals_ns) / NS_PER_S,
                parameters=replace(drawn.parameters, luminosity_distance_mpc=sigma / float(snr)),
                snrs={name: s * float(snr) / sigma for name, s in snrs.items()},
                weight=(sigma / drawn.proposed_sigma) ** 3,
                signals={n: replace(s, samples=s.samples * (float(snr) / sigma)) for n, s in signals.items()},
            )
        )
    return made
