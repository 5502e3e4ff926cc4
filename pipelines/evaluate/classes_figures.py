"""How well probabilities of classes and properties were told: agreement, Brier score, reliability.

A signal counts as often as its like is heard a year: a class that was injected more often than it comes counts less.
What is no signal counts as often as it came, a year. Both ways of counting stand in the report; the plain one tells how
each class fares, the weighted one whether what is told is true of what will be heard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.evaluate.classes_population import CLASSES
from stream.types import FloatArray

TERRESTRIAL = "Terrestrial"
ALL = (*CLASSES, TERRESTRIAL)
PROPERTIES = ("HasNS", "HasRemnant", "HasMassGap")
_EDGES = np.array([0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of one candidate, and what was true.

    Attributes
    ----------
    truth : str
        A class, or Terrestrial.
    true_properties : mapping of str to float, or None
        Of the injected binary, over the equations of state; None of what is no signal.
    rang : bool
        Whether its false-alarm rate is below that of an alert.
    per_year : float
        How often its like comes.
    classification, properties : mapping of str to float, or None
    in_true_bin : float or None
        Probability of the bin of the chirp mass that the binary is in; None where none was told.
    reasons : mapping of str to str
        Why what is None is.
    """

    truth: str
    true_properties: Mapping[str, float] | None
    rang: bool
    per_year: float
    classification: Mapping[str, float] | None
    properties: Mapping[str, float] | None
    in_true_bin: float | None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def most_probable(self, names: Sequence[str]) -> str | None:
        """Return the most probable of some classes; None where none was told."""
        told = self.classification
        return None if told is None else max(names, key=lambda name: told[name])


def summary(told: Sequence[Told], injected: Mapping[str, int]) -> dict[str, Any]:
    """Return the figures.

    Parameters
    ----------
    told : sequence of Told
        Of each candidate.
    injected : mapping of str to int
        How many of each class.
    """
    signals = [one for one in told if one.truth != TERRESTRIAL and one.rang]
    return {
        "agreement": _agreement(signals),
        "by_class": {name: _of_class(told, name, injected.get(name, 0)) for name in ALL},
        "probabilities": {name: _probability(told, name) for name in (*ALL, *PROPERTIES)},
        "mchirp_source": _chirp_masses(signals),
        "nulls": {what: sum(getattr(one, what) is None for one in told) for what in ("classification", "properties")},
        "reasons": dict(Counter(reason for one in told for reason in one.reasons.values())),
    }


def brier(probability: FloatArray, truth: FloatArray, weight: FloatArray) -> float:
    """Return the weighted mean of the squared difference of probabilities and truths, all of shape (n,)."""
    return float(np.average((probability - truth) ** 2, weights=weight))


def reliability(probability: FloatArray, truth: FloatArray, weight: FloatArray) -> list[dict[str, float]]:
    """Return, of each bin of probability that holds any, what was told and how often it was so (weighted)."""
    rows = []
    at = np.clip(np.searchsorted(_EDGES, probability, side="right") - 1, 0, len(_EDGES) - 2)
    for k in np.unique(at).tolist():
        inside = at == k
        shares = weight[inside] / weight[inside].sum()
        mean = float(shares @ truth[inside])
        rows.append(
            {
                "told": round(float(shares @ probability[inside]), 4),
                "true": round(mean, 4),
                "error": round(_error(mean, 1.0 / float((shares**2).sum())), 4),
                "count": int(inside.sum()),
            }
        )
    return rows


def _error(share: float, count: float) -> float:
    """Return the standard error of a share of so many; half a one is added, so that none and all have an error too."""
    near = (share * count + 0.5) / (count + 1.0)
    return float(np.sqrt(max(0.0, near * (1.0 - near)) / count))


def _agreement(signals: Sequence[Told]) -> dict[str, Any]:
    """Return how many of the signals that rang were told as what they are; one of unknown class is left out.

    ``class``: the most probable of BNS, NSBH and BBH is the true one. ``class_or_noise``: it is more probable than
    Terrestrial, too; of an alert close to the threshold it rarely is, since most of those are noise.
    """
    known = [one for one in signals if one.classification is not None]
    out: dict[str, Any] = {"signals": len(signals), "with_class": len(known)}
    weight = np.array([one.per_year for one in known])
    for key, names in (("class", CLASSES), ("class_or_noise", ALL)):
        right = np.array([one.most_probable(names) == one.truth for one in known], dtype=np.float64)
        out[key] = {
            "agree": int(right.sum()),
            "share": round(float(right.mean()), 4) if known else None,
            "share_as_heard": round(float(np.average(right, weights=weight)), 4) if known else None,
        }
    return out


def _of_class(told: Sequence[Told], name: str, injected: int) -> dict[str, Any]:
    ours = [one for one in told if one.truth == name]
    rang = [one for one in ours if one.rang]
    most = Counter(one.most_probable(CLASSES) or "unknown" for one in rang)
    return {"injected": injected, "candidates": len(ours), "rang": len(rang), "told_as": dict(most)}


def _probability(told: Sequence[Told], name: str) -> dict[str, Any]:
    pairs = [pair for one in told if (pair := _pair(one, name)) is not None]
    if not pairs:
        return {"count": 0, "brier": None, "brier_as_heard": None, "reliability": [], "reliability_as_heard": []}
    probability, truth, weight = np.array(pairs).T
    plain = np.ones(len(pairs))
    return {
        "count": len(pairs),
        "brier": round(brier(probability, truth, plain), 5),
        "brier_as_heard": round(brier(probability, truth, weight), 5),
        "reliability": reliability(probability, truth, plain),
        "reliability_as_heard": reliability(probability, truth, weight),
    }


def _pair(one: Told, name: str) -> tuple[float, float, float] | None:
    """Return a probability as told, the truth, and how often the like comes; None where it was not told or asked."""
    if name not in PROPERTIES:
        if one.classification is None:
            return None
        return one.classification[name], float(one.truth == name), one.per_year
    if one.properties is None or one.true_properties is None:
        return None
    return one.properties[name], one.true_properties[name], one.per_year


def _chirp_masses(signals: Sequence[Told]) -> dict[str, Any]:
    inside = [one.in_true_bin for one in signals if one.in_true_bin is not None]
    return {
        "count": len(inside),
        "probability_of_true_bin": round(float(np.mean(inside)), 4) if inside else None,
        "true_bin_above_a_half": sum(p > 0.5 for p in inside),
    }
