"""How far the matched-filter network sees by the rules of MLGWSC-1: ``python -m pipelines.evaluate.mlgwsc``.

Data, rules and formula are in :mod:`pipelines.evaluate.challenge`. Each stretch's result is a file in the folder, so
that a run that was stopped goes on, and one that is given more hours adds to what is there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.evaluate.challenge import DATASETS, PUBLISHED_MPC, ChallengeScene, figures, largest_of_a_month, reach
from pipelines.evaluate.filterbank import NetworkSearch
from pipelines.evaluate.scene import END_S, SETTLED_S
from pipelines.evaluate.searched import Counts, Searched, Searcher
from pipelines.progress import Progress, progress
from stream.infer.filterbank.bank import SHIPPED

STRETCH_S = 7200
KNOWN_TEMPLATE_SNR = 6.7
"""Optimal network SNR of the sharp threshold that sees as far as a matched filter which knows each binary's waveform,
at one false alarm a month (decision 14): what these very injections allow at best."""

VARIABLE = "TOCSIN_TEST_DATA"


@dataclass(frozen=True, slots=True)
class Entry:
    """What to measure: dataset, seed, how many stretches of :data:`STRETCH_S`, and the challenge's spectra."""

    dataset: int
    seed: int
    stretches: int
    spectra: Path | None
    stretch_s: int = STRETCH_S

    @classmethod
    def of(cls, dataset: int, hours: float, seed: int, spectra: Path | None) -> Entry:
        """Return as many stretches as fill some hours."""
        return cls(dataset, seed, max(1, math.ceil(hours * 3600 / STRETCH_S)), spectra, STRETCH_S)


def measure(entry: Entry, searchers: Sequence[Searcher], folder: Path, shown: Progress | None = None) -> dict[str, Any]:
    """Search all stretches by all searches, and return the figures beside the published ones."""
    folder.mkdir(parents=True, exist_ok=True)
    mass: list[float] = []
    snr: list[float] = []
    found: dict[str, list[Searched]] = {s.label: [] for s in searchers}
    for k in range(entry.stretches):
        scene = ChallengeScene(entry.dataset, entry.seed, k, entry.stretch_s, entry.spectra)
        mass += [one.parameters.chirp_mass_msun for one in scene.injections]
        snr += [one.network_snr for one in scene.injections]
        for searcher in searchers:
            found[searcher.label].append(_searched(entry, scene, searcher, folder))
        if shown is not None:
            shown(k + 1, entry.stretches)
    joined = {
        label: Searched(np.concatenate([p.ranks for p in parts]), Counts.joined([p.background for p in parts]))
        for label, parts in found.items()
    }
    hours = entry.stretches * (entry.stretch_s - SETTLED_S - END_S) / 3600
    ours = {label: figures(entry.dataset, entry.seed, np.array(mass), s) for label, s in joined.items()}
    largest = largest_of_a_month(entry.dataset, entry.seed)
    return {
        "dataset": entry.dataset,
        "hours": round(hours, 2),
        "ours": ours,
        "known_template_at_1/month": reach(np.array(mass), np.array(snr) > KNOWN_TEMPLATE_SNR, largest).as_dict(),
        "published_mpc_at_1/month": PUBLISHED_MPC.get(entry.dataset, {}),
    }


def _searched(entry: Entry, scene: ChallengeScene, searcher: Searcher, folder: Path) -> Searched:
    """Return what a search made of a stretch, from the folder if it is there."""
    path = folder / f"{entry.dataset}.{entry.seed}.{entry.stretch_s}.{scene.index}.{searcher.label}.json"
    if not path.exists():
        made = searcher.search(scene, float(entry.stretch_s) ** 2)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(made.as_dict()) + "\n")
        part.replace(path)
    return Searched.from_dict(json.loads(path.read_text()))


def spectra_folder(given: Path | None) -> Path | None:
    """Return the folder of the challenge's spectra: as given, or among the test data."""
    data = os.environ.get(VARIABLE)
    return given if given is not None or not data else Path(data) / "psd" / "mlgwsc1"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="How far the matched-filter network sees by the rules of MLGWSC-1.")
    parser.add_argument("--out", type=Path, required=True, help="folder of triggers and results")
    parser.add_argument("--dataset", type=int, choices=DATASETS, default=1)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--spectra", type=Path, help=f"folder of the challenge's spectra; or {VARIABLE}")
    parser.add_argument("--bank", type=Path, default=SHIPPED, help="bank.npz")
    parser.add_argument("--glitch-term", type=Path, help="coefficients of the learned glitch term: rank by it too")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    entry = Entry.of(options.dataset, options.hours, options.seed, spectra_folder(options.spectra))
    kept = options.out / f"triggers-{entry.dataset}-{entry.seed}"
    searchers = [NetworkSearch("C", options.bank, kept)]
    if options.glitch_term is not None:
        searchers.append(NetworkSearch("D", options.bank, kept, glitch_term=options.glitch_term))
    with progress("stretches searched", "") as shown:
        print(json.dumps(measure(entry, searchers, options.out, shown), indent=1))


if __name__ == "__main__":
    main()
