"""What the matched-filter network hears of signal-free noise: triggers, kept in a folder, as a background begins with.

The noise is that of :mod:`pipelines.evaluate.stretches`, through the real conditioner and the network. What is kept is
raw, with chi-squareds and without a glitch term: a ranking that changes costs its own time alone. A run that was cut
off goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pipelines.evaluate.stretches import CHUNK_S, RATE_HZ, NoiseConfig, strain_of
from stream.condition import Conditioner
from stream.detect.extrinsic import load_extrinsic
from stream.infer import ModelCard
from stream.infer.filterbank.stage import FilterBank, FilterBankStage
from stream.infer.model import BANK, EXTRINSIC, GRAPH
from stream.records import Segment, Triggers
from stream.settings import ConditionSettings, InferSettings
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import BoolArray

START_S = 1_400_000_000
"""GPS second at which every stretch begins."""


class HeardBy:
    """The network of a model, opened when something is to be filtered.

    Parameters
    ----------
    card : ModelCard
    """

    def __init__(self, card: ModelCard) -> None:
        self._card = card
        self._shared: FilterBank | None = None
        self.term = load_extrinsic(card.folder / EXTRINSIC)

    @property
    def digest(self) -> str:
        """Hash of what makes the triggers: those of another network are not taken."""
        return hashlib.sha256("".join(self._card.digests[file] for file in (BANK, GRAPH)).encode()).hexdigest()

    def shared(self) -> FilterBank:
        """Return what the detectors share."""
        if self._shared is None:
            self._shared = FilterBank.of(self._card, InferSettings(threads=1))
        return self._shared


def filter_stretch(network: HeardBy, config: NoiseConfig, stretch: int, detector: str) -> Triggers:
    """Condition and filter one detector's noise as the live search does."""
    conditioner = Conditioner(detector, ConditionSettings())
    stage = FilterBankStage(detector, network.shared(), nominal=network.term.sensitivity(detector))
    strain, n = strain_of(config, stretch, detector), CHUNK_S * RATE_HZ
    good: BoolArray = np.ones(CHUNK_S * HOPS_PER_S, dtype=np.bool_)
    pieces = []
    for k in range(len(strain) // n):
        at_ns = (START_S + k * CHUNK_S) * NS_PER_S
        segment = Segment(detector, at_ns, RATE_HZ, strain[k * n : (k + 1) * n], good)
        pieces.append(stage.step(conditioner.step(segment)))
    return Triggers.joined(pieces)


def heard(network: HeardBy, config: NoiseConfig, stretch: int, detector: str, folder: Path) -> Triggers:
    """Return a stretch's triggers, from ``folder`` if they are there already; they are put there otherwise."""
    of = json.dumps([network.digest, asdict(replace(config, stretches=0, detectors=()))], sort_keys=True).encode()
    path = folder / f"triggers-{hashlib.sha256(of).hexdigest()[:12]}-{stretch}-{detector}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        t, temporary = filter_stretch(network, config, stretch, detector), path.with_suffix(".part.npz")
        np.savez(
            temporary, gps_ns=t.gps_ns, duration_ns=t.duration_ns, valid=t.valid, template=t.template,
            time_ns=t.time_ns, snr=t.snr, chisq=t.chisq, relative=t.relative,
        )  # fmt: skip
        temporary.replace(path)
    with np.load(path) as kept:
        return Triggers(
            detector, int(kept["gps_ns"]), int(kept["duration_ns"]), kept["valid"], kept["template"],
            kept["time_ns"], kept["snr"], kept["chisq"], np.zeros(len(kept["snr"]), np.float32), kept["relative"],
        )  # fmt: skip
