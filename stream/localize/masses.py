"""What the matched filter says of the masses: samples of masses and spins, weighted by likelihood and prior.

The likelihood is exp(|z|^2 / 2), summed over the detectors at one common time and largest over it: distance and angles
are left to the sky map. The prior is what parameter estimation takes where nothing is known: uniform in both masses as
the detector sees them; spins of uniform magnitude, in any direction, of which the part along the orbit has the density
-ln|chi| / 2 (Lange, O'Shaughnessy & Rizzo, arXiv:1805.10457); sources uniform in volume, so that a template
that is seen twice as far is eight times as likely.

Samples are drawn in a few rounds, each from Student distributions fitted to the rounds before (population Monte Carlo:
Cappe et al., J. Comput. Graph. Stat. 13, 907 (2004)); weights are over the mixture of all rounds. Draws are the same
numbers every time: the same snapshot gives the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stream.errors import DataError
from stream.infer.filterbank.waveforms import chirp_mass_msun
from stream.localize.nearby import Nodes, Reference
from stream.localize.ridge import Ridge, Sheets
from stream.records import MassPosterior
from stream.types import FloatArray

DRAWS, ROUNDS = 80, 5

_CENTRE, _WIDTH = np.array([0.0, 0.0, 0.3, 0.0]), np.array([0.35, 0.3, 0.3])
"""Of what is drawn at first: distance from the sheet, spin, asymmetry, half the spins' difference."""
_THICKNESS = 3.0
_STAGES = 2

_SEED = 14
_FREEDOM = 5
"""Of the Student distributions: tails that no posterior's exceed."""
_SCALE = 0.5
"""Width of the distributions about the centres, that of all points being 1: posteriors bend."""
_LEAST_EFFECTIVE = 24.0
"""Samples that a fit must rest upon; weights are evened out as far as that needs. So are those of the posterior: of a
loud signal few draws are near enough, and what they say is then too wide rather than too narrow."""


