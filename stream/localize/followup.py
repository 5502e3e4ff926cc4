"""The follow-up of a candidate: where it came from, and what it is.

``Snapshot ─filter→ SnrSeries, MassPosterior ─localize→ SkyMap ─classify→ SourceClass``, and all of it in a Localized. A
part that fails is None with the reason, and takes no other with it: without a map the source's class rests on the
distance that the loudest detector's SNR alone allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import TypeVar

import numpy as np

from stream.classify import classify
from stream.codec.skymap import encode_skymap
from stream.errors import TocsinError
from stream.infer import ModelCard
from stream.infer.filterbank.bank import SHIPPED, read_bank
from stream.infer.filterbank.waveforms import RATE_HZ
from stream.infer.model import BANK
from stream.localize.matched_filter import Filtered, MatchedFilter
from stream.localize.skymap import localize, warm
from stream.records import (
    Background,
    Candidate,
    FilterInForce,
    Localized,
    Peak,
    SkyMap,
    Snapshot,
    SnrSeries,
    SourceClass,
    WhitenedSegment,
)
from stream.regions import credible_areas_deg2
from stream.settings import LocalizeSettings, Settings
from stream.superevent import not_found
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S

_Result = TypeVar("_Result")
MakeMap = Callable[[Sequence[SnrSeries], LocalizeSettings], SkyMap]
_SHARE, _SHARE_STD = 5.0 / 9.0, (20.0 / 810.0) ** 0.5
_CLASS = ("classification", "properties", "mchirp_source")


class FollowUp:
    """Follows candidates up; made once, since it makes waveforms and compiles the map's inner loops.

    Parameters
    ----------
    settings : Settings
    card : ModelCard
        Of the network that finds the candidates: the templates are its own where it has any, and the shipped ones else.
    make_map : callable or None
        Makes the sky map, where it is not ours (:mod:`stream.localize.refine`); nothing of it is compiled then.
    method : str
        Its name in alerts.

    Raises
    ------
    ModelError
        If the templates cannot be read.
    """

    def __init__(
        self, settings: Settings, card: ModelCard, make_map: MakeMap | None = None, method: str = "tocsin"
    ) -> None:
        own = card.kind == "filterbank"
        bank = read_bank(card.folder / BANK if own else SHIPPED)
        self._settings = settings.localize
        self._make_map, self._method = make_map, method
        self._filter = MatchedFilter(bank, own=own, low_hz=settings.condition.low_frequency_hz)
        if make_map is None:
            warm()
            self.follow(_nothing_much())

    def follow(self, snapshot: Snapshot) -> Localized:
        """Return where a candidate came from and what it is, as far as it can be told."""
        began = time.perf_counter()
        candidate = snapshot.candidate
        filtered, why = _attempt(lambda: self._filter.filter(snapshot))
        if filtered is None:
            return replace(not_found(candidate, f"no matched filter: {why}"), seconds=time.perf_counter() - began)
        reasons: dict[str, str] = {}
        skymap, why = _attempt(lambda: (self._make_map or localize)(filtered.series, self._settings))
        if skymap is None:
            reasons["skymap"] = why
        distance_mpc = _distance_mpc(skymap, filtered.series)
        source, why = _attempt(
            lambda: classify(filtered.masses, candidate.p_astro, candidate.p_astro_reason, distance_mpc)
        )
        reasons |= dict.fromkeys(_CLASS, why) if source is None else source.reasons
        found = _found(candidate, filtered, source)
        if skymap is not None:
            found = self._with_map(found, skymap, filtered, time.perf_counter() - began)
            if found.skymap_fits is None:
                reasons["skymap"] = found.reasons["skymap"]
        return replace(found, reasons=reasons, method=self._method, seconds=time.perf_counter() - began)

    def series(self, snapshot: Snapshot) -> tuple[SnrSeries, ...]:
        """Return the SNR series that a candidate's map is made of: what another code makes its own of.

        Raises
        ------
        DataError
            If the snapshot cannot be filtered.
        """
        return self._filter.filter(snapshot).series

    def _with_map(self, found: Localized, skymap: SkyMap, filtered: Filtered, seconds: float) -> Localized:
        """Return what was found with the map in it, or with the reason why it cannot be written."""
        history = self._history(found.candidate, filtered)
        payload, why = _attempt(lambda: encode_skymap(skymap, history, seconds=seconds))
        if payload is None:
            return replace(found, reasons={"skymap": why})
        area50_deg2, area90_deg2 = credible_areas_deg2(skymap, [0.5, 0.9])
        return replace(
            found, skymap_fits=payload, area50_deg2=area50_deg2, area90_deg2=area90_deg2,
            distance_mpc=skymap.distmean_mpc, distance_std_mpc=skymap.diststd_mpc,
        )  # fmt: skip

    def _history(self, candidate: Candidate, filtered: Filtered) -> list[str]:
        """Return what people read in the map's header of where it comes from."""
        m1, m2, chi1, chi2 = filtered.parameters.tolist()
        snrs = ", ".join(f"{s.detector} {np.abs(s.snr).max():.2f}" for s in filtered.series)
        return [
            f"Tocsin {version('tocsin')}, candidate of {candidate.model} at GPS {candidate.gps_ns / NS_PER_S:.6f}",
            f"template IMRPhenomXAS, masses {m1:.3f} {m2:.3f} Msun (detector frame), spins {chi1:.3f} {chi2:.3f}",
            f"largest SNR within 51 ms: {snrs}",
            f"SNRs count as {self._settings.response_factor:g} of themselves",
        ]


