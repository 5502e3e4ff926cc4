"""Numbers of events beside what a Poisson process gives: expected, observed, how likely so far off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from stream.types import FloatArray, IntArray

_PER_DECADE = 2
_LEAST_EXPECTED = 0.5


def two_sided(observed: int, expected: float) -> float:
    """Return the probability of a number as far off as this one, or farther, on either side."""
    if expected <= 0:
        return 1.0 if observed == 0 else 0.0
    low, high = stats.poisson.cdf(observed, expected), stats.poisson.sf(observed - 1, expected)
    return float(min(1.0, 2.0 * min(low, high)))


def counted(
    far_hz: FloatArray, highest_hz: float, length_s: float, rate_hz: Callable[[float], float]
) -> list[dict[str, Any]]:
    """Return a row for each threshold, two to a decade from the highest down to half an expected event.

    Parameters
    ----------
    far_hz : array, shape (n,)
        Of each event.
    highest_hz, length_s : float
    rate_hz : callable
        How often events of a false-alarm rate or less are expected.
    """
    steps = max(0, int(_PER_DECADE * np.log10(max(highest_hz * length_s / _LEAST_EXPECTED, 1.0))))
    rows = []
    for k in range(steps + 1):
        threshold_hz = highest_hz * 10 ** (-k / _PER_DECADE)
        expected = rate_hz(threshold_hz) * length_s
        observed = int(np.count_nonzero(far_hz <= threshold_hz))
        bounds = [float(stats.poisson.ppf(q, expected)) if expected > 0 else 0.0 for q in (0.025, 0.975)]
        rows.append(
            {
                "far_hz": threshold_hz,
                "at_most": threshold_hz * length_s,
                "expected": expected,
                "observed": observed,
                "bounds95": bounds,
                "p": two_sided(observed, expected),
            }
        )
    return rows


def dispersion(counts: IntArray) -> dict[str, float] | None:
    """Return variance over mean of the numbers in equal spans of time, 1 of a Poisson process; None of too few."""
    mean = float(counts.mean())
    if mean < 1:
        return None
    statistic = float(np.sum((counts - mean) ** 2) / mean)
    low, high = stats.chi2.cdf(statistic, len(counts) - 1), stats.chi2.sf(statistic, len(counts) - 1)
    return {"variance_over_mean": statistic / (len(counts) - 1), "p": float(min(1.0, 2 * min(low, high)))}
