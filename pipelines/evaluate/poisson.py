"""Are the false-alarm rates true? ``tocsin evaluate background``: the real search on noise that holds no signal.

A FAR of f means that noise rings so loud f times a second. So in T seconds of signal-free data the number of events
at a FAR of f or less is Poisson with mean f T, over every decade that T can show. Glitches are in, at the rate of O3a;
the noise is not that of the background's own measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipelines.evaluate.stretches import NoiseConfig, blocks_of, strain_of
from pipelines.networks.embedding import EmbeddingNetwork
from pipelines.networks.filterbank import FilterBankNetwork
from pipelines.progress import Progress
from pipelines.search import Stages, compose, one_by_one, search
from stream.detect import Head
from stream.records import QUIET, Candidate, Masked, Snapshot, Statistic, WhitenedSegment
from stream.settings import Settings
from stream.significance import LiveSlides, Significance, TriggerSlides
from stream.superevent import Superevents
from stream.timebase import NS_PER_S

START_NS = 1_420_000_000 * NS_PER_S
_APART_NS = 4096 * NS_PER_S
_DECADES = 3
_MOST_HZ = 0.2


@dataclass(frozen=True, slots=True)
class PoissonResult:
    """Events counted and expected at each FAR.

    ``error`` is the Poisson error of what is expected. ``heard_s`` is the time in which events could come.
    """

    far_hz: tuple[float, ...]
    expected: tuple[float, ...]
    observed: tuple[int, ...]
    error: tuple[float, ...]
    heard_s: float
    source: str
    seed: int
    model: str

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; names are stable."""
        return {
            "far_hz": list(self.far_hz),
            "expected": [round(n, 3) for n in self.expected],
            "observed": list(self.observed),
            "error": [round(n, 3) for n in self.error],
            "heard_s": round(self.heard_s, 3),
            "source": self.source,
            "seed": self.seed,
            "model": self.model,
        }


@dataclass(slots=True)
class Events:
    """A sink that counts events as the alerts are made: by the FAR of each superevent's last revision."""

    from_ns: int = 0
    far_hz: dict[str, float] = field(default_factory=dict)
    heard_ns: int = 0
    superevents: Superevents = field(default_factory=lambda: Superevents("test"))

    def candidate(self, candidate: Candidate, _: Snapshot) -> None:
        """Take a candidate."""
        for revision in self.superevents.step(candidate, candidate.peak.confirmed_ns):
            if candidate.gps_ns >= self.from_ns:
                self.far_hz[revision.superevent_id] = candidate.far_hz

    def masked(self, masked: Sequence[Masked]) -> None:
        """Nothing is missing in these data."""

    def tap(self, whitened: Sequence[WhitenedSegment], statistic: Statistic) -> None:
        """Count the time in which any detector was heard."""
        if whitened[0].gps_ns >= self.from_ns:
            self.heard_ns += statistic.heard_ns


class _NothingRemoved(LiveSlides):
    """Slides of data without a signal: every event is background, whatever its FAR, and quiet ones are kept too."""

    kept = 1 << 17

    def exclude(self, gps_ns: int) -> None:
        """Remove nothing."""


class _NothingRemovedOfTriggers(TriggerSlides):
    """The same of a matched-filter network."""

    kept = 1 << 17
    least = -7.0

    def exclude(self, gps_ns: int) -> None:
        """Remove nothing."""


def far_grid(seconds: float) -> tuple[float, ...]:
    """Return FARs two to a decade, from one expected event up over three decades."""
    low = 1.0 / seconds
    high = min(_MOST_HZ, low * 10**_DECADES)
    count = max(2, round(2 * np.log10(high / low)) + 1)
    return tuple(float(f) for f in np.geomspace(high, low, count))


def count_events(
    settings: Settings,
    hours: float,
    seed: int,
    source: str = "shipped",
    progress: Progress | None = None,
    begin_s: int = 1800,
) -> PoissonResult:
    """Search signal-free data and compare the number of events with what their FARs say.

    Parameters
    ----------
    settings : Settings
        Model and detectors; thresholds are set here.
    hours : float
        How much data.
    seed : int
        Seed of noise and glitches.
    source : {"shipped", "live"}
        Which background gives the FARs.
    begin_s : int
        Live slides are given so much data to begin with, which is searched in addition and not counted.
    """
    live = source == "live"
    noise = NoiseConfig(seed=seed, stretch_s=1800, detectors=settings.strain.detectors)
    grid = far_grid(hours * 3600)
    stages, sink = _furnish(settings, max(grid), live), Events()
    stages.tap = sink.tap
    lengths = ([begin_s] if live else []) + _lengths(hours * 3600, noise.stretch_s)
    sink.from_ns = START_NS + _APART_NS if live else 0
    for k, length_s in enumerate(lengths):
        # Another stretch is another state of the detectors: everything but the background begins anew.
        fresh = _furnish(settings, max(grid), live)
        fresh.network.slides.take_up(stages.network.slides.counts)
        stages.network.close()
        fresh.tap, stages = sink.tap, fresh
        config = replace(noise, stretch_s=length_s)
        strains = {name: strain_of(config, k, name) for name in noise.detectors}
        search(one_by_one(blocks_of(strains, START_NS + k * _APART_NS)), stages, sink)
        if progress is not None:
            progress(sum(lengths[: k + 1]) / 3600, sum(lengths) / 3600)
    stages.network.close()
    heard_s = sink.heard_ns / NS_PER_S
    expected = tuple(f * heard_s for f in grid)
    return PoissonResult(
        far_hz=grid,
        expected=expected,
        observed=tuple(sum(far <= f for far in sink.far_hz.values()) for f in grid),
        error=tuple(float(np.sqrt(n)) for n in expected),
        heard_s=heard_s,
        source=source,
        seed=seed,
        model=stages.network.card.label,
    )


def _lengths(seconds: float, stretch_s: int) -> list[int]:
    """Return lengths of stretches, in whole blocks of 4 s, that make up so much time."""
    whole, rest = divmod(round(seconds / 4) * 4, stretch_s)
    return [stretch_s] * whole + ([rest] if rest else [])


def _furnish(settings: Settings, far_threshold_hz: float, live: bool) -> Stages:
    """Return the search with one kind of background, ringing for everything up to a FAR."""
    significance = settings.significance.model_copy(
        update={"far_threshold_hz": far_threshold_hz, **({} if live else {"slides": 0})}
    )
    detect = settings.detect.model_copy(update={"min_statistic": QUIET})
    settings = settings.model_copy(update={"significance": significance, "detect": detect})
    stages = compose(settings)
    network = stages.network
    if live and isinstance(network, EmbeddingNetwork):
        network.slides = _NothingRemoved.of(Head(network.card, settings.infer), network.card, settings)
        network.significance = Significance(significance, {}, network.slides, network.card.label)
    elif live and isinstance(network, FilterBankNetwork):
        network.slides.close()
        network.slides = _NothingRemovedOfTriggers(network.ranking, significance)
        label = network.card.label
        network.significance = Significance(significance, {}, network.slides, label, ranks_alone=True)
    return stages
