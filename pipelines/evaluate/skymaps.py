"""What sky maps are worth: injections localized, beside BAYESTAR's maps of the same SNR series.

Each injection is localized twice: with the factor as set, and with 1. BAYESTAR's map of it is kept in the folder.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.evaluate.skymap_figures import summary
from pipelines.evaluate.skymap_injections import Binary, SkyInjection, make_series, optimal_snr
from pipelines.evaluate.skymap_peer import PeerMap, injection, kept_peer_map, peer_map
from pipelines.evaluate.skymap_picture import pp_picture
from pipelines.progress import Progress
from pipelines.show.machine import machine
from pipelines.show.skyplot import plot_skymap
from stream.localize.likeness import overlap, searched
from stream.localize.skymap import localize, warm
from stream.records.followup import SkyMap
from stream.regions import credible_areas_deg2
from stream.settings import LocalizeSettings

_PICTURES = 4
"""Injections that are drawn, one of each kind."""

_GW170817_SNR = 32.4
_GW170817_NS = 1_187_008_882_430_000_000


@dataclass(frozen=True, slots=True)
class SkymapsConfig:
    """What is measured.

    Attributes
    ----------
    injections : int
    seed : int
    peer : bool
        Whether BAYESTAR makes maps of them too.
    peer_limit : int or None
        Of how many; of the others its map counts if it is in the folder.
    settings : LocalizeSettings
    """

    injections: int
    seed: int
    peer: bool
    peer_limit: int | None
    settings: LocalizeSettings

    def peer_of(self, index: int, made: SkyInjection, folder: Path) -> PeerMap | None:
        """Return the peer's map of an injection."""
        if not self.peer:
            return None
        if self.peer_limit is None or index < self.peer_limit:
            return peer_map(made, self.settings.response_factor, folder)
        return kept_peer_map(made, self.settings.response_factor, folder)


def measure(config: SkymapsConfig, out: Path, shown: Progress) -> dict[str, Any]:
    """Localize the injections and write report.json, pp.png and pictures of a few maps into a folder.

    Returns
    -------
    dict
        The report: ``summary``, ``gw170817_like``, ``machine``, ``settings`` and a row of each injection.
    """
    out.mkdir(parents=True, exist_ok=True)
    warm()
    rows = []
    for index in range(config.injections):
        rows.append(_row(config, index, out))
        shown(index + 1, config.injections)
    report = {
        "summary": summary(rows),
        "gw170817_like": _gw170817_like(config, out),
        "machine": machine(),
        "settings": {"response_factor": config.settings.response_factor, "seed": config.seed},
        "injections": rows,
    }
    (out / "report.json").write_text(json.dumps(report, indent=1))
    pp_picture(rows, out / "pp.png")
    return report


def _row(config: SkymapsConfig, index: int, out: Path) -> dict[str, Any]:
    made = injection(config.seed, index)
    begin = time.perf_counter()
    ours = localize(made.series, config.settings)
    seconds = time.perf_counter() - begin
    whole = localize(made.series, _with_factor(config.settings, 1.0))
    binary = made.binary
    row: dict[str, Any] = {
        "index": index,
        "kind": binary.kind,
        "detectors": [s.detector for s in made.series],
        "snr": round(made.snr, 2),
        "distance_mpc": binary.distance_mpc,
        "ours": _figures(ours, binary) | {"seconds": seconds},
        "factor_1": _figures(whole, binary),
        "peer": None,
    }
    peer = config.peer_of(index, made, out / "peer")
    if peer is not None:
        row["peer"] = _figures(peer.skymap, binary) | {"seconds": peer.seconds, "overlap": overlap(ours, peer.skymap)}
        if index < _PICTURES:
            labels = (f"{row['kind']} {index}, Tocsin", "BAYESTAR")
            plot_skymap(ours, out / f"map-{index}.png", peer.skymap, labels)
    return row


def _with_factor(settings: LocalizeSettings, factor: float) -> LocalizeSettings:
    """Return settings with another response factor."""
    return settings.model_copy(update={"response_factor": factor})


def _figures(skymap: SkyMap, binary: Binary) -> dict[str, float | None]:
    found = searched(skymap, binary.ra_rad, binary.dec_rad)
    half, most = credible_areas_deg2(skymap, [0.5, 0.9])
    return {
        "level": found.level,
        "searched_deg2": found.area_deg2,
        "area50_deg2": half,
        "area90_deg2": most,
        "distance_mpc": skymap.distmean_mpc,
        "distance_std_mpc": skymap.diststd_mpc,
    }


def _gw170817_like(config: SkymapsConfig, out: Path) -> dict[str, Any]:
    """Localize a binary where GW170817 was, loud in H1 and L1 and quiet in V1, without and with V1."""
    detectors = ("H1", "L1", "V1")
    near = Binary("bns", (1.48, 1.26), 3.446, -0.408, 40.0, -0.88, 1.6, 0.5, _GW170817_NS)
    sigma_mpc = {s.detector: s.sigma_mpc for s in make_series(near, detectors, None).series}
    binary = replace(near, distance_mpc=40.0 * optimal_snr(near, sigma_mpc) / _GW170817_SNR)
    made = make_series(binary, detectors, np.random.default_rng((config.seed, 170817)))
    both, three = localize(made.series[:2], config.settings), localize(made.series, config.settings)
    result: dict[str, Any] = {
        "snr": {s.detector: round(float(abs(s.snr).max()), 2) for s in made.series},
        "two_detectors": _figures(both, binary),
        "three_detectors": _figures(three, binary),
        "true_distance_mpc": binary.distance_mpc,
    }
    peer = config.peer_of(0, made, out / "peer")
    if peer is not None:
        result["peer"] = _figures(peer.skymap, binary) | {"overlap": overlap(three, peer.skymap)}
        plot_skymap(three, out / "gw170817-like.png", peer.skymap, ("GW170817-like, Tocsin", "BAYESTAR"))
    return result
