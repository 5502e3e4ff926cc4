"""The learned glitch term: how much rarer signals are than noise among triggers that look like this one.

Stands between the filter bank and the ranking. In a detector's real noise a template triggers from Gaussian noise,
whose density the ranking knows, and from glitches. What a trigger counts is therefore lessened by::

    G = -ln(1 + density of glitches / density of Gaussian noise),   ln of that ratio = r^2 / 2 + b . f + ln(rate)

with r the SNR, f what :func:`features` makes of SNR and both chi-squareds, and ``rate`` how often this detector
glitched of late, over what b was fitted to (:mod:`stream.detect.glitch_rate`). Gaussian noise falls as exp(-r^2 / 2),
glitches as a power of r: so G is 0 for what Gaussian noise makes, and a loud trigger counts as a power of its SNR, the
higher the more it looks like its template. ``pipelines/train/glitch_term.py`` fits b.

A template is never quite the signal's: what of a signal it leaves over grows as r^2. A chi-squared is therefore taken
over 1 + r^2 / 250, which signals that the bank covers hardly pass, however loud. Glitches leave a third of their r^2: a
signal counts for the more against them the louder it is.

Measured: fraction of the limit at 1/month 0.930 +- 0.008 without glitches (``docs/measurements.md``), 0.878 +- 0.009
with as many as in O3a (decision 16); both with events 30 ms apart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream.detect.glitch_rate import GlitchRate, GlitchState
from stream.errors import ModelError
from stream.infer.model import CARILLON, GLITCH_TERM
from stream.records import Triggers
from stream.types import AnyFloatArray, Float32Array, FloatArray

SHIPPED = CARILLON / GLITCH_TERM
_REFERENCE_SNR = 6.0
_LEFT_OVER = 1.0 / 250.0
_KNOTS = np.array([-0.5, 0.3, 1.0, 1.8, 2.8, 4.5])
N_FEATURES = 3 + 2 * (len(_KNOTS) - 1)


@dataclass(frozen=True, slots=True)
class LearnedGlitchTerm:
    """Coefficients, shape (N_FEATURES,), and how often a detector glitched in what they were fitted to."""

    coefficients: FloatArray
    rate_hz: float

    def at(self, modulus: AnyFloatArray, chisq: Float32Array, ln_rate: FloatArray | float = 0.0) -> FloatArray:
        """Return G, shape (n,), for SNRs (n,), chi-squareds (n, 2) and the rate of glitches over :attr:`rate_hz`.

        Never above 0: time slides rely on it to know what cannot be loud.
        """
        ratio = 0.5 * modulus.astype(np.float64) ** 2 + features(modulus, chisq) @ self.coefficients + ln_rate
        return -np.logaddexp(0.0, ratio)


def unlikeness(modulus: AnyFloatArray, chisq: Float32Array) -> FloatArray:
    """Return ln of each chi-squared over what a loud signal may leave over, shape (n, 2).

    One that could not be computed is as the other; both as expected, if neither could.
    """
    expected = 1.0 + _LEFT_OVER * modulus.astype(np.float64) ** 2
    first = np.where(np.isfinite(chisq[:, 0]), chisq[:, 0], 1.0).astype(np.float64)
    second = np.where(np.isfinite(chisq[:, 1]), chisq[:, 1], first).astype(np.float64)
    out: FloatArray = np.log(np.maximum(np.stack((first, second), axis=1), 1e-3) / expected[:, None])
    return out


def features(modulus: AnyFloatArray, chisq: Float32Array) -> FloatArray:
    """Return f, shape (n, N_FEATURES): 1, L, L m, and of each unlikeness how much lies between each two knots.

    L = ln(r / 6); m is the mean unlikeness, from 0 at the first knot to 1 at the last.
    """
    loud = np.log(modulus.astype(np.float64) / _REFERENCE_SNR)
    parts = np.clip(unlikeness(modulus, chisq)[:, :, None], _KNOTS[:-1], _KNOTS[1:]) - _KNOTS[:-1]
    mean = parts.sum(axis=(1, 2)) / (2 * (_KNOTS[-1] - _KNOTS[0]))
    head = np.stack((np.ones(len(loud)), loud, loud * mean), axis=1)
    return np.concatenate((head, parts.reshape(len(loud), 2 * (len(_KNOTS) - 1))), axis=1)


class GlitchStage:
    """Say what each trigger of one detector counts for less.

    Parameters
    ----------
    detector : str
    term : LearnedGlitchTerm
    """

    def __init__(self, detector: str, term: LearnedGlitchTerm) -> None:
        self.detector = detector
        self._term = term
        self._rate = GlitchRate(term.rate_hz)

    def step(self, triggers: Triggers) -> Triggers:
        """Return the triggers with their glitch terms."""
        # In double precision, as the ranking has it: the two cancel, and single keeps 4 of a glitch of SNR 10 000.
        modulus = np.abs(triggers.snr.astype(np.complex128))
        unlike = unlikeness(modulus, triggers.chisq).mean(axis=1)
        ln_rate = self._rate.step(triggers, unlike)
        return replace(triggers, glitch=self._term.at(modulus, triggers.chisq, ln_rate))

    def state(self) -> GlitchState:
        """Return what a checkpoint keeps."""
        return self._rate.state()

    def restore(self, state: GlitchState) -> None:
        """Take up a checkpoint."""
        self._rate.restore(state)


def read_glitch_term(path: Path = SHIPPED) -> LearnedGlitchTerm:
    """Read the coefficients.

    Raises
    ------
    ModelError
        If the file is missing or is not such a term.
    """
    try:
        content = json.loads(path.read_text())
        coefficients, rate_hz = np.array(content["coefficients"], dtype=np.float64), float(content["rate_hz"])
        if coefficients.shape != (N_FEATURES,) or not rate_hz > 0.0:
            raise ValueError(f"{coefficients.shape} coefficients for {rate_hz:g} Hz")
        if coefficients[1] >= 0 or coefficients[1] + coefficients[2] >= 0 or np.any(coefficients[3:] < 0):
            raise ValueError("a louder trigger, or one more like its template, would count for less")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} is not a glitch term ({error}): make it with python -m pipelines.train.glitch_term"
        ) from error
    return LearnedGlitchTerm(coefficients, rate_hz)
