"""From ranks and background to figures: how far each search sees, what fraction of the limit that is, where it loses.

``rho_eff`` is the network SNR of a sharp threshold that has the same sensitive volume. Sources uniform in volume stand
above ``rho`` in number as ``rho**-3``; of those above ``FAINTEST_SNR`` a search finds the share ``f``, therefore
``rho_eff = FAINTEST_SNR * f**(-1/3)``. Distances go as ``1 / rho_eff``: the fraction of the limit is
``rho_eff(limit) / rho_eff``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pipelines.evaluate.population import FAINTEST_SNR
from pipelines.evaluate.searched import FARS_HZ, Counts, Searched
from stream.types import BoolArray, FloatArray, IntArray

_ROUNDS = 1000
_ALIKE = 20
"""Injections of about the same SNR that the bootstrap draws among: SNRs were drawn one from each share, too."""
_SNR_EDGES = (4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5, 10, 11, 12, 14, 17, 20, 30, 1e9)
_PARTS = 5
BY = ("chirp_mass_msun", "mass_ratio", "chi_eff")


@dataclass(frozen=True, slots=True)
class Truth:
    """What was injected: network SNR, weight, and the quantities :data:`BY` which efficiency is told, each (n,)."""

    snr: FloatArray
    weight: FloatArray
    by: Mapping[str, FloatArray]

    @classmethod
    def of(cls, injections: Sequence[Mapping[str, Any]]) -> Truth:
        """Read what the stretches' files keep."""

        def column(key: str) -> FloatArray:
            return np.array([i[key] for i in injections], dtype=np.float64)

        return cls(column("network_snr"), column("weight"), {key: column(key) for key in BY})

    def __len__(self) -> int:
        """Return how many."""
        return len(self.snr)


def rho_eff(found: BoolArray, weight: FloatArray) -> float | None:
    """Return the SNR of a sharp threshold with the same sensitive volume; None where nothing was found."""
    share = float(np.sum(weight * found) / np.sum(weight))
    return FAINTEST_SNR * share ** (-1 / 3) if share > 0 else None


def found_at(searched: Searched, far_hz: float) -> BoolArray | None:
    """Return which injections are as rare as a rate; None where the background is too short to say."""
    threshold = searched.background.threshold(far_hz)
    return None if threshold is None else searched.ranks > threshold


def summary(truth: Truth, searches: Mapping[str, Searched], limit: str) -> dict[str, dict[str, Any]]:
    """Return the figures of each search, in the form in which they are printed.

    ``error`` is the standard deviation of the fraction of the limit (of ``rho_eff`` over itself for the limit): a
    bootstrap over the injections, both searches by the same ones, and over the counts of background. ``found`` is a
    number of injections.
    """
    rounds = _draws(truth)
    out: dict[str, dict[str, Any]] = {}
    for name, searched in searches.items():
        row: dict[str, Any] = {"rho_eff": {}, "fraction_of_limit": {}, "error": {}, "found": {}}
        for far, far_hz in FARS_HZ.items():
            own, best = (_effective(truth, s, far_hz) for s in (searched, searches[limit]))
            found = found_at(searched, far_hz)
            row["rho_eff"][far] = _rounded(own)
            row["fraction_of_limit"][far] = _rounded(best / own) if own and best else None
            row["error"][far] = _bootstrap(truth, searched, None if name == limit else searches[limit], far_hz, rounds)
            row["found"][far] = None if found is None else int(found.sum())
        row |= {"injections": len(truth), "background_s": round(searched.background.duration_s)}
        order = ("rho_eff", "fraction_of_limit", "error", "injections", "background_s", "found")
        out[name] = {key: row[key] for key in order}
    return out


def details(truth: Truth, searches: Mapping[str, Searched], limit: str) -> dict[str, Any]:
    """Return, for each search and rate, the binomial error, the lightest tenth, and efficiency by what was injected."""
    return {
        name: {far: _detail(truth, s, searches[limit], far_hz) for far, far_hz in FARS_HZ.items()}
        for name, s in searches.items()
    }


def _detail(truth: Truth, searched: Searched, limit: Searched, far_hz: float) -> dict[str, Any] | None:
    found, best = found_at(searched, far_hz), found_at(limit, far_hz)
    if found is None:
        return None
    mass = truth.by["chirp_mass_msun"]
    light = mass <= np.quantile(mass, 0.1)
    curves = {key: _by_quantity(values, truth, found, best) for key, values in truth.by.items()}
    return {
        "threshold": _rounded(searched.background.threshold(far_hz)),
        "background_louder": searched.background.louder(far_hz),
        "binomial_error_of_rho_eff": _rounded(_binomial(truth, found)),
        "lightest_tenth": _part(light, truth, found, best)
        | {"chirp_mass_below_msun": _rounded(float(mass[light].max()))},
        "by_snr": _by_snr(truth, found),
        **{f"by_{key}": curve for key, curve in curves.items()},
    }


