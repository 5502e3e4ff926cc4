"""The set of injections, and BAYESTAR's map of each, kept in files: a change of our own code computes none anew."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.evaluate.skymap_injections import Kind, SkyInjection, inject
from stream.localize.bayestar import bayestar_map, ligo_skymap
from stream.records.followup import SkyMap

_SETS: tuple[tuple[tuple[Kind, ...], tuple[str, ...]], ...] = (
    (("bbh",), ("H1", "L1")),
    (("bbh",), ("H1", "L1", "V1")),
    (("nsbh", "bns"), ("H1", "L1")),
    (("nsbh", "bns"), ("H1", "L1", "V1")),
)


@dataclass(frozen=True, slots=True)
class PeerMap:
    """BAYESTAR's map of an injection, and what it took."""

    skymap: SkyMap
    seconds: float


def injection(seed: int, index: int) -> SkyInjection:
    """Return an injection of the set: four kinds in turn, so that any part of the set has them all."""
    kinds, detectors = _SETS[index % len(_SETS)]
    return inject(kinds[index // len(_SETS) % len(kinds)], detectors, (seed, index))


def peer_map(made: SkyInjection, response_factor: float, folder: Path) -> PeerMap:
    """Return BAYESTAR's map of an injection, from the folder if it is there."""
    kept = kept_peer_map(made, response_factor, folder)
    if kept is not None:
        return kept
    ligo_skymap()  # what it takes to load is not its map's
    begin = time.perf_counter()
    found = bayestar_map(made.series, response_factor)
    peer = PeerMap(found, time.perf_counter() - begin)
    folder.mkdir(parents=True, exist_ok=True)
    _write(peer, folder / f"{_key(made, response_factor)}.npz")
    return peer


def kept_peer_map(made: SkyInjection, response_factor: float, folder: Path) -> PeerMap | None:
    """Return BAYESTAR's map of an injection if it is in the folder."""
    path = folder / f"{_key(made, response_factor)}.npz"
    return _read(path) if path.exists() else None


def _key(made: SkyInjection, response_factor: float) -> str:
    """Name all that the peer's map depends on: its input, bit by bit, its setting and its version."""
    from ligo.skymap import __version__  # noqa: PLC0415

    digest = hashlib.sha256(f"{__version__} {response_factor}".encode())
    for s in made.series:
        digest.update(f"{s.detector} {s.gps_ns} {s.sample_rate_hz} {s.sigma_mpc:.6g}".encode())
        digest.update(np.round(s.snr.view(np.float32) * 1000.0).astype(np.int32).tobytes())
    return digest.hexdigest()[:20]


def _write(peer: PeerMap, path: Path) -> None:
    m = peer.skymap
    kept: dict[str, object] = {"uniq": m.uniq, "probdensity": m.probdensity, "seconds": peer.seconds}
    kept |= {"distmu": m.distmu_mpc, "distsigma": m.distsigma_mpc, "distnorm": m.distnorm}
    kept |= {"distance": (m.distmean_mpc, m.diststd_mpc), "detectors": m.detectors, "gps_ns": m.gps_ns}
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{name: np.asarray(value) for name, value in kept.items()})
    unfinished.replace(path)


def _read(path: Path) -> PeerMap:
    with np.load(path) as kept:
        mean, std = kept["distance"].tolist()
        found = SkyMap(
            kept["uniq"], kept["probdensity"], kept["distmu"], kept["distsigma"], kept["distnorm"], mean, std,
            tuple(kept["detectors"].tolist()), int(kept["gps_ns"]), "BAYESTAR",
        )  # fmt: skip
        return PeerMap(found, float(kept["seconds"]))
