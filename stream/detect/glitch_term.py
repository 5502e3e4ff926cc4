"""The learned glitch term: how much rarer signals are than noise among triggers that look like this one.

Stands inside the ranking. In a detector's real noise a template triggers from Gaussian noise, whose density the ranking
knows, and from glitches. What a trigger counts is therefore lessened by::

    G = -ln(1 + density of glitches / density of Gaussian noise),   ln of that ratio = r^2 / 2 + b . f

with r the SNR and f = (1, L, x, x L, x^2), L = ln(r / 6), x = ln of the autocorrelation chi-squared. Gaussian noise
falls as exp(-r^2 / 2), glitches as a power of r: so G is 0 for what Gaussian noise makes, and a loud trigger counts as
a power of its SNR, the higher the more it looks like its template. ``pipelines/train/glitch_term.py`` fits b.

With glitches as often as at L1 in O3a ranking C keeps 0.895 +- 0.025 of the limit's distance at 1/month with this term
and 0.40 without; in noise without glitches 0.892 +- 0.010 with it and 0.933 without. S still grows with SNR, but as its
logarithm: signals of network SNR 15 to 40 stand at 7 to 17, where 1/month is 2.6.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream.errors import ModelError
from stream.infer.model import CARILLON, GLITCH_TERM
from stream.records import Triggers
from stream.types import AnyFloatArray, Float32Array, FloatArray

SHIPPED = CARILLON / GLITCH_TERM
N_FEATURES = 5
_REFERENCE_SNR = 6.0
X_RANGE = (-1.5, 4.0)


@dataclass(frozen=True, slots=True)
class LearnedGlitchTerm:
    """Coefficients of one detector, shape (N_FEATURES,)."""

    coefficients: FloatArray

    def at(self, modulus: AnyFloatArray, chisq: Float32Array) -> FloatArray:
        """Return G, shape (n,), for SNRs (n,) and chi-squareds (n, 2).

        Never above 0: time slides rely on it to know what cannot be loud.
        """
        ratio = 0.5 * modulus.astype(np.float64) ** 2 + features(modulus, chisq) @ self.coefficients
        return -np.logaddexp(0.0, ratio)


@dataclass(frozen=True, slots=True)
class GlitchState:
    """What a checkpoint keeps of a :class:`GlitchStage`: the end of what it has heard, GPS nanoseconds."""

    until_ns: int = 0


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
        self._state = GlitchState()

    def step(self, triggers: Triggers) -> Triggers:
        """Return the triggers with their glitch terms."""
        self._state = GlitchState(triggers.gps_ns + triggers.duration_ns)
        glitch = self._term.at(np.abs(triggers.snr), triggers.chisq)
        return replace(triggers, glitch=glitch.astype(np.float32))

    def state(self) -> GlitchState:
        """Return what a checkpoint keeps."""
        return self._state

    def restore(self, state: GlitchState) -> None:
        """Take up a checkpoint."""
        self._state = state


def features(modulus: AnyFloatArray, chisq: Float32Array) -> FloatArray:
    """Return f, shape (n, N_FEATURES); a chi-squared that could not be computed is as expected."""
    loud = np.log(modulus.astype(np.float64) / _REFERENCE_SNR)
    known = np.where(np.isfinite(chisq[:, 0]), chisq[:, 0], 1.0).astype(np.float64)
    x = np.clip(np.log(np.maximum(known, 1e-3)), *X_RANGE)
    return np.stack((np.ones(len(x)), loud, x, x * loud, x**2), axis=1)


def read_glitch_term(path: Path = SHIPPED) -> LearnedGlitchTerm:
    """Read the coefficients.

    Raises
    ------
    ModelError
        If the file is missing or is not such a term.
    """
    try:
        coefficients = np.array(json.loads(path.read_text())["coefficients"], dtype=np.float64)
        if coefficients.shape != (N_FEATURES,):
            raise ValueError(f"{coefficients.shape} coefficients")
        if any(coefficients[1] + coefficients[3] * x >= 0 for x in X_RANGE):
            raise ValueError("a louder trigger would count for less")
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path} is not a glitch term ({error}): make it with python -m pipelines.train.glitch_term"
        ) from error
    return LearnedGlitchTerm(coefficients)
