"""Where a merger in archived strain came from: the search's rooms about its time, its loudest peak, the follow-up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Literal

from pipelines.feeds.archive import Archive, block_hops
from pipelines.search import compose, one_by_one, search
from stream.codec.skymap import decode_skymap
from stream.errors import ConfigurationError, DataError
from stream.localize.bayestar import bayestar_map, ligo_skymap
from stream.localize.followup import FollowUp
from stream.localize.likeness import overlap
from stream.records import Candidate, Localized, Masked, SkyMap, Snapshot, SnrSeries, Statistic, WhitenedSegment
from stream.regions import credible_areas_deg2
from stream.settings import Settings, with_detectors
from stream.timebase import NS_PER_S, ns_to_gps_s

NEAR_S = 0.5
"""A peak is that of a time when it lies so near."""
_BEFORE_S, _AFTER_S = 512.0, 4.0
"""Strain that is heard before the time, where the files have it: spectra and the network's filters settle in 64 s."""

Peer = Literal["bayestar"]


@dataclass(frozen=True, slots=True)
class PeerMap:
    """The map that another code makes of the same SNR series.

    Attributes
    ----------
    name : str
    skymap : SkyMap
    area90_deg2, overlap : float
        Its area, and how like ours it is (Bhattacharyya).
    seconds : float
        What it took, from the SNR series on.
    """

    name: str
    skymap: SkyMap
    area90_deg2: float
    overlap: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Localization:
    """What the follow-up found of a time in archived strain.

    Attributes
    ----------
    found : Localized
    skymap : SkyMap
    series : tuple of SnrSeries
    peer : PeerMap or None
    """

    found: Localized
    skymap: SkyMap
    series: tuple[SnrSeries, ...]
    peer: PeerMap | None


def localize_archive(
    paths: Sequence[Path], gps_s: float, *, settings: Settings, peer: Peer | None = None
) -> Localization:
    """Follow up the loudest peak near a time, whatever its false-alarm rate.

    Parameters
    ----------
    paths : sequence of Path
        Strain files.
    gps_s : float
        About when it merged.
    settings : Settings
    peer : str or None
        Who makes a map of the same SNR series.

    Raises
    ------
    ConfigurationError
        If the time is not in the files, or too early in them for a spectrum.
    DataError
        If there is no peak near it, or no map can be made of the one there is.
    """
    archive = Archive.open(paths)
    settings = with_detectors(settings, archive.detectors)
    snapshot, follower = _snapshot(archive, gps_s, settings)
    found = follower.follow(snapshot)
    if found.skymap_fits is None:
        raise DataError(f"no sky map of the peak at GPS {ns_to_gps_s(found.candidate.gps_ns):.3f}: "
                        f"{found.reasons['skymap']}")  # fmt: skip
    skymap = decode_skymap(found.skymap_fits)
    series = follower.series(snapshot)
    other = None if peer is None else _peer(peer, skymap, series, settings.localize.response_factor)
    return Localization(found, skymap, series, other)


def _snapshot(archive: Archive, gps_s: float, settings: Settings) -> tuple[Snapshot, FollowUp]:
    """Return the loudest peak near a time with the strain around it, and who follows it up."""
    gps_ns = round(gps_s * NS_PER_S)
    begin_ns = _begin_ns(archive, gps_ns)
    stages = compose(settings)
    try:
        near = Near(gps_ns)
        stages.tap, stages.far_threshold_hz = near.hear, float("inf")
        blocks = (b for b in archive.blocks(block_hops(1.0)) if b.end_ns > gps_ns - round(_BEFORE_S * NS_PER_S))
        wanted = takewhile(lambda b: b.gps_ns < gps_ns + round(_AFTER_S * NS_PER_S), blocks)
        search(one_by_one(wanted), stages, near)
        return near.loudest(begin_ns), FollowUp(settings, stages.network.card)
    finally:
        stages.close()


def _begin_ns(archive: Archive, gps_ns: int) -> int:
    """Return where the stretch of data begins in which a time lies."""
    for stretch in archive.stretches:
        if stretch.gps_ns <= gps_ns < stretch.end_ns:
            return stretch.gps_ns
    spans = ", ".join(f"{ns_to_gps_s(s.gps_ns):.0f} to {ns_to_gps_s(s.end_ns):.0f}" for s in archive.stretches)
    raise ConfigurationError(
        f"GPS {ns_to_gps_s(gps_ns):.3f} is not in the files, which hold {spans}: give a time that is"
    )


@dataclass(slots=True)
class Near:
    """A sink of the search that keeps the peaks near a time, and how near the others came."""

    gps_ns: int
    found: list[Snapshot] = field(default_factory=list)
    others_ns: list[int] = field(default_factory=list)
    deaf: bool = True

    def candidate(self, candidate: Candidate, snapshot: Snapshot) -> None:
        """Take a peak."""
        if abs(candidate.gps_ns - self.gps_ns) <= NEAR_S * NS_PER_S:
            self.found.append(snapshot)
        else:
            self.others_ns.append(candidate.gps_ns)

    def masked(self, masked: Sequence[Masked]) -> None:
        """Nothing is told of what was not heard."""

    def hear(self, whitened: Sequence[WhitenedSegment], statistic: Statistic) -> None:
        """Notice whether any detector could be searched before the time was over."""
        if whitened[0].gps_ns <= self.gps_ns and len(statistic.deaf) < len(whitened):
            self.deaf = False

    def loudest(self, begin_ns: int) -> Snapshot:
        """Return the loudest peak."""
        if self.found:
            return max(self.found, key=lambda s: s.candidate.peak.statistic)
        at = f"GPS {ns_to_gps_s(self.gps_ns):.3f}"
        if self.deaf:
            before_s = ns_to_gps_s(self.gps_ns - begin_ns)
            raise ConfigurationError(
                f"at {at} there is no spectrum yet: the files begin {before_s:.1f} s before, and the search needs "
                "about 13 s of good strain; give files that begin earlier"
            )
        nearest = min(self.others_ns, key=lambda t: abs(t - self.gps_ns), default=None)
        told = "there is none" if nearest is None else f"the nearest is at GPS {ns_to_gps_s(nearest):.3f}"
        raise DataError(f"no peak of the search lies within {NEAR_S:g} s of {at}, and {told}: give the time of one")


def _peer(name: Peer, ours: SkyMap, series: Sequence[SnrSeries], response_factor: float) -> PeerMap:
    ligo_skymap()  # what it takes to load is not its map's
    began = time.perf_counter()
    skymap = bayestar_map(series, response_factor)
    seconds = time.perf_counter() - began
    (area90_deg2,) = credible_areas_deg2(skymap, [0.9])
    return PeerMap(name, skymap, area90_deg2, overlap(ours, skymap), seconds)
