"""Measure a model's shipped background: the network on simulated noise with glitches, and on its time slides.

``python -m pipelines.train.background --model DIR``: noise and glitches (at the rate of O3a at L1) run through the
live conditioning and the shipped encoder; for single detectors their own peaks count, for two and three the head
ranks slides by whole seconds. Writes ``background.json`` into the model's folder.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import structlog

from pipelines.train.ingredients import DETECTORS
from stream.condition import Conditioner
from stream.detect import Head
from stream.detect.head import QUIET
from stream.infer import EncoderStage, ModelCard, open_model
from stream.records import Segment
from stream.settings import ConditionSettings, InferSettings
from stream.significance import BackgroundCounts
from stream.significance.slides import rank_slides
from stream.simulate.glitches import draw_glitch
from stream.simulate.noise import ColouredNoise
from stream.simulate.psds import Psd, psd, random_psd
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray

log = structlog.get_logger()
_RATE = 2048
_CHUNK_S = 4
_SPECTRA = {"H1": "aLIGO_O4", "L1": "aLIGO_O4", "V1": "AdV_O4"}


@dataclass(frozen=True, slots=True)
class BackgroundConfig:
    """How much noise, how many slides.

    ``stretch_s`` is how long one random spectrum lasts. ``glitch_rate_hz``: 7e4 Gravity Spy triggers in
    1.2e7 s of observing at L1 in O3a.
    """

    seed: int = 77
    stretches: int = 48
    stretch_s: int = 1800
    glitch_rate_hz: float = 7e4 / 1.2e7
    pair_slides: int = 240
    triple_slides: int = 120


def noise_with_glitches(
    spectrum: Psd, seconds: int, config: BackgroundConfig, key: tuple[int, ...], name: str
) -> FloatArray:
    """Return one detector's strain, shape (seconds * 2048,)."""
    rng = np.random.default_rng(key)
    strain = ColouredNoise(spectrum, _RATE, int(rng.integers(1 << 31)), name).samples(0, seconds * _RATE)
    for _ in range(rng.poisson(config.glitch_rate_hz * seconds)):
        glitch = draw_glitch(rng, _RATE, spectrum)
        start = int(rng.integers(0, max(1, len(strain) - len(glitch.samples))))
        strain[start : start + len(glitch.samples)] += glitch.samples[: len(strain) - start]
    return strain


def encode(card: ModelCard, strains: list[FloatArray]) -> tuple[Float32Array, BoolArray]:
    """Condition and encode; returns frames (n_detectors, n, dim + 1) and their validity."""
    conditioners = [Conditioner(name, ConditionSettings()) for name in DETECTORS[: len(strains)]]
    encoder = EncoderStage(card, InferSettings(threads=1))
    frames, valid = [], []
    n = _CHUNK_S * _RATE
    good = np.ones(_CHUNK_S * HOPS_PER_S, np.bool_)
    for k in range(len(strains[0]) // n):
        whitened = [
            c.step(Segment(c.detector, k * _CHUNK_S * NS_PER_S, _RATE, strain[k * n : (k + 1) * n], good))
            for c, strain in zip(conditioners, strains, strict=True)
        ]
        embeddings = encoder.step(whitened)
        frames.append(np.stack([e.frames for e in embeddings]))
        valid.append(np.stack([e.valid for e in embeddings]))
    return np.concatenate(frames, axis=1), np.concatenate(valid, axis=1)


def count_singles(counts: BackgroundCounts, frames: Float32Array, valid: BoolArray, rate: int) -> None:
    """Count each detector's loudest frame of each second."""
    for d in range(2):
        single = np.where(valid[d], frames[d, :, -1], QUIET)
        peaks = single[: len(single) // rate * rate].reshape(-1, rate).max(axis=1)
        counts.add(peaks[peaks > QUIET].tolist(), float(valid[d].sum()) / rate)


def count_slides(
    counts: BackgroundCounts, head: Head, frames: Float32Array, valid: BoolArray, slides: int, rate: int
) -> None:
    """Slide every detector but the first by its own multiple of whole seconds, in a ring, and count."""
    n_seconds = frames.shape[1] // rate
    for k in range(1, slides + 1):
        lags = [d * k * 2 * rate for d in range(len(frames))]
        slid = np.stack([np.roll(f[: n_seconds * rate], lag, axis=0) for f, lag in zip(frames, lags, strict=True)])
        ok = np.stack([np.roll(v[: n_seconds * rate], lag) for v, lag in zip(valid, lags, strict=True)])
        statistic, heard = rank_slides(head, slid[None], ok[None])
        whole = statistic[0, : statistic.shape[1] // rate * rate].reshape(-1, rate)
        peaks = whole.max(axis=1)
        counts.add(peaks[peaks > QUIET].tolist(), float(heard.sum()) / rate)


def measure(card: ModelCard, config: BackgroundConfig) -> dict[int, BackgroundCounts]:
    """Return counts by the number of detectors heard."""
    head = Head(card, InferSettings(threads=1))
    counts = {n: BackgroundCounts() for n in (1, 2, 3)}
    started = time.monotonic()
    for k in range(config.stretches):
        rng = np.random.default_rng([config.seed, k])
        three = k % 4 == 0
        strains = [
            noise_with_glitches(
                random_psd(rng, psd(_SPECTRA[name])), config.stretch_s, config, (config.seed, k, d), name
            )
            for d, name in enumerate(DETECTORS[: 3 if three else 2])
        ]
        frames, valid = encode(card, strains)
        count_singles(counts[1], frames, valid, card.frame_rate_hz)
        count_slides(counts[2], head, frames[:2], valid[:2], config.pair_slides, card.frame_rate_hz)
        if three:
            count_slides(counts[3], head, frames, valid, config.triple_slides, card.frame_rate_hz)
        log.info(
            "background", stretch=k + 1, of=config.stretches, elapsed_s=round(time.monotonic() - started),
            pair_days=round(counts[2].duration_s / 86_400, 2),
        )  # fmt: skip
    return counts


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of the model (with a slash) or shipped name")
    parser.add_argument("--stretches", type=int, default=BackgroundConfig().stretches)
    arguments = parser.parse_args()
    card = open_model(arguments.model)
    config = BackgroundConfig(stretches=arguments.stretches)
    counts = measure(card, config)
    content = {
        "model": card.label,
        "measured_with": asdict(config),
        "detectors_heard": {str(n): c.as_dict() for n, c in counts.items()},
    }
    Path(card.background_file).write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
