"""What a model makes of real events: ``python -m pipelines.evaluate.events --model carillon``.

The strain of :data:`EVENTS` under a folder (``TOCSIN_TEST_DATA``, or ``--data``) goes through the live loop, opened
wide: every event becomes a candidate. Of each known event: SNR in each detector and in all, beside what was published,
and the false-alarm rate that the model's shipped background gives; and the loudest candidate more than a second away,
which must not be loud.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipelines.feeds.archive import Archive
from pipelines.search import compose, one_by_one, search
from stream.errors import ConfigurationError
from stream.records import Candidate, Masked, Snapshot
from stream.settings import Settings, with_detectors
from stream.timebase import HOPS_PER_S, NS_PER_S

VARIABLE = "TOCSIN_TEST_DATA"
_NEAR_S = 0.1
_AWAY_S = 1.0
_WIDE_HZ = 1e9


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
    """An event as the model heard it; ``far_hz`` is None where its background says nothing of such events."""

    gps_s: float
    statistic: float
    far_hz: float | None
    network_snr: float
    snrs: dict[str, float]

    @classmethod
    def of(cls, candidate: Candidate) -> Heard:
        """Return what is printed of a candidate."""
        snrs = {name: round(snr, 2) for name, snr in candidate.peak.per_detector}
        return cls(
            round(candidate.gps_ns / NS_PER_S, 4),
            round(candidate.peak.statistic, 2),
            None if candidate.background.source == "unmeasured" else candidate.far_hz,
            round(sum(snr**2 for snr in snrs.values()) ** 0.5, 2),
            snrs,
        )


@dataclass(slots=True)
class _All:
    """Keeps every candidate."""

    found: list[Candidate] = field(default_factory=list)

    def candidate(self, candidate: Candidate, _: Snapshot) -> None:
        self.found.append(candidate)

    def masked(self, masked: Sequence[Masked]) -> None:
        """What is not heard is not asked for."""


def candidates_of(paths: Sequence[Path], model: str) -> list[Candidate]:
    """Return everything that the live loop hears in files, with the false-alarm rates of the shipped background."""
    archive = Archive.open(paths)
    plain = Settings.model_construct()
    wide = {"far_threshold_hz": _WIDE_HZ, "slides": 0}
    settings = plain.model_copy(
        update={
            "infer": plain.infer.model_copy(update={"model": model, "threads": 1}),
            "significance": plain.significance.model_copy(update=wide),
        }
    )
    stages, kept = compose(with_detectors(settings, archive.detectors)), _All()
    search(one_by_one(archive.blocks(HOPS_PER_S)), stages, kept)
    stages.close()
    return kept.found


def loudest(candidates: Sequence[Candidate]) -> Heard | None:
    """Return the candidate of the smallest false-alarm rate, and of those the largest statistic."""
    best = min(candidates, key=lambda c: (c.far_hz, -c.peak.statistic), default=None)
    return None if best is None else Heard.of(best)


def measure(folder: Path, model: str) -> dict[str, object]:
    """Return, for each event that the folder holds, what was heard of it and what else."""
    rows: dict[str, object] = {}
    for known in EVENTS:
        found = candidates_of(_files(folder, known.pattern), model)
        apart = [abs(c.gps_ns / NS_PER_S - known.gps_s) for c in found]
        rows[known.name] = {
            "heard": _as_dict(loudest([c for c, s in zip(found, apart, strict=True) if s < _NEAR_S])),
            "published": {"network_snr": known.network_snr, "snrs": known.snrs},
            "loudest_other": _as_dict(loudest([c for c, s in zip(found, apart, strict=True) if s > _AWAY_S])),
        }
    rows["noise"] = {"loudest_other": _as_dict(loudest(candidates_of(_files(folder, NOISE), model)))}
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
    parser = argparse.ArgumentParser(description="What a model makes of real events.")
    parser.add_argument("--data", type=Path, default=os.environ.get(VARIABLE), help=f"folder of data; or {VARIABLE}")
    parser.add_argument("--model", default="carillon", help="name or folder of a matched-filter network")
    options = parser.parse_args()
    if options.data is None:
        parser.error(f"name a folder of data with --data, or set {VARIABLE}")
    print(json.dumps(measure(options.data, options.model), indent=1))


if __name__ == "__main__":
    main()