@dataclass(frozen=True, slots=True)
class _Proposal:
    """Student distributions of one shape in a ridge's coordinates, about several centres."""

    centres: FloatArray  # shape (m, 4)
    weight: FloatArray  # shape (m,)
    root: FloatArray  # lower triangle: its square is the covariance

    def draw(self, uniform: FloatArray, student: FloatArray) -> FloatArray:
        """Return draws, shape (n, 4), from uniform numbers and Student's of unit scale."""
        which = np.searchsorted(np.cumsum(self.weight), uniform * self.weight.sum() * (1.0 - 1e-12))
        out: FloatArray = self.centres[which] + student @ self.root.T
        return out

    def density(self, at: FloatArray) -> FloatArray:
        """Return the density at points, up to a constant that all share; shape (n,)."""
        inverse = np.linalg.inv(self.root).T
        mine, other = at @ inverse, self.centres @ inverse
        squared = (mine**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2.0 * mine @ other.T
        base = 1.0 + np.maximum(squared, 0.0) / _FREEDOM
        fourth = np.square(np.square(base))
        out: FloatArray = (1.0 / (fourth * np.sqrt(base))) @ self.weight
        out /= self.weight.sum() * np.prod(np.diag(self.root))
        return out


class MassSampler:
    """Draws the samples; made once."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes, self._sheets = nodes, Sheets(nodes)
        rng = np.random.default_rng(_SEED)
        shape = (ROUNDS, DRAWS)
        self._uniform = rng.random(shape)
        self._student = rng.standard_normal((*shape, 4)) / np.sqrt(rng.chisquare(_FREEDOM, (*shape, 1)) / _FREEDOM)

    def sample(
        self, reference: Reference, again: Callable[[FloatArray, Sequence[int]], Reference]
    ) -> tuple[MassPosterior, FloatArray]:
        """Return the posterior and the parameters of the template that finds most.

        Parameters
        ----------
        reference : Reference
            The best template so far.
        again : callable
            Makes another template the reference, that arrives at these lags.
        """
        centre, width = _CENTRE, _WIDTH
        best, later = self._sheets.scan(reference)
        for _ in range(_STAGES):
            reference = again(best, [lag + later for lag in reference.lags])
            ridge = self._sheets.about(reference)
            points, log_weight, likely = self._rounds(reference, ridge, centre, width)
            if not np.isfinite(log_weight.max()):
                raise DataError("no template near the candidate's fits the strain: its masses are not known")
            parameters, _ = ridge.parameters(points)
            best = parameters[likely.argmax()]
            if _effective(_normalised(log_weight)) >= 0.5 * _LEAST_EFFECTIVE:
                break
            # A loud signal: begin anew about the best one found, not as far around.
            later, width = 0, 0.4 * width
            centre = np.array([0.0, *points[likely.argmax()][1:]])
        return _posterior(parameters, _evened(log_weight)), best

    def _rounds(
        self, reference: Reference, ridge: Ridge, centre: FloatArray, width: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return what was drawn in all rounds, shape (n, 4), and the logarithms of weight and likelihood."""
        root = np.diag(np.concatenate(([_THICKNESS * ridge.width], width)))
        proposals = [_Proposal(centre[None], np.ones(1), root)]
        points, target, likely, density = np.empty((0, 4)), np.empty(0), np.empty(0), np.empty(0)
        for uniform, student in zip(self._uniform, self._student, strict=True):
            new = proposals[-1].draw(uniform, student)
            log_likelihood, log_prior = self._of(reference, ridge, new)
            likely, target = np.append(likely, log_likelihood), np.append(target, log_likelihood + log_prior)
            # Of the mixture so far: the newest proposal's share at the old points, and all proposals' at the new ones.
            density += proposals[-1].density(points)
            density = np.concatenate((density, np.sum([p.density(new) for p in proposals], axis=0)))
            points = np.concatenate((points, new))
            log_weight = target - np.log(density)
            proposals.append(_around(points, log_weight, proposals[-1]))
        return points, log_weight, likely

    def _of(self, reference: Reference, ridge: Ridge, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the logarithms of likelihood and prior, up to a constant; shapes (n,)."""
        log_likelihood, log_prior = np.full((2, len(at)), -np.inf)
        parameters, inside = ridge.parameters(at)
        if not inside.any():
            return log_likelihood, log_prior
        parameters = parameters[inside]
        power, sigma = reference.power_at(np.stack([self._nodes.waveform(row) for row in parameters]))
        log_likelihood[inside] = 0.5 * _top(power)
        log_prior[inside] = 1.5 * np.log(np.sum(sigma**2, axis=1)) + _log_prior(parameters)
        return log_likelihood, log_prior


def _log_prior(parameters: FloatArray) -> FloatArray:
    """Return ln of the prior's density in a ridge's coordinates, up to a constant; shape (n,).

    A unit of dm1 dm2 is M |dM d(asymmetry)| / 2, and M = exp(u) eta^-3/5 of the chirp mass exp(u): M^2 du d(asymmetry).
    """
    spins = np.log(-np.log(np.clip(np.abs(parameters[:, 2:]), 1e-6, 0.9999))).sum(axis=1)
    density: FloatArray = 2.0 * np.log(parameters[:, 0] + parameters[:, 1]) + spins
    return density


def _top(power: FloatArray) -> FloatArray:
    """Return each row's maximum, of a parabola through the three samples about it; shape (n,)."""
    at = np.clip(power.argmax(axis=1), 1, power.shape[1] - 2)
    rows = np.arange(len(power))
    low, middle, high = power[rows, at - 1], power[rows, at], power[rows, at + 1]
    bend = np.maximum(2.0 * middle - low - high, 1e-12)
    offset = np.clip(0.5 * (high - low) / bend, -0.5, 0.5)
    top: FloatArray = middle + 0.25 * (high - low) * offset
    return top


def _around(points: FloatArray, log_weight: FloatArray, before: _Proposal) -> _Proposal:
    """Return what to draw from next: about the weighted points; the same as before where they say too little."""
    weight = _evened(log_weight)
    if not _effective(weight) > 0.3 * _LEAST_EFFECTIVE:
        return before
    away = points - weight @ points
    covariance = _SCALE**2 * (away * weight[:, None]).T @ away + np.diag([1e-12, 1e-7, 1e-7, 1e-7])
    used = weight > 1e-2 * weight.max()
    root = np.linalg.cholesky(covariance).astype(np.float64)
    return _Proposal(points[used], weight[used], root)


def _evened(log_weight: FloatArray) -> FloatArray:
    """Return weights that add up to 1, evened out as far as ``_LEAST_EFFECTIVE`` needs."""
    weight, temper = _normalised(log_weight), 1.0
    while _effective(weight) < _LEAST_EFFECTIVE and temper > 1e-4:
        temper *= 0.7
        weight = _normalised(temper * log_weight)
    return weight


def _normalised(log_weight: FloatArray) -> FloatArray:
    weight = np.exp(log_weight - np.max(log_weight, initial=-1e300))
    out: FloatArray = weight / np.maximum(weight.sum(), 1e-300)
    return out


def _effective(weight: FloatArray) -> float:
    """Return how many samples of equal weight would say as much."""
    return 1.0 / float(np.sum(weight**2))


def _posterior(parameters: FloatArray, weight: FloatArray) -> MassPosterior:
    kept = weight > 0.0
    weight, parameters = weight[kept] / weight[kept].sum(), parameters[kept]
    mchirp = chirp_mass_msun(parameters)
    mean = float(weight @ mchirp)
    return MassPosterior(parameters, weight, mean, float(np.sqrt(weight @ (mchirp - mean) ** 2)))
