"""The sky map: SNR series → coherent likelihood on a multi-order HEALPix grid → SkyMap.

The posterior is BAYESTAR's (Singer & Price, PRD 93, 024013 (2016)): amplitude, phase and time of arrival in each
detector; sources uniform in volume up to the distance at which the most sensitive detector has SNR 4, isotropic in
direction and orientation; phase, distance, orientation and time integrated. What makes it fast: pixels, times and
values of the distance integral that cannot matter are never computed (``triangulate``, ``kernel``, ``radial``).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from stream.healpix import area_sr, uniq_of
from stream.localize.ansatz import from_moments
from stream.localize.arrival import Event, prepare
from stream.localize.grid import DEFAULT, Fidelity, Grid
from stream.localize.heard import checked
from stream.records.followup import SkyMap, SnrSeries
from stream.settings import LocalizeSettings
from stream.timebase import NS_PER_S

CREATOR = "Tocsin"


_LEAST = -200.0  # below, products become subnormal, which is slow
_FLOOR = 1e-6
"""Probability that pixels have together which were left out: no direction is impossible."""


def localize(series: Sequence[SnrSeries], settings: LocalizeSettings, fidelity: Fidelity = DEFAULT) -> SkyMap:
    """Return the sky map of a candidate.

    Parameters
    ----------
    series : sequence of SnrSeries
        One of each detector that was heard, quiet ones too, in any order.
    settings : LocalizeSettings
    fidelity : Fidelity

    Raises
    ------
    DataError
        If a series cannot be used; the message says which and why.
    """
    heard = checked(series)
    event = prepare(heard, settings.response_factor)
    with ThreadPoolExecutor(settings.threads, "skymap") as beside:
        grid = Grid(event.arrival, fidelity, beside, settings.threads)
        for _ in range(fidelity.rounds):
            grid.refine()
    return _as_map(grid, event, tuple(s.detector for s in heard))


def _as_map(grid: Grid, event: Event, detectors: tuple[str, ...]) -> SkyMap:
    uniq = uniq_of(grid.order, grid.index)
    rising = np.argsort(uniq)
    area = area_sr(grid.order)[rising]
    log_value = grid.log_value[rising]
    density = np.exp(np.maximum(log_value - log_value.max(), _LEAST))
    density *= (1.0 - _FLOOR) / float((density * area).sum())
    mean, square = grid.moments[rising].T
    mu, sigma, norm = from_moments(mean, np.sqrt(np.maximum(square - np.square(mean), 0.0)))
    seen = np.isfinite(mean)
    probability = (density * area)[seen]
    first = float((probability * mean[seen]).sum() / probability.sum())
    second = float((probability * square[seen]).sum() / probability.sum())
    edge = event.edge_mpc
    return SkyMap(
        uniq[rising], density + _FLOOR / (4.0 * np.pi), mu * edge, sigma * edge, norm / edge**2, first * edge,
        float(np.sqrt(second - first * first)) * edge, detectors, event.gps_ns, CREATOR,
    )  # fmt: skip


def warm() -> None:
    """Make a map of nothing much: compiles the inner loops or loads them, and imports what is slow to import."""
    rate_hz = 2048
    ring = np.exp(-np.square(np.arange(-40, 41) / 4.0)).astype(np.complex64)
    series = [SnrSeries(d, 1_420_000_000 * NS_PER_S, rate_hz, 8 * ring, ring, 100.0) for d in ("H1", "L1", "V1")]
    localize(series, LocalizeSettings(), Fidelity(rounds=1))
