"""Signal-free data to measure on: stretches of simulated noise with glitches, each with spectra of its own.

Every detector of every stretch follows from the seed alone, so that a run can be resumed, repeated and compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from stream.condition import Conditioner
from stream.infer import EncoderStage, ModelCard
from stream.records import DataQuality, Segment, StrainBlock
from stream.settings import ConditionSettings, InferSettings
from stream.simulate.glitches import draw_glitch
from stream.simulate.noise import ColouredNoise
from stream.simulate.psds import psd, random_psd
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray

RATE_HZ = 2048
CHUNK_S = 4
SPECTRA = {"H1": "aLIGO_O4", "L1": "aLIGO_O4", "V1": "AdV_O4", "K1": "KAGRA_O4"}
_ORDER = tuple(SPECTRA)


@dataclass(frozen=True, slots=True)
class NoiseConfig:
    """What noise, and how much of it.

    ``stretch_s`` is how long one random spectrum lasts. ``glitch_rate_hz``: 7e4 Gravity Spy triggers in 1.2e7 s of
    observing at L1 in O3a.
    """

    seed: int = 78
    stretches: int = 64
    stretch_s: int = 1800
    glitch_rate_hz: float = 7e4 / 1.2e7
    detectors: tuple[str, ...] = _ORDER


def strain_of(config: NoiseConfig, stretch: int, detector: str) -> FloatArray:
    """Return one detector's strain in one stretch, shape (stretch_s * 2048,)."""
    rng = np.random.default_rng((config.seed, stretch, _ORDER.index(detector)))
    spectrum = random_psd(rng, psd(SPECTRA[detector]))
    noise = ColouredNoise(spectrum, RATE_HZ, int(rng.integers(1 << 31)), detector)
    strain = noise.samples(0, config.stretch_s * RATE_HZ).copy()
    for _ in range(rng.poisson(config.glitch_rate_hz * config.stretch_s)):
        glitch = draw_glitch(rng, RATE_HZ, spectrum).samples
        start = int(rng.integers(0, max(1, len(strain) - len(glitch))))
        strain[start : start + len(glitch)] += glitch[: len(strain) - start]
    return strain


def blocks_of(strains: dict[str, FloatArray], start_ns: int) -> Iterator[StrainBlock]:
    """Yield strain as blocks of 4 s, in the order of time."""
    n = CHUNK_S * RATE_HZ
    good = np.full(CHUNK_S * HOPS_PER_S, DataQuality.all_good(), dtype=np.uint32)
    for k in range(min(len(s) for s in strains.values()) // n):
        for name, strain in strains.items():
            at_ns = start_ns + k * CHUNK_S * NS_PER_S
            piece = strain[k * n : (k + 1) * n]
            yield StrainBlock(name, f"{name}:SIM-CALIB_STRAIN", at_ns, RATE_HZ, piece, good, k)


def encode(card: ModelCard, strains: Sequence[FloatArray], detectors: Sequence[str]) -> tuple[Float32Array, BoolArray]:
    """Condition and encode as the live search does.

    Returns
    -------
    frames : array of float32, shape (n_detectors, n_frames, dim + 1)
    valid : array of bool, shape (n_detectors, n_frames)
    """
    conditioners = [Conditioner(name, ConditionSettings()) for name in detectors]
    encoder = EncoderStage(card, InferSettings(threads=1))
    frames, valid = [], []
    n = CHUNK_S * RATE_HZ
    good = np.ones(CHUNK_S * HOPS_PER_S, np.bool_)
    for k in range(len(strains[0]) // n):
        whitened = [
            c.step(Segment(c.detector, k * CHUNK_S * NS_PER_S, RATE_HZ, strain[k * n : (k + 1) * n], good))
            for c, strain in zip(conditioners, strains, strict=True)
        ]
        embeddings = encoder.step(whitened)
        frames.append(np.stack([e.frames for e in embeddings]))
        valid.append(np.stack([e.valid for e in embeddings]))
    return np.concatenate(frames, axis=1), np.concatenate(valid, axis=1)


def kept_path(card: ModelCard, config: NoiseConfig, stretch: int, folder: Path, what: str) -> Path:
    """Return where something of a stretch is kept, for this network and this noise."""
    of = json.dumps([card.network, asdict(replace(config, stretches=0))], sort_keys=True).encode()
    return folder / f"{card.label}-{hashlib.sha256(of).hexdigest()[:12]}-{stretch}{what}"


def encoded(card: ModelCard, config: NoiseConfig, stretch: int, folder: Path) -> tuple[Float32Array, BoolArray]:
    """Return a stretch encoded, from ``folder`` if it is there already; it is put there otherwise."""
    path = kept_path(card, config, stretch, folder, ".npz")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        strains = [strain_of(config, stretch, name) for name in config.detectors]
        frames, valid = encode(card, strains, config.detectors)
        temporary = path.with_suffix(".part.npz")
        np.savez(temporary, frames=frames, valid=valid)
        temporary.replace(path)
    with np.load(path) as kept:
        return kept["frames"], kept["valid"]