def _effective(truth: Truth, searched: Searched, far_hz: float) -> float | None:
    found = found_at(searched, far_hz)
    return None if found is None else rho_eff(found, truth.weight)


def _binomial(truth: Truth, found: BoolArray) -> float | None:
    """Return the error of rho_eff were each injection found by its own chance: larger than the bootstrap's."""
    own, share = rho_eff(found, truth.weight), float(np.average(found, weights=truth.weight))
    effective = float(np.sum(truth.weight)) ** 2 / float(np.sum(truth.weight**2))
    return own * np.sqrt((1 - share) / (share * effective)) / 3 if own else None


def _draws(truth: Truth) -> IntArray:
    """Return indices of injections for each round of the bootstrap, drawn among those of like SNR."""
    rng = np.random.default_rng(len(truth))
    order = np.argsort(truth.snr)
    groups = np.array_split(order, max(1, len(order) // _ALIKE))
    return np.concatenate([group[rng.integers(len(group), size=(_ROUNDS, len(group)))] for group in groups], axis=1)


def _bootstrap(
    truth: Truth, searched: Searched, limit: Searched | None, far_hz: float, draws: IntArray
) -> float | None:
    """Return the error of the fraction of the limit; of rho_eff, relative, where there is no limit to compare with."""
    rng = np.random.default_rng(len(truth) + 1)
    values = _drawn(truth, searched, far_hz, draws, rng)
    if values is None:
        return None
    if limit is not None:
        best = _drawn(truth, limit, far_hz, draws, rng)
        return None if best is None else _rounded(_deviation(best / values))
    return _rounded(_deviation(values / np.nanmean(values)))


def _drawn(
    truth: Truth, searched: Searched, far_hz: float, draws: IntArray, rng: np.random.Generator
) -> FloatArray | None:
    """Return rho_eff in each round: injections drawn anew, and as many louder background events as chance gives."""
    louder = searched.background.louder(far_hz)
    if louder is None or searched.background.threshold(far_hz) is None:
        return None
    out = np.full(len(draws), np.nan)
    for k, (at, n) in enumerate(zip(draws, rng.poisson(louder + 1, len(draws)), strict=True)):
        threshold = _nearest_threshold(searched.background, far_hz, int(n))
        value = rho_eff(searched.ranks[at] > threshold, truth.weight[at])
        out[k] = np.nan if value is None else value
    return out


def _nearest_threshold(background: Counts, far_hz: float, louder: int) -> float:
    """Return the threshold for a number of louder events, or that of the most that are known."""
    threshold = background.threshold(far_hz, louder)
    return float(background.loudest[-1]) if threshold is None else threshold


def _deviation(values: FloatArray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.std()) if len(known) > 1 else None


def _by_snr(truth: Truth, found: BoolArray) -> list[dict[str, Any]]:
    rows = []
    for low, high in pairwise(_SNR_EDGES):
        inside = (truth.snr >= low) & (truth.snr < high)
        if inside.any():
            share = np.average(found[inside], weights=truth.weight[inside])
            mean = _rounded(float(truth.snr[inside].mean()))
            rows.append({"from": low, "to": min(high, float(truth.snr.max())), "snr": mean, "n": int(inside.sum()),
                         "efficiency": _rounded(float(share))})  # fmt: skip
    return rows


def _by_quantity(values: FloatArray, truth: Truth, found: BoolArray, best: BoolArray | None) -> list[dict[str, Any]]:
    """Return the figures of equal parts of the injections, from the lowest value to the highest."""
    rows = []
    for part in np.array_split(np.argsort(values), min(_PARTS, len(values))):
        inside = np.zeros(len(values), dtype=np.bool_)
        inside[part] = True
        edges = {"from": _rounded(float(values[part].min())), "to": _rounded(float(values[part].max()))}
        rows.append(edges | {"middle": _rounded(float(np.median(values[part])))} | _part(inside, truth, found, best))
    return rows


def _part(inside: BoolArray, truth: Truth, found: BoolArray, best: BoolArray | None) -> dict[str, Any]:
    own = rho_eff(found[inside], truth.weight[inside])
    limit = None if best is None else rho_eff(best[inside], truth.weight[inside])
    part = Truth(truth.snr[inside], truth.weight[inside], {})
    share, error = float(np.average(found[inside], weights=part.weight)), _binomial(part, found[inside])
    return {
        "n": int(inside.sum()),
        "efficiency": _rounded(share),
        "rho_eff": _rounded(own),
        "fraction_of_limit": _rounded(limit / own) if own and limit else None,
        "error": _rounded(limit / own * error / own) if own and limit and error is not None else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
