"""Choose the template bank from a seed: ``python -m pipelines.train.bank``.

Few templates serve a population well if they stand where its detected binaries are. Candidates come from the population
and from all over the space; they are taken one by one, each time the one by which the sum over draws of FF^3, weighted
by the volume in which a draw is seen (sigma^3), grows most. The volume that a search with the bank keeps is just that
sum, hence the cube.

The population: component masses uniform in 7 to 50 solar masses (detector frame), aligned parts of isotropic spins up
to 0.9. It has 85 % of the weight. The rest is log-uniform in 5 to 100 with the same spins, each draw with the same
weight however far it is seen, so that light and heavy binaries are not forgotten.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft

from pipelines.progress import Progress, progress
from stream.infer.filterbank.bank import SHIPPED, Bank, write_bank
from stream.infer.filterbank.waveforms import chirp_mass_msun, frequencies_hz, waveforms
from stream.infer.model import record_hash
from stream.simulate.psds import psd
from stream.types import Complex64Array, Float32Array, FloatArray, IntArray
from stream.units import STRAIN_SCALE

_CIRCLE_S = 2
_LOW_HZ, _HIGH_HZ = 18.0, 512.0
_N_FFT = 2048  # of the match: 0.98 ms apart, refined by a parabola
_MAX_SPIN = 0.9
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class BankConfig:
    """How large the bank is, from how many candidates it is chosen, and how many draws judge it."""

    seed: int = 20261124
    templates: int = 200
    candidates: int = 6000
    draws: int = 5000
    population_msun: tuple[float, float] = (7.0, 50.0)
    wide_msun: tuple[float, float] = (5.0, 100.0)
    population_share: float = 0.85


@dataclass(frozen=True, slots=True)
class Draws:
    """Binaries, shape (n, 4), the share of detections that each stands for, and which are of the population proper."""

    parameters: FloatArray
    weight: FloatArray
    proper: IntArray


def draw(rng: np.random.Generator, count: int, config: BankConfig) -> Draws:
    """Draw binaries: the first half from the population, the others from the wide range."""
    half = count // 2
    narrow = rng.uniform(*config.population_msun, (half, 2))
    low, high = np.log(config.wide_msun)
    wide = np.exp(rng.uniform(low, high, (count - half, 2)))
    masses = np.sort(np.concatenate((narrow, wide)), axis=1)[:, ::-1]
    # The part along the orbit of an isotropic spin of uniform magnitude.
    spins = rng.uniform(0.0, _MAX_SPIN, (count, 2)) * rng.uniform(-1.0, 1.0, (count, 2))
    parameters = np.concatenate((masses, spins), axis=1)
    volume = sigma_mpc(parameters[:half]) ** 3
    weight = np.concatenate(
        (
            config.population_share * volume / volume.sum(),
            np.full(count - half, (1.0 - config.population_share) / (count - half)),
        )
    )
    return Draws(parameters, weight, np.arange(half))


def candidates(rng: np.random.Generator, config: BankConfig) -> FloatArray:
    """Return candidates, shape (n, 4): a third each from the population, the wide range, and any aligned spins."""
    third = config.candidates // 3
    drawn = draw(rng, 2 * third, config).parameters
    free = draw(rng, 2 * third, config).parameters[third:].copy()
    free[:, 2:] = rng.uniform(-_MAX_SPIN, _MAX_SPIN, (third, 2))
    return np.concatenate((drawn, free))


def _spectra(parameters: FloatArray) -> Complex64Array:
    """Return whitened spectra in the band of a match, shape (n, n_band)."""
    frequency = frequencies_hz(_CIRCLE_S)
    band = (frequency >= _LOW_HZ) & (frequency <= _HIGH_HZ)
    inverse_asd = (psd("aLIGO_O4").at(frequency[band]) ** -0.5 / STRAIN_SCALE).astype(np.float32)
    return waveforms(parameters, _CIRCLE_S)[:, band] * inverse_asd


def sigma_mpc(parameters: FloatArray) -> FloatArray:
    """Return the SNR of binaries at 1 Mpc, face-on, in ``aLIGO_O4``, shape (n,)."""
    power = (np.abs(_spectra(parameters)) ** 2).sum(axis=1, dtype=np.float64)
    sigma: FloatArray = np.sqrt(4.0 * power / _CIRCLE_S)
    return sigma


def matches(
    binaries: FloatArray, templates: FloatArray, report: Progress | None = None, work: Path | None = None
) -> Float32Array:
    """Return the match of each binary with each template, shape (n_binaries, n_templates), 0 where masses are far off.

    Over time and phase; what the chirp masses tell apart by far is not computed. What a run that was cut off left in
    the work folder is not computed again.
    """
    known, masses = _unit(_spectra(templates)), chirp_mass_msun(templates)
    out = np.zeros((len(binaries), len(templates)), dtype=np.float32)
    for start in range(0, len(binaries), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        kept = None if work is None else work / f"matches-{start}.npy"
        if kept is not None and kept.exists():
            out[rows] = np.load(kept)
        else:
            out[rows] = _matches(binaries[rows], known, masses)
        if kept is not None and not kept.exists():
            np.save(kept.with_suffix(".part.npy"), out[rows])
            kept.with_suffix(".part.npy").replace(kept)
        if report is not None:
            report(min(start + _AT_ONCE, len(binaries)), len(binaries))
    return out


def _matches(binaries: FloatArray, known: Complex64Array, masses: FloatArray) -> Float32Array:
    out = np.zeros((len(binaries), len(known)), dtype=np.float32)
    for row, seen, own in zip(out, _unit(_spectra(binaries)), chirp_mass_msun(binaries), strict=True):
        # Light binaries make many cycles: their matches fall off quickly.
        near = np.flatnonzero(np.abs(np.log(masses / own)) < min(0.06 + 0.007 * own, 0.4))
        row[near] = _top(np.abs(scipy.fft.ifft(known[near].conj() * seen, _N_FFT, axis=1)) * _N_FFT)
    return out


def _unit(spectra: Complex64Array) -> Complex64Array:
    unit: Complex64Array = spectra / np.linalg.norm(spectra, axis=1, keepdims=True)
    return unit


def _top(power: Float32Array) -> Float32Array:
    """Return the top of the parabola through each row's maximum and its neighbours, shape (n,)."""
    rows = np.arange(len(power))
    at = power.argmax(axis=1) if len(power) else np.zeros(0, dtype=np.int64)
    low, middle, high = (power[rows, (at + step) % _N_FFT] for step in (-1, 0, 1))
    top: Float32Array = middle + (high - low) ** 2 / (8.0 * np.maximum(2.0 * middle - low - high, 1e-12))
    return top


