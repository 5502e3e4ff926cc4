"""Fit the learned glitch term: ``python -m pipelines.train.glitch_term``; some minutes.

Simulated noise with glitches, ten times as often as at L1 in O3a, and binaries of the population run through the
conditioner and the bank by FFT. A logistic regression tells the loudest trigger of each binary from all triggers
of noise. Its logit is, but for the glitch term, known: signals fall as r^-4, a template's peaks in Gaussian noise as
(r^2 - 1) exp(-r^2 / 2). So what is fitted is what glitches add to the noise.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog
from scipy import optimize

from pipelines.evaluate.population import Population
from pipelines.evaluate.ranking import filtered
from pipelines.evaluate.scene import O3A_GLITCH_RATE_HZ, Scene, SceneConfig
from stream.detect.glitch_term import N_FEATURES, SHIPPED, X_RANGE, features
from stream.infer.filterbank.bank import SHIPPED as BANK
from stream.infer.filterbank.waveforms import waveforms
from stream.infer.model import record_hash
from stream.records import Triggers
from stream.timebase import NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray

log = structlog.get_logger()

MORE_GLITCHES = 10.0
_OWN_S, _SPOILED_S = 0.02, 0.5
_PENALTY = 1e-3


def fit(modulus: FloatArray, chisq: Float32Array, is_signal: BoolArray) -> FloatArray:
    """Return the coefficients that best tell signals from noise, shape (N_FEATURES,).

    Parameters
    ----------
    modulus : array of float64, shape (n,)
    chisq : array of float32, shape (n, 2)
    is_signal : array of bool, shape (n,)
    """
    known = 0.5 * modulus**2 - 4.0 * np.log(modulus) - np.log(modulus**2 - 1.0)
    f, half = features(modulus, chisq), 0.5 * modulus**2
    sign = np.where(is_signal, 1.0, -1.0)
    # Signals and noise weigh alike, whatever their numbers: the constant takes up the rest.
    weight = np.where(is_signal, 0.5 / is_signal.sum(), 0.5 / (~is_signal).sum())

    def loss(b: FloatArray) -> tuple[float, FloatArray]:
        ratio = half + f @ b[1:]
        logit = b[0] + known - np.logaddexp(0.0, ratio)
        value = float(weight @ np.logaddexp(0.0, -sign * logit) + _PENALTY * np.sum(b[2:] ** 2) / len(b))
        d_logit = -weight * sign / (1.0 + np.exp(np.clip(sign * logit, -500, 500)))
        d_ratio = -d_logit / (1.0 + np.exp(np.clip(-ratio, -500, 500)))
        gradient = np.concatenate(([d_logit.sum()], f.T @ d_ratio))
        gradient[2:] += 2 * _PENALTY * b[2:] / len(b)
        return value, gradient

    # The slopes in ln r at both ends of x take the places of those of L and x L. A loud trigger must count for more
    # than a faint one, so that both are negative.
    low, high = X_RANGE
    linear = np.eye(N_FEATURES + 1)
    linear[np.ix_([2, 4], [2, 4])] = np.array([[high, -low], [-1.0, 1.0]]) / (high - low)

    def loss_of_slopes(p: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = loss(linear @ p)
        return value, linear.T @ gradient

    start = np.array([-12.0, -22.0, -6.0, 4.0, -6.0, 0.0])
    bounds = [(None, None), (None, None), (None, -1.0), (None, None), (None, -1.0), (None, None)]
    options = {"maxiter": 2000}
    found = optimize.minimize(loss_of_slopes, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    coefficients: FloatArray = (linear @ found.x)[1:]
    return coefficients


def examples(scene: Scene, triggers: Triggers) -> tuple[FloatArray, Float32Array, BoolArray]:
    """Return SNR and chi-squared of each injection's loudest trigger, and of all triggers of noise."""
    modulus = np.abs(triggers.snr).astype(np.float64)
    arrivals_ns = np.array([one.signals[triggers.detector].arrival_ns for one in scene.injections], dtype=np.int64)
    apart_s = np.abs(triggers.time_ns[:, None] - arrivals_ns) / NS_PER_S
    noise = np.flatnonzero(apart_s.min(axis=1) > _SPOILED_S)
    own = [np.flatnonzero(column <= _OWN_S) for column in apart_s.T]
    signals = np.array([at[modulus[at].argmax()] for at in own if len(at)], dtype=np.int64)
    rows = np.concatenate((signals, noise))
    return modulus[rows], triggers.chisq[rows], np.arange(len(rows)) < len(signals)


def main(words: Sequence[str] | None = None) -> None:
    """Run from the command line, or with its words."""
    parser = argparse.ArgumentParser(description="Fit the learned glitch term.")
    parser.add_argument("--bank", type=Path, default=BANK)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--seconds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=99)
    options = parser.parse_args(words)
    config = SceneConfig(
        seed=options.seed, stretch_s=options.seconds, spacing_s=4.0, population=Population(),
        glitch_rate_hz=MORE_GLITCHES * O3A_GLITCH_RATE_HZ,
    )  # fmt: skip
    scene = Scene(config, 0)
    with np.load(options.bank) as kept:
        spectra = waveforms(kept["parameters"])
    parts = [examples(scene, Triggers.joined(list(filtered(scene, d, spectra, 4.0)))) for d in config.detectors]
    modulus, chisq, is_signal = (np.concatenate(x) for x in zip(*parts, strict=True))
    coefficients = fit(modulus, chisq, is_signal)
    coefficients[0] -= np.log(MORE_GLITCHES)
    log.info("glitch term", signals=int(is_signal.sum()), noise=int((~is_signal).sum()),
             coefficients=[round(float(c), 3) for c in coefficients])  # fmt: skip
    content = {"coefficients": coefficients.tolist(), "seed": options.seed, "seconds": options.seconds}
    options.out.write_text(json.dumps(content) + "\n")
    record_hash(options.out.parent, options.out.name)


if __name__ == "__main__":
    main()
