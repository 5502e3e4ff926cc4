"""What the matched-filter network hears of signal-free noise: triggers, kept in a folder, as a background begins with.

The noise is that of :mod:`pipelines.evaluate.stretches`, through the real conditioner and the network. What is kept is
raw, with chi-squareds and without a glitch term: a ranking that changes costs its own time alone. A run that was cut
off goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from pipelines.evaluate.stretches import CHUNK_S, RATE_HZ, NoiseConfig, strain_of
from stream.condition import Conditioner
from stream.infer.filterbank.stage import FilterBank, FilterBankStage
from stream.records import Segment, Triggers
from stream.settings import ConditionSettings
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import BoolArray, Float32Array

START_S = 1_400_000_000
"""GPS second at which every stretch begins."""

_TAPS_EVERY_CHUNKS = 4


@dataclass(frozen=True, slots=True)
class Heard:
    """One detector's triggers of one stretch.

    Attributes
    ----------
    triggers : Triggers
    taps : array of float32, shape (n, n_taps)
        The whitening filter in force, every 16 s from the start; zero before the first.
    """

    triggers: Triggers
    taps: Float32Array


def filter_stretch(shared: FilterBank, config: NoiseConfig, stretch: int, detector: str) -> Heard:
    """Condition and filter one detector's noise as the live search does."""
    conditioner, stage = Conditioner(detector, ConditionSettings()), FilterBankStage(detector, shared)
    strain, n = strain_of(config, stretch, detector), CHUNK_S * RATE_HZ
    good: BoolArray = np.ones(CHUNK_S * HOPS_PER_S, dtype=np.bool_)
    pieces, taps = [], []
    for k in range(len(strain) // n):
        at_ns = (START_S + k * CHUNK_S) * NS_PER_S
        white = conditioner.step(Segment(detector, at_ns, RATE_HZ, strain[k * n : (k + 1) * n], good))
        pieces.append(stage.step(white))
        if k % _TAPS_EVERY_CHUNKS == 0:
            taps.append(conditioner.taps.astype(np.float32) if conditioner.psd_ready else None)
    width = max(len(t) for t in taps if t is not None)
    filled = np.stack([np.zeros(width, np.float32) if t is None else t for t in taps])
    return Heard(Triggers.joined(pieces), filled)


def heard(
    shared: Callable[[], FilterBank], network: str, config: NoiseConfig, stretch: int, detector: str, folder: Path
) -> Heard:
    """Return a stretch's triggers, from ``folder`` if they are there already; they are put there otherwise.

    Parameters
    ----------
    shared : callable
        Gives the network; called only if something is to be filtered.
    network : str
        Hash of what makes the triggers: those of another network are not taken.
    """
    of = json.dumps([network, asdict(replace(config, stretches=0, detectors=()))], sort_keys=True).encode()
    path = folder / f"triggers-{hashlib.sha256(of).hexdigest()[:12]}-{stretch}-{detector}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = filter_stretch(shared(), config, stretch, detector)
        t, temporary = made.triggers, path.with_suffix(".part.npz")
        np.savez(
            temporary, gps_ns=t.gps_ns, duration_ns=t.duration_ns, valid=t.valid, template=t.template.astype(np.int16),
            time_ns=t.time_ns, snr=t.snr, chisq=t.chisq, taps=made.taps,
        )  # fmt: skip
        temporary.replace(path)
    with np.load(path) as kept:
        triggers = Triggers(
            detector, int(kept["gps_ns"]), int(kept["duration_ns"]), kept["valid"], kept["template"].astype(np.int32),
            kept["time_ns"], kept["snr"], kept["chisq"], np.zeros(len(kept["snr"]), np.float32),
            np.ones(len(kept["valid"]), np.float32),
        )  # fmt: skip
        return Heard(triggers, kept["taps"])
