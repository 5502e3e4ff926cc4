"""What the matched-filter network makes of real events: ``python -m pipelines.evaluate.events``.

The strain of :data:`EVENTS` under a folder (``TOCSIN_TEST_DATA``, or ``--data``) goes through alignment, conditioner,
network and ranking, as it does live. Of each event: SNR in each detector and in all, beside what was published; and
the loudest that was heard more than a second away, which must not be loud.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from pipelines.feeds.archive import Archive
from stream.align import Aligner
from stream.condition import Conditioner
from stream.detect.coincide import coincide
from stream.detect.extrinsic import load_extrinsic
from stream.detect.ranking import Events, Ranking, heard_at, relative_at
from stream.errors import ConfigurationError
from stream.infer.filterbank.bank import read_bank
from stream.infer.filterbank.stage import FilterBank, FilterBankStage
from stream.records import Triggers
from stream.settings import InferSettings, Settings, with_detectors
from stream.timebase import HOPS_PER_S, NS_PER_S

VARIABLE = "TOCSIN_TEST_DATA"
_NEAR_S = 0.1
_AWAY_S = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """An event: its files, when it merged, and its published SNRs, of all detectors and of each where stated.

    Of all: GstLAL in GWTC-1 (arXiv:1811.12907), the catalogue of GWTC-3 (arXiv:2111.03606). Of each: 3-OGC
    (arXiv:2105.09151).
    """

    name: str
    pattern: str
    gps_s: float
    network_snr: float
    snrs: dict[str, float] = field(default_factory=dict)


EVENTS = (
    Known("GW150914", "GW150914/*_4_V2*.hdf5", 1126259462.42, 24.4, {"H1": 19.9, "L1": 13.0}),
    Known("GW151226", "GW151226/*-32.hdf5", 1135136350.65, 13.1, {"H1": 10.5, "L1": 7.4}),
    Known("GW200129", "GW200129/*.hdf5", 1264316116.4, 26.8),
    Known("GW200311", "GW200311_115853/*.hdf5", 1267963151.3, 17.8),
)
NOISE = "noise/*.hdf5"


@dataclass(frozen=True, slots=True)
class Heard:
    """An event as the network heard it."""

    gps_s: float
    statistic: float
    network_snr: float
    snrs: dict[str, float]


def triggers_of(paths: Sequence[Path], shared: FilterBank) -> list[Triggers]:
    """Return the triggers of each detector in files, as the live loop would have them."""
    archive = Archive.open(paths)
    settings = with_detectors(Settings.model_construct(), archive.detectors)
    align = Aligner(settings.align, settings.strain)
    condition = {name: Conditioner(name, settings.condition) for name in archive.detectors}
    stages = {name: FilterBankStage(name, shared) for name in archive.detectors}
    found: dict[str, list[Triggers]] = {name: [] for name in archive.detectors}
    spans = [span for block in archive.blocks(HOPS_PER_S) for span in align.push(block)]
    for span in [*spans, *align.flush()]:
        for segment in span.segments:
            found[segment.detector].append(stages[segment.detector].step(condition[segment.detector].step(segment)))
    return [Triggers.joined(parts) for parts in found.values()]


def events_of(triggers: Sequence[Triggers], ranking: Ranking) -> Events:
    """Return what the ranking makes of them."""
    together = coincide(triggers, ranking.term)
    return ranking.events(together, heard_at(triggers, together.time_ns), relative_at(triggers, together.time_ns))


def loudest(events: Events, inside: np.ndarray) -> Heard | None:
    """Return the event of the largest statistic among some."""
    rows = np.flatnonzero(inside)
    if not len(rows):
        return None
    k = int(rows[events.statistic[rows].argmax()])
    seen = events.loudest.seen
    snrs = {name: round(float(abs(z)), 2) for name, z in zip(seen.detectors, seen.snr[k], strict=True) if z}
    total = float(np.sqrt(sum(snr**2 for snr in snrs.values())))
    gps_s = round(float(events.time_ns[k] / NS_PER_S), 4)
    return Heard(gps_s, round(float(events.statistic[k]), 2), round(total, 2), snrs)


def measure(folder: Path, shared: FilterBank, ranking: Ranking) -> dict[str, object]:
    """Return, for each event that the folder holds, what was heard of it and what else."""
    rows: dict[str, object] = {}
    for known in EVENTS:
        events = events_of(triggers_of(_files(folder, known.pattern), shared), ranking)
        apart = np.abs(events.time_ns / NS_PER_S - known.gps_s)
        rows[known.name] = {
            "heard": _as_dict(loudest(events, apart < _NEAR_S)),
            "published": {"network_snr": known.network_snr, "snrs": known.snrs},
            "loudest_other": _as_dict(loudest(events, apart > _AWAY_S)),
        }
    events = events_of(triggers_of(_files(folder, NOISE), shared), ranking)
    rows["noise"] = {"loudest_other": _as_dict(loudest(events, np.ones(len(events), dtype=np.bool_)))}
    return rows


def _as_dict(heard: Heard | None) -> dict[str, object] | None:
    return None if heard is None else asdict(heard)


def _files(folder: Path, pattern: str) -> list[Path]:
    found = sorted((folder / "strain").glob(pattern))
    if not found:
        raise ConfigurationError(f"{folder} holds no strain/{pattern}: fetch it with tocsin fetch, or name another")
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="What the matched-filter network makes of real events.")
    parser.add_argument("--data", type=Path, default=os.environ.get(VARIABLE), help=f"folder of data; or {VARIABLE}")
    options = parser.parse_args()
    if options.data is None:
        parser.error(f"name a folder of data with --data, or set {VARIABLE}")
    bank = read_bank()
    shared = FilterBank(bank, InferSettings(threads=1))
    try:
        print(json.dumps(measure(options.data, shared, Ranking(bank.ln_weight, load_extrinsic())), indent=1))
    finally:
        shared.close()


if __name__ == "__main__":
    main()
