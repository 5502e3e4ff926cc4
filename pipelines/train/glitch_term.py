"""Fit the learned glitch term: ``python -m pipelines.train.glitch_term``; some minutes.

Simulated noise with glitches, ten times as often as at L1 in O3a, and binaries of the population run through the
conditioner and the network. A logistic regression tells the loudest trigger of each binary from all
triggers of noise. Its logit is, but for the glitch term, known: signals fall as r^-4, a template's peaks in Gaussian
noise as (r^2 - 1) exp(-r^2 / 2). So what is fitted is what glitches add to the noise; and how often a detector glitched
there is measured as the search will measure it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog
from scipy import optimize

from pipelines.evaluate.filterbank import network_triggers
from pipelines.evaluate.population import Population
from pipelines.evaluate.scene import O3A_GLITCH_RATE_HZ, Scene, SceneConfig
from stream.detect.glitch_rate import glitches_in
from stream.detect.glitch_term import N_FEATURES, SHIPPED, features, unlikeness
from stream.infer.filterbank.bank import SHIPPED as BANK
from stream.infer.model import record_hash
from stream.records import Triggers
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import BoolArray, Float32Array, FloatArray, IntArray

log = structlog.get_logger()

MORE_GLITCHES = 10.0
_OWN_NS, _SPOILED_NS = NS_PER_S // 50, NS_PER_S // 2
_PENALTY = 1e-3
_LOUDEST = 60.0
"""A glitch louder gives triggers by the hundred thousand, all alike."""


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
    # The slope in ln r where m is 1 takes the place of the coefficient of L m: with it and that where m is 0 negative,
    # and what unlikeness adds never negative, a trigger counts for more the louder and the more alike it is.
    linear = np.eye(N_FEATURES + 1)
    linear[3, 2] = -1.0

    def loss(p: FloatArray) -> tuple[float, FloatArray]:
        b = linear @ p
        ratio = half + f @ b[1:]
        logit = b[0] + known - np.logaddexp(0.0, ratio)
        value = float(weight @ np.logaddexp(0.0, -sign * logit) + _PENALTY * np.sum(b[4:] ** 2) / len(b))
        d_logit = -weight * sign / (1.0 + np.exp(np.clip(sign * logit, -500, 500)))
        d_ratio = -d_logit / (1.0 + np.exp(np.clip(-ratio, -500, 500)))
        gradient = np.concatenate(([d_logit.sum()], f.T @ d_ratio))
        gradient[4:] += 2 * _PENALTY * b[4:] / len(b)
        return value, linear.T @ gradient

    start = np.concatenate(([-12.0, -22.0, -6.0, -6.0], np.full(N_FEATURES - 3, 2.0)))
    bounds = [(None, None), (None, None), (None, -1.0), (None, -1.0), *[(0.0, None)] * (N_FEATURES - 3)]
    options = {"maxiter": 2000}
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    coefficients: FloatArray = (linear @ found.x)[1:]
    return coefficients


def examples(triggers: Triggers, arrivals_ns: IntArray) -> tuple[Triggers, Triggers]:
    """Return the loudest trigger at each arrival that has one, and those of noise: near no arrival, not too loud.

    Parameters
    ----------
    arrivals_ns : array of int64, shape (n,)
        When binaries arrive, in order.
    """
    order = np.argsort(triggers.time_ns, kind="stable")
    modulus, time_ns = np.abs(triggers.snr), triggers.time_ns[order]
    low, high = (np.searchsorted(time_ns, arrivals_ns + off) for off in (-_OWN_NS, _OWN_NS))
    near = [order[a:b] for a, b in zip(low, high, strict=True) if b > a]
    own = np.array([rows[modulus[rows].argmax()] for rows in near], dtype=np.int64)
    low, high = (np.searchsorted(arrivals_ns, triggers.time_ns + off) for off in (-_SPOILED_NS, _SPOILED_NS))
    return triggers.take(own), triggers.take((low == high) & (modulus < _LOUDEST))


def main(words: Sequence[str] | None = None) -> None:
    """Run from the command line, or with its words."""
    parser = argparse.ArgumentParser(description="Fit the learned glitch term.")
    parser.add_argument("--bank", type=Path, default=BANK)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--seconds", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=99)
    options = parser.parse_args(words)
    config = SceneConfig(
        seed=options.seed, stretch_s=options.seconds, spacing_s=4.0, population=Population(),
        glitch_rate_hz=MORE_GLITCHES * O3A_GLITCH_RATE_HZ,
    )  # fmt: skip
    scene = Scene(config, 0)
    found = [network_triggers(scene.strain(name), name, options.bank) for name in config.detectors]
    arrivals_ns = [np.sort([i.signals[name].arrival_ns for i in scene.injections]) for name in config.detectors]
    parts = [part for own, at_ns in zip(found, arrivals_ns, strict=True) for part in examples(own, at_ns)]
    modulus = np.concatenate([np.abs(t.snr) for t in parts]).astype(np.float64)
    chisq = np.concatenate([t.chisq for t in parts])
    is_signal = np.concatenate([np.full(len(t.snr), k % 2 == 0) for k, t in enumerate(parts)])
    coefficients = fit(modulus, chisq, is_signal)
    coefficients[0] -= np.log(MORE_GLITCHES)
    rate_hz = _rate_hz(found) / MORE_GLITCHES
    log.info("glitch term", signals=int(is_signal.sum()), noise=int((~is_signal).sum()), rate_hz=round(rate_hz, 6),
             coefficients=[round(float(c), 3) for c in coefficients])  # fmt: skip
    content = {"coefficients": coefficients.tolist(), "rate_hz": rate_hz, "seed": options.seed,
               "seconds": options.seconds}  # fmt: skip
    options.out.write_text(json.dumps(content) + "\n")
    record_hash(options.out.parent, options.out.name)


def _rate_hz(found: list[Triggers]) -> float:
    """Return how often the detectors glitch, binaries not counted; once, where they did not at all."""
    counts = [glitches_in(own, unlikeness(np.abs(own.snr), own.chisq).mean(axis=1)) for own in found]
    return max(1, sum(counts)) / (sum(int(own.valid.sum()) for own in found) / HOPS_PER_S)


if __name__ == "__main__":
    main()
