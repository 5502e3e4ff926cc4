"""A stretch with binaries of all classes, searched and followed: of each candidate what was told and what was true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pipelines.evaluate.classes_population import CLASSES, Heard, class_of
from pipelines.evaluate.scene import END_S, RATE_HZ, SETTLED_S, START_S, Injection, Scene, SceneConfig
from pipelines.search import Stages, compose, one_by_one, search
from stream.classify.redshift import redshift
from stream.classify.source import MCHIRP_EDGES_MSUN, SourceMasses, properties
from stream.infer.filterbank.waveforms import chirp_mass_msun
from stream.records import Background, Candidate, Localized, Masked, Peak, Snapshot, WhitenedSegment
from stream.settings import Settings
from stream.simulate.glitches import optimal_snr
from stream.simulate.psds import Psd
from stream.simulate.waveforms import BinaryParameters, project
from stream.timebase import NS_PER_S

SHARES = {"BNS": 0.15, "NSBH": 0.25, "BBH": 0.6}
"""Of the injections: what is rare is injected more often than it comes."""

EARLY_S, LATE_S = 3.0, 0.5
"""A candidate so near a merger is of that binary: a template that does not fit it ends at another time."""

_WAIT_NS = NS_PER_S // 2
"""After a merger its snapshot is taken: what a template needs of the strain after it is there."""


class Follower(Protocol):
    """Makes map and class of candidates."""

    def searched(self, snapshot: Snapshot) -> Localized:
        """Follow what the search found."""
        ...

    def given(self, snapshot: Snapshot, parameters: BinaryParameters) -> Localized:
        """Follow a binary as if a bank that holds its template had found it."""
        ...


@dataclass(slots=True)
class Drawing:
    """Draws a stretch's binaries, each class from some SNR on, and keeps how many were tried and are heard."""

    faintest_snr: float
    tried: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)

    def __call__(self, config: SceneConfig, spectra: dict[str, Psd], rng: np.random.Generator) -> list[Injection]:
        """Return one binary every ``spacing_s``, of all classes by :data:`SHARES`, in any order."""
        count = config.injections
        rare = [name for name in CLASSES if name != "BBH" for _ in range(round(SHARES[name] * count))]
        sources = {name: Heard(name, self.faintest_snr, config.detectors, rng) for name in CLASSES}
        made = []
        for k, name in enumerate(rng.permutation(rare + ["BBH"] * (count - len(rare))).tolist()):
            at_s = SETTLED_S + (k + rng.uniform(0.7, 0.9)) * config.spacing_s
            made.append(_injection(sources[name].draw(START_S * NS_PER_S + round(at_s * NS_PER_S)), config, spectra))
        self.tried = {name: source.tried for name, source in sources.items()}
        self.kept = {name: source.kept for name, source in sources.items()}
        return made


@dataclass(slots=True)
class Followed:
    """Where the search's candidates go, and each binary: both are followed at once, as in replay."""

    scene: Scene
    stages: Stages
    follower: Follower
    found: list[Localized] = field(default_factory=list)
    given: list[Localized] = field(default_factory=list)

    def candidate(self, _: Candidate, snapshot: Snapshot) -> None:
        """Follow a candidate."""
        self.found.append(self.follower.searched(snapshot))

    def masked(self, masked: Sequence[Masked]) -> None:
        """Simulated strain has no gap."""

    def beside(self, whitened: Sequence[WhitenedSegment], _: Sequence[Candidate]) -> None:
        """Follow the binaries whose merger has passed."""
        while len(self.given) < len(self.scene.injections):
            one = self.scene.injections[len(self.given)]
            merger_ns = START_S * NS_PER_S + round(one.at_s * NS_PER_S)
            if whitened[0].end_ns < merger_ns + _WAIT_NS:
                return
            snapshot = self.stages.snapshots.of(_sure(merger_ns, one.snrs))
            self.given.append(self.follower.given(snapshot, one.parameters))


def run(config: SceneConfig, index: int, faintest_snr: float, settings: Settings, follower: Follower) -> dict[str, Any]:
    """Search and follow one stretch.

    Parameters
    ----------
    faintest_snr : float
        Of the binaries.
    settings : Settings
        Of the search; its false-alarm rate says what is followed.

    Returns
    -------
    dict
        ``tried`` and ``kept`` of each class, ``noise_s`` without binaries; ``injections``, each with the loudest
        candidate ``searched`` near it, or None, and what was told when its template was ``given``; ``others``: the
        candidates of noise.
    """
    drawing = Drawing(faintest_snr)
    scene = Scene(config, index, drawing)
    stages = compose(settings)
    kept = Followed(scene, stages, follower)
    stages.beside = kept.beside
    search(one_by_one(scene.blocks()), stages, kept)
    stages.close()
    whose = _whose(kept.found, scene.injections)
    return {
        "tried": drawing.tried,
        "kept": drawing.kept,
        "noise_s": config.stretch_s - SETTLED_S - END_S - len(scene.injections) * (EARLY_S + LATE_S),
        "injections": [
            truth(one.parameters)
            | {"snrs": one.snrs, "given": _told(given, one.at_s)}
            | {"searched": _loudest([found for found, number in whose if number == k], one.at_s)}
            for k, (one, given) in enumerate(zip(scene.injections, kept.given, strict=True))
        ],
        "others": [_told(found, None) for found, number in whose if number is None and _second(found) >= SETTLED_S],
    }


