"""From localized injections to figures: calibration, area, likeness to the peer's maps, distance, time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import kstest

from stream.types import FloatArray

KS_95 = 1.358
"""Over sqrt(n): the largest distance from the diagonal that 95 % of calibrated sets stay within (Kolmogorov)."""

Rows = Sequence[dict[str, Any]]


def groups(rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """Return the injections by kind of source and number of detectors, and all of them; none that is empty."""
    found: dict[str, list[dict[str, Any]]] = {"all": list(rows)}
    for count, word in ((2, "two"), (3, "three")):
        for name, kinds in (("BBH", ("bbh",)), ("NSBH-like", ("nsbh", "bns"))):
            chosen = [r for r in rows if len(r["detectors"]) == count and r["kind"] in kinds]
            if chosen:
                found[f"{name}, {word} detectors"] = chosen
    return found


def summary(rows: Rows) -> dict[str, Any]:
    """Return the figures of each group."""
    return {name: _of(chosen) for name, chosen in groups(rows).items()}


def levels(rows: Rows, maps: str) -> FloatArray:
    """Return the probability level of the truth in each map, rising."""
    return np.sort([r[maps]["level"] for r in rows])


def calibration(found: FloatArray) -> dict[str, Any]:
    """Return how far levels are from uniform: the largest distance, its 95 % band, p, and whether it is inside."""
    test = kstest(found, "uniform")
    band = KS_95 / float(np.sqrt(len(found)))
    return {
        "ks": round(float(test.statistic), 4),
        "band95": round(band, 4),
        "p": round(float(test.pvalue), 4),
        "in_band": bool(test.statistic <= band),
        "in_90": round(float(np.mean(found <= 0.9)), 3),
    }


def _of(rows: Rows) -> dict[str, Any]:
    with_peer = [r for r in rows if r["peer"] is not None]
    return {
        "injections": len(rows),
        "pp": calibration(levels(rows, "ours")),
        "pp_factor_1": calibration(levels(rows, "factor_1")),
        "searched_deg2": _median(rows, "ours", "searched_deg2"),
        "area90_deg2": _median(rows, "ours", "area90_deg2"),
        "distance": _distance(rows, "ours"),
        "distance_factor_1": _distance(rows, "factor_1"),
        "seconds": _time([r["ours"]["seconds"] for r in rows]),
        "peer": _beside(with_peer) if with_peer else None,
    }


def _median(rows: Rows, maps: str, name: str) -> float:
    return round(float(np.median([r[maps][name] for r in rows])), 2)


def _time(seconds: Sequence[float]) -> dict[str, float]:
    return {"p50": round(float(np.percentile(seconds, 50)), 4), "p99": round(float(np.percentile(seconds, 99)), 4)}


def _distance(rows: Rows, maps: str) -> dict[str, float]:
    """Return mean distance of maps over the true ones' mean with its error, and the spread of truths in sigma."""
    true = np.array([r["distance_mpc"] for r in rows])
    mean = np.array([r[maps]["distance_mpc"] for r in rows])
    off = (mean - true) / true.mean()
    pull = (true - mean) / np.array([r[maps]["distance_std_mpc"] for r in rows])
    return {
        "mean_over_truth": round(float(mean.mean() / true.mean()), 4),
        "error": round(float(off.std() / np.sqrt(len(rows))), 4),
        "pull_mean": round(float(pull.mean()), 3),
        "pull_std": round(float(pull.std()), 3),
    }


def _beside(rows: Rows) -> dict[str, Any]:
    """Return our figures beside the peer's, of the injections that it localized."""
    ratio = {
        name: _ratio(rows, name)
        for name in ("area50_deg2", "area90_deg2", "distance_mpc", "distance_std_mpc", "searched_deg2")
    }
    seconds, ours = [r["peer"]["seconds"] for r in rows], [r["ours"]["seconds"] for r in rows]
    alike = np.array([r["peer"]["overlap"] for r in rows])
    return {
        "maps": len(rows),
        "overlap": {"median": round(float(np.median(alike)), 5), "p5": round(float(np.percentile(alike, 5)), 5)},
        "pp": calibration(levels(rows, "peer")),
        "searched_deg2": _median(rows, "peer", "searched_deg2"),
        "searched_ratio_of_medians": round(
            _median(rows, "ours", "searched_deg2") / max(_median(rows, "peer", "searched_deg2"), 1e-9), 4
        ),
        "median_ratio": ratio,
        "seconds": _time(seconds),
        "times_faster": round(float(np.median(seconds) / np.median(ours)), 1),
    }


def _ratio(rows: Rows, name: str) -> float:
    return round(float(np.median([r["ours"][name] / r["peer"][name] for r in rows])), 4)