def _found(candidate: Candidate, filtered: Filtered, source: SourceClass | None) -> Localized:
    masses = filtered.masses
    return Localized(candidate, mchirp_msun=masses.mchirp_msun, mchirp_std_msun=masses.mchirp_std_msun, source=source)


def _attempt(part: Callable[[], _Result]) -> tuple[_Result | None, str]:
    """Return what a part gives; or None, and why."""
    try:
        return part(), ""
    except TocsinError as error:
        return None, str(error)
    except Exception as error:  # a supervisor: what one part cannot do is no reason to lose the others
        return None, f"unexpected: {error!r}"


def _distance_mpc(skymap: SkyMap | None, series: Sequence[SnrSeries]) -> tuple[float, float] | None:
    """Return mean and deviation of the distance: the map's, or without one what the loudest SNR allows.

    A detector sees a source with the part w of the SNR that it would have overhead and face-on, of density
    20 w (1 - w)^3 over all directions and orientations (Finn & Chernoff, Phys. Rev. D 47, 2198 (1993)). At a given SNR
    the distance goes as w, and sources are uniform in volume: w^4 (1 - w)^3, of mean 5/9 and variance 20/810.
    """
    if skymap is not None:
        mean, deviation = skymap.distmean_mpc, skymap.diststd_mpc
        return None if mean is None or deviation is None else (mean, deviation)
    loudest = max(series, key=lambda s: float(np.abs(s.snr).max()))
    reach_mpc = loudest.sigma_mpc / float(np.abs(loudest.snr).max())
    return (_SHARE * reach_mpc, _SHARE_STD * reach_mpc) if np.isfinite(reach_mpc) else None


def _nothing_much() -> Snapshot:
    """Return a snapshot of two detectors' white noise: what is slow the first time is slow then."""
    rng, gps_ns, n_hops = np.random.default_rng(0), 1_420_000_000 * NS_PER_S, 14 * HOPS_PER_S
    taps = np.zeros(RATE_HZ)
    taps[0] = 1.0
    names = ("H1", "L1")
    merger_ns = gps_ns + (n_hops - 4) * HOP_NS
    peak = Peak(merger_ns, 0.0, names, tuple((name, 0.0) for name in names), merger_ns, names)
    candidate = Candidate(peak, 1.0, False, Background("shipped", 1.0, names), "none")
    strain = tuple(
        WhitenedSegment(
            name, gps_ns, RATE_HZ, rng.standard_normal(n_hops * RATE_HZ // HOPS_PER_S).astype(np.float32),
            np.ones(n_hops, dtype=np.bool_), (FilterInForce(gps_ns, taps),),
        )
        for name in names
    )  # fmt: skip
    return Snapshot(candidate, strain)
