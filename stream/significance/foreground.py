"""The probability that a candidate is of astrophysical origin, from the densities of signals and of noise.

Stands beside the false-alarm rate (Farr et al., PRD 91, 023005 (2015), for one candidate at a known rate)::

    p = R f(S) / (R f(S) + b(S))

f is the density of signals in the ranking statistic S for each merger per cubic gigaparsec and year, measured with
injections; R a fixed prior rate; b the density of noise events of the same class: the rate above S that the false-alarm
rate is made from, times how fast it falls. Where noise is only known to be rarer than one event in the background's
time, b is too large and p too small. p never falls as S grows: what a quieter candidate would have, a louder one has.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream.errors import ModelError
from stream.infer.model import BACKGROUND, ModelCard


@dataclass(frozen=True, slots=True)
class Foreground:
    """Densities of one class.

    Attributes
    ----------
    statistics : tuple of float
        Rising. Between two of them p is what the lower has; the first and the last value hold beyond.
    signals_hz : tuple of float
        Signals a second and unit of S at the prior rate.
    fall : tuple of float
        By what share of itself the rate of noise above S falls a unit of S.
    """

    statistics: tuple[float, ...]
    signals_hz: tuple[float, ...]
    fall: tuple[float, ...]

    def p_astro(self, statistic: float, noise_hz: Callable[[float], float]) -> float:
        """Return the probability.

        Parameters
        ----------
        statistic : float
        noise_hz : callable
            Rate of noise events of the class that are at least as loud as a statistic.
        """
        quieter = self.statistics[: bisect_right(self.statistics, statistic)]
        return max(self._here(s, noise_hz(s)) for s in quieter or (statistic,))

    def finer(self, step: float = 0.25) -> Foreground:
        """Return the same at more statistics: so far apart at most, in between as they lie."""
        known = np.array(self.statistics)
        at = np.unique(np.concatenate((known, np.arange(known[0], known[-1], step))))
        signals = np.exp(np.interp(at, known, np.log(self.signals_hz)))
        return Foreground(tuple(at.tolist()), tuple(signals.tolist()), tuple(np.interp(at, known, self.fall).tolist()))

    def _here(self, statistic: float, noise_hz: float) -> float:
        signals = float(np.exp(np.interp(statistic, self.statistics, np.log(self.signals_hz))))
        noise = noise_hz * float(np.interp(statistic, self.statistics, self.fall))
        return signals / (signals + noise)


def load_foreground(card: ModelCard) -> dict[str, Foreground]:
    """Read what was measured of a model's signals, by name of the class; nothing where nothing was.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    if not card.is_measured:
        return {}
    try:
        known = json.loads(card.read(BACKGROUND)).get("foreground")
        if known is None:
            return {}
        prior = float(known["rate_per_gpc3_yr"])
        return {str(name): _foreground(values, prior) for name, values in known["classes"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the foreground in {card.folder / BACKGROUND} cannot be read ({error!r}): measure it anew: "
            f"tocsin evaluate foreground {card.folder}/"
        ) from error


def _foreground(values: dict[str, Any], prior: float) -> Foreground:
    statistics = tuple(map(float, values["statistics"]))
    signals = tuple(prior * float(v) for v in values["signals_hz_per_rate"])
    fall = tuple(map(float, values["fall"]))
    if not len(statistics) == len(signals) == len(fall) > 1 or list(statistics) != sorted(set(statistics)):
        raise ValueError("densities that do not fit together")
    if min(*signals, *fall) <= 0.0:
        raise ValueError("a density that is not above zero")
    return Foreground(statistics, signals, fall).finer()
