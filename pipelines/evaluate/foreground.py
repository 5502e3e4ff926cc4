"""Measure a model's foreground: how often signals of each ranking statistic come, for p_astro.

``tocsin evaluate foreground MODEL``. Binaries of the population (:mod:`pipelines.evaluate.population`) are added to
simulated H1 and L1 with glitches, and searched through the loop. Each stands for a volume in flat space; what mergers
per comoving volume and time of the source make of it follows from its distance (Planck 2018). The density of noise
falls as the model's background says, which has to be there. The result joins it in ``background.json``.

The prior rate is that of binary black holes in GWTC-3, 17.9 to 44 a year and cubic gigaparsec at redshift 0.2 (Abbott
et al., PRX 13, 011048 (2023)), its geometric mean. The population's masses are uniform in the detector's frame: that
rate is of a population which is lighter, so that p_astro says what order the odds are of.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.cosmology import Planck18, z_at_value
from astropy.units import Mpc

from pipelines.evaluate.model import ModelSearch
from pipelines.evaluate.population import FAINTEST_SNR, Proposal
from pipelines.evaluate.scene import O3A_GLITCH_RATE_HZ, START_S, Scene, SceneConfig
from pipelines.progress import Progress
from stream.errors import ModelError
from stream.infer import ModelCard
from stream.infer.model import BACKGROUND, record_hash
from stream.significance import Shipped, load_shipped
from stream.significance.classes import coincident
from stream.timebase import NS_PER_S
from stream.types import FloatArray

RATE_PER_GPC3_YR = 28.0
_YEAR_S = 31_557_600.0
_DRAWS = 2000
_FEWEST_NOISE = 10.0
_LEAST_FALL = 0.05


@dataclass(frozen=True, slots=True)
class ForegroundConfig:
    """What is injected, and how the densities are made.

    ``binned``: so many injections make one value. ``least``: quieter ones are noise's.
    """

    scene: SceneConfig = field(default_factory=lambda: SceneConfig(seed=4113, glitch_rate_hz=O3A_GLITCH_RATE_HZ))
    stretches: int = 2
    binned: int = 25
    least: float = -4.0


def measure_foreground(
    card: ModelCard, config: ForegroundConfig, work: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure the foreground, and write it beside the background.

    Raises
    ------
    ModelError
        If the model has no background of the detectors.
    """
    of = coincident(config.scene.detectors)
    noise = load_shipped(card).get(of.name)
    if noise is None:
        raise ModelError(f"model {card.label} has no background of {of.name}: measure it first")
    statistic, signals_hz = injected(card, config, work, progress)
    made = {
        "rate_per_gpc3_yr": RATE_PER_GPC3_YR,
        "rate_from": "GWTC-3, PRX 13, 011048",
        "measured_with": asdict(config),
        "classes": {of.name: densities(statistic, signals_hz, config, noise)},
    }
    path = card.folder / BACKGROUND
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "foreground": made}) + "\n")
    record_hash(card.folder, BACKGROUND)
    return made


def injected(
    card: ModelCard, config: ForegroundConfig, work: Path, progress: Progress | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the statistic of each injection, and how often its like comes for a rate of 1 per Gpc^3 and year."""
    parts = []
    for k in range(config.stretches):
        of = json.dumps([card.network, asdict(config.scene)], sort_keys=True).encode()
        path = work / f"foreground-{hashlib.sha256(of).hexdigest()[:12]}-{k}.npz"
        if not path.exists():
            work.mkdir(parents=True, exist_ok=True)
            scene = Scene(config.scene, k)
            ranks = ModelSearch(f"{card.folder}/", card.label).search(scene, 1.0).ranks
            np.savez(path, ranks=ranks, signals_hz=signal_rates(scene))
        with np.load(path) as kept:
            parts.append((kept["ranks"], kept["signals_hz"] / config.stretches))
        if progress is not None:
            progress(k + 1, config.stretches)
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def signal_rates(scene: Scene) -> FloatArray:
    """Return how often the like of each injection comes, in Hz for one merger a year and cubic gigaparsec.

    All binaries above :data:`FAINTEST_SNR` fill 4 pi / 3 (sigma / faintest)^3 of flat space, sigma being the SNR at
    1 Mpc; the injections share it by their weights.
    """
    config = scene.config
    rng = np.random.default_rng([config.seed, scene.index, 1])
    proposal = Proposal(config.population, config.detectors, list(scene.spectra.values()), rng)
    cube = proposal.mean_cube(START_S * NS_PER_S, _DRAWS)
    weights = np.array([one.weight for one in scene.injections])
    distance = np.array([one.parameters.luminosity_distance_mpc for one in scene.injections])
    gpc3 = 4 * np.pi / 3 * cube / FAINTEST_SNR**3 * weights / len(weights) * 1e-9
    rates: FloatArray = gpc3 * comoving_share(distance) / _YEAR_S
    return rates


def comoving_share(distance_mpc: FloatArray) -> FloatArray:
    """Return comoving volume over (1 + z), for the source's slower clock, per volume of flat space at a distance."""
    z = np.asarray(z_at_value(Planck18.luminosity_distance, distance_mpc * Mpc, zmax=5.0).value)
    step = 1e-3
    nearer, farther = (Planck18.luminosity_distance(z + d).to_value(Mpc) for d in (-step * z, step * z))
    shell = Planck18.differential_comoving_volume(z).value * 4 * np.pi
    share: FloatArray = shell / (1 + z) * (2 * step * z) / (4 * np.pi * distance_mpc**2 * (farther - nearer))
    return share


def densities(
    statistic: FloatArray, signals_hz: FloatArray, config: ForegroundConfig, noise: Shipped
) -> dict[str, list[float]]:
    """Return the densities of one class, on statistics from ``config.least`` up."""
    order = np.argsort(statistic)
    order = order[statistic[order] >= config.least]
    edges = np.arange(0, len(order) - config.binned, config.binned)
    at, density = [], []
    for start in edges.tolist():
        rows = order[start : start + config.binned]
        low, high = statistic[rows[0]], statistic[order[start + config.binned]]
        at.append(round(float(low + high) / 2, 4))
        density.append(float(signals_hz[rows].sum() / (high - low)))
    return {"statistics": at, "signals_hz_per_rate": density, "fall": [round(f, 4) for f in falls(at, noise)]}


def falls(statistics: list[float], noise: Shipped) -> list[float]:
    """Return by what share the rate of noise falls a unit of the statistic; where too little is known, as before."""
    out: list[float] = []
    for s in statistics:
        above, further = noise.rate(s), noise.rate(s + 1.0)
        if further.far_hz * further.duration_s >= _FEWEST_NOISE or not out:
            out.append(max(_LEAST_FALL, float(np.log(above.far_hz / further.far_hz))))
        else:
            out.append(out[-1])
    return out