def truth(parameters: BinaryParameters) -> dict[str, Any]:
    """Return what is true of a binary, in the source's frame."""
    z = float(redshift(np.array([parameters.luminosity_distance_mpc]))[0])
    masses = np.array([[parameters.mass1_msun], [parameters.mass2_msun]]) / (1.0 + z)
    source = SourceMasses(masses[0], masses[1], np.array([parameters.spin1[2]]), np.ones(1))
    mchirp = float(chirp_mass_msun(masses[:, 0]))
    return {
        "class": class_of(*masses[:, 0].tolist()),
        "masses_msun": masses[:, 0].tolist(),
        "spins": [parameters.spin1[2], parameters.spin2[2]],
        "distance_mpc": parameters.luminosity_distance_mpc,
        "redshift": z,
        "mchirp_detector_msun": parameters.chirp_mass_msun,
        "mchirp_bin": int(np.searchsorted(MCHIRP_EDGES_MSUN, mchirp, side="right")) - 1,
        "properties": properties(source),
    }


def _injection(parameters: BinaryParameters, config: SceneConfig, spectra: dict[str, Psd]) -> Injection:
    signals = project(parameters, config.detectors, RATE_HZ)
    arrivals_ns = [s.arrival_ns - START_S * NS_PER_S for s in signals.values()]
    return Injection(
        at_s=sum(arrivals_ns) / len(arrivals_ns) / NS_PER_S,
        parameters=parameters,
        snrs={name: optimal_snr(s.samples, spectra[name], RATE_HZ) for name, s in signals.items()},
        weight=1.0,
        signals=signals,
    )


def _sure(gps_ns: int, snrs: dict[str, float]) -> Candidate:
    """Return a candidate that is a signal: what is told of it is told of the signal alone."""
    names = tuple(snrs)
    peak = Peak(gps_ns, 0.0, names, tuple(snrs.items()), gps_ns, heard=names)
    return Candidate(peak, 0.0, False, Background("none", 0.0, names), "none", p_astro=1.0)


def _second(found: Localized) -> float:
    """Return when a candidate is, from the stretch's start."""
    return (found.candidate.gps_ns - START_S * NS_PER_S) / NS_PER_S


def _whose(found: Sequence[Localized], injections: Sequence[Injection]) -> list[tuple[Localized, int | None]]:
    """Return each candidate with the number of the binary that it is of, or None."""
    at = np.array([one.at_s for one in injections])
    out: list[tuple[Localized, int | None]] = []
    for one in found:
        after = _second(one) - at
        near = np.flatnonzero((after >= -EARLY_S) & (after <= LATE_S))
        out.append((one, int(near[0]) if len(near) else None))
    return out


def _loudest(found: Sequence[Localized], at_s: float) -> dict[str, Any] | None:
    """Return what was told of an event: by its candidate of the lowest false-alarm rate, as the superevent's."""
    best = min(found, key=lambda f: (f.candidate.far_hz, -f.candidate.peak.statistic), default=None)
    return None if best is None else _told(best, at_s)


def _told(found: Localized, at_s: float | None) -> dict[str, Any]:
    source, candidate = found.source, found.candidate
    bins = None if source is None else source.mchirp_source
    return {
        "late_s": None if at_s is None else round(_second(found) - at_s, 4),
        "far_hz": candidate.far_hz,
        "p_astro": candidate.p_astro,
        "statistic": candidate.peak.statistic,
        "snrs": dict(candidate.peak.per_detector),
        "chisq": {a.detector: a.chisq for a in candidate.peak.arrivals},
        "distance_mpc": [found.distance_mpc, found.distance_std_mpc],
        "mchirp_msun": [found.mchirp_msun, found.mchirp_std_msun],
        "classification": None if source is None or source.classification is None else dict(source.classification),
        "properties": None if source is None or source.properties is None else dict(source.properties),
        "mchirp_source": None if bins is None else list(bins[1]),
        "reasons": {**found.reasons, **({} if source is None else source.reasons)},
    }
