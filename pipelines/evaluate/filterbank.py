"""How far the matched-filter network itself sees: its own triggers, with the live ranking, beside the limit.

``python -m pipelines.evaluate.filterbank --out DIR``. As :mod:`pipelines.evaluate.ranking`, with the triggers of
:class:`~stream.infer.filterbank.stage.FilterBankStage`: graph, weights that follow the spectrum, data that end 94 ms
after the merger. Triggers are kept in the folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.evaluate.population import Population
from pipelines.evaluate.ranking import RankedSearch
from pipelines.evaluate.scene import (
    END_S,
    O3A_GLITCH_RATE_HZ,
    RATE_HZ,
    SETTLED_S,
    START_S,
    Scene,
    SceneConfig,
)
from pipelines.evaluate.searched import FARS_HZ
from pipelines.evaluate.sensitivity import evaluate, plan
from pipelines.progress import progress
from stream.condition import Conditioner
from stream.infer.filterbank.bank import SHIPPED, read_bank
from stream.infer.filterbank.stage import FilterBank, FilterBankStage
from stream.records import Segment, Triggers
from stream.settings import ConditionSettings, InferSettings
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import FloatArray


@dataclass(frozen=True, slots=True)
class NetworkSearch(RankedSearch):
    """The network with one of the rankings."""

    @property
    def label(self) -> str:
        """Return its name in the report."""
        return f"network-{self.rule}"

    def _make(self, scene: Scene, name: str) -> Triggers:
        """Filter a stretch's strain."""
        return network_triggers(scene.strain(name), name, self.bank, self.floor)


def network_triggers(strain: Iterable[FloatArray], name: str, bank: Path, floor: float = 4.0) -> Triggers:
    """Filter a stretch's strain, second by second; return the triggers of what lies between settling and end."""
    shared = FilterBank(read_bank(bank), InferSettings(threads=1))
    conditioner, stage = Conditioner(name, ConditionSettings()), FilterBankStage(name, shared, floor)
    good, found = np.ones(HOPS_PER_S, dtype=np.bool_), []
    for k, second in enumerate(strain):
        white = conditioner.step(Segment(name, (START_S + k) * NS_PER_S, RATE_HZ, second, good))
        found.append(stage.step(white))
    shared.close()
    return Triggers.joined(found[SETTLED_S : len(found) - END_S])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="How far the matched-filter network sees.")
    parser.add_argument("--out", type=Path, required=True, help="folder of triggers and report")
    parser.add_argument("--bank", type=Path, default=SHIPPED, help="bank.npz")
    parser.add_argument("--injections", type=int, default=1000)
    parser.add_argument("--years", type=float, default=3.0)
    parser.add_argument("--floor", type=float, default=4.0)
    parser.add_argument("--spectrum", default="aLIGO_O4", help="a named one, or random")
    parser.add_argument("--glitches", action="store_true")
    parser.add_argument("--precessing", action="store_true", help="isotropic spins, and not their aligned parts alone")
    parser.add_argument("--glitch-term", type=Path, help="coefficients of the learned glitch term: rank by it too")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    scene = SceneConfig(
        seed=arguments.seed,
        spectrum=arguments.spectrum,
        glitch_rate_hz=O3A_GLITCH_RATE_HZ if arguments.glitches else 0.0,
        population=Population(precessing=arguments.precessing),
    )
    kept = arguments.out / "triggers"
    searchers = [NetworkSearch("C", arguments.bank, kept, arguments.floor)]
    if arguments.glitch_term is not None:
        searchers.append(NetworkSearch("D", arguments.bank, kept, arguments.floor, arguments.glitch_term))
    with progress("stretches searched", "") as shown:
        measured = evaluate(plan(scene, arguments.injections, arguments.years), searchers, arguments.out, shown, 1)
    fractions = {
        name: {far: row["fraction_of_limit"][far] for far in FARS_HZ} for name, row in measured.summary.items()
    }
    print(json.dumps({"fraction_of_limit": fractions, "summary": measured.summary}, indent=1))


if __name__ == "__main__":
    main()