def choose(match: Float32Array, weight: FloatArray, count: int) -> IntArray:
    """Return the candidates that together keep most volume, in the order in which they were taken."""
    cubes, share = match**3, weight.astype(np.float32)
    best = np.zeros(len(match), dtype=np.float32)
    chosen = np.zeros(count, dtype=np.int64)
    for k in range(count):
        gain = share @ np.maximum(cubes, best[:, None])
        chosen[k] = gain.argmax()
        best = np.maximum(best, cubes[:, chosen[k]])
    return chosen


def weigh(match: Float32Array, weight: FloatArray) -> FloatArray:
    """Return the logarithm of the share of detections whose best template is each, shape (n_templates,).

    Half a draw is added to each, so that none is impossible.
    """
    count = np.bincount(match.argmax(axis=1), weight, match.shape[1]) * _effective(weight) / weight.sum() + 0.5
    share: FloatArray = np.log(count / count.sum())
    return share


def _effective(weight: FloatArray) -> float:
    """Return how many equal draws tell as much as these."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def figures(match: Float32Array, draws: Draws) -> dict[str, float]:
    """Return how well a bank fits draws that it was not chosen by; fitting factors are over time and phase."""
    best = match.max(axis=1).astype(np.float64)
    population = draws.proper
    share = draws.weight[population] / draws.weight[population].sum()
    wide = np.delete(best, population)
    light = population[chirp_mass_msun(draws.parameters[population]).argsort()[: len(population) // 10]]
    values = {
        "population_cube_mean": float((share @ best[population] ** 3) ** (1 / 3)),
        "population_median": float(np.median(best[population])),
        "population_first_percentile": float(np.percentile(best[population], 1)),
        "population_minimum": float(best[population].min()),
        "lightest_tenth_mean": float(best[light].mean()),
        "wide_mean": float(wide.mean()),
        "wide_first_percentile": float(np.percentile(wide, 1)),
        "wide_minimum": float(wide.min()),
    }
    return {name: round(value, 4) for name, value in values.items()}


def make_bank(config: BankConfig, work: Path | None = None) -> tuple[Bank, dict[str, float]]:
    """Choose a bank and return it with its figures; everything follows from the seed.

    Parameters
    ----------
    config : BankConfig
    work : Path, optional
        Folder of the matches that are computed already, with this config.
    """
    rng = np.random.default_rng(config.seed)
    draws, offered = draw(rng, config.draws, config), candidates(rng, config)
    with progress("matches", "binaries") as report:
        match = matches(draws.parameters, offered, report, work)
    taken = offered[choose(match, draws.weight, config.templates)]
    templates = taken[chirp_mass_msun(taken).argsort()]
    judges = draw(rng, 2 * config.draws, config)
    with progress("weights", "binaries") as report:
        match = matches(judges.parameters, templates, report)
    return Bank(templates, weigh(match, judges.weight), sigma_mpc(templates)), figures(match, judges)


def card(config: BankConfig, values: dict[str, float]) -> str:
    """Return what the bank is, as TOML."""
    lines = [
        "# Made by: python -m pipelines.train.bank",
        'waveform = "IMRPhenomXAS"',
        'spectrum = "aLIGO_O4"',
        f"seed = {config.seed}",
        f"templates = {config.templates}",
        f"candidates = {config.candidates}",
        f"draws = {config.draws}",
        f"population_msun = {list(config.population_msun)}",
        f"wide_msun = {list(config.wide_msun)}",
        f"population_share = {config.population_share}",
        "",
        "[fitting_factor]  # of binaries with aligned spins that the bank was not chosen by",
        *(f"{name} = {value}" for name, value in values.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the bank, and print what the model's card says of it."""
    parser = argparse.ArgumentParser(description="Choose the template bank from a seed.")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where to write")
    parser.add_argument("--templates", type=int, default=BankConfig().templates)
    parser.add_argument("--seed", type=int, default=BankConfig().seed)
    options = parser.parse_args()
    config = BankConfig(seed=options.seed, templates=options.templates)
    bank, values = make_bank(config)
    write_bank(bank, options.out)
    record_hash(options.out.parent, options.out.name)
    print(card(config, values), end="")


if __name__ == "__main__":
    main()
