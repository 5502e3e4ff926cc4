"""A matched-filter network as a search that is measured: the real loop, opened wide, and slides of its triggers.

As :mod:`pipelines.evaluate.model` does with networks of embeddings. The loop runs once, with the injections: every
event becomes a candidate, however faint, and what the live slides would have taken is kept and slid here by every whole
second, less what lies round the injections. An event of one detector among several can ring live as well; its
background is its own time alone, which holds no month, so that coincidences alone count here, with the share of the
false-alarm rate that they have live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipelines.evaluate.limit import FOUND_S
from pipelines.evaluate.ranking import spoiled
from pipelines.evaluate.scene import END_S, SETTLED_S, START_S, Scene, loudest_near
from pipelines.evaluate.searched import Counts, Searched
from pipelines.networks.filterbank import FilterBankNetwork
from pipelines.search import compose, one_by_one, search
from stream.detect.extrinsic import load_extrinsic
from stream.detect.ranking import Events, Ranking
from stream.infer.filterbank.bank import read_bank
from stream.infer.model import BANK, EXTRINSIC, ModelCard
from stream.records import Candidate, Masked, Snapshot, Triggers
from stream.settings import Settings
from stream.significance import RollingCounts
from stream.significance.classes import coincident
from stream.significance.trigger_slides import SlideConfig, slide_triggers
from stream.timebase import HOPS_PER_S, NS_PER_S

_TRIAL_SLIDES, _TRIAL_PER_DAY = 40, 8.0
_LOWEST = -6.0


def search_triggers(scene: Scene, card: ModelCard, settings: Settings, background_s: float) -> Searched:
    """Search a stretch with its injections, and slide its triggers.

    Parameters
    ----------
    settings : Settings
        Under which every event becomes a candidate.
    background_s : float
        Background that is wanted; less where the stretch cannot give as much.
    """
    heard, kept = _Heard(), _Kept()
    stages = compose(settings)
    network = stages.network
    assert isinstance(network, FilterBankNetwork)
    network.slides.close()
    network.slides = kept  # type: ignore[assignment]
    search(one_by_one(scene.blocks()), stages, heard)
    stages.close()
    ranks = loudest_near(scene.injections, np.array(heard.times_s), np.array(heard.statistics), FOUND_S)
    ranking = Ranking(read_bank(card.folder / BANK).ln_weight, load_extrinsic(card.folder / EXTRINSIC))
    start, stop = ((START_S + s) * NS_PER_S for s in (SETTLED_S, scene.config.stretch_s - END_S))
    return Searched(ranks, slid(kept.between(start, stop), ranking, spoiled(scene.injections), background_s))


def slid(
    triggers: Sequence[Triggers], ranking: Ranking, excluded: Sequence[tuple[int, int]], background_s: float
) -> Counts:
    """Slide by whole seconds, above what a few slides say comes several times a day."""
    trial = slide_triggers(triggers, ranking, SlideConfig(_LOWEST, _TRIAL_SLIDES), excluded)
    loudest = np.sort(trial.statistic)[::-1]
    at = int(_TRIAL_PER_DAY / 86_400 * trial.live_ns / NS_PER_S)
    least = float(loudest[at]) if at < len(loudest) else _LOWEST
    seconds = len(triggers[0].valid) // HOPS_PER_S
    slides = min(seconds - 1, int(np.ceil(background_s / seconds)))
    found = slide_triggers(triggers, ranking, SlideConfig(least, slides), excluded)
    share = coincident([t.detector for t in triggers]).share
    return Counts.of(share * found.live_ns / NS_PER_S, found.statistic, least)


@dataclass(slots=True)
class _Heard:
    """Keeps when each coincidence was, from the stretch's start, and how loud."""

    times_s: list[float] = field(default_factory=list)
    statistics: list[float] = field(default_factory=list)

    def candidate(self, candidate: Candidate, _: Snapshot) -> None:
        if len(candidate.peak.detectors) > 1:
            self.times_s.append((candidate.gps_ns - START_S * NS_PER_S) / NS_PER_S)
            self.statistics.append(candidate.peak.statistic)

    def masked(self, masked: Sequence[Masked]) -> None:
        """Simulated strain has no gap."""


class _Kept:
    """Stands where the live slides do in the loop, and keeps what they would have slid."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], RollingCounts] = {}
        self._spans: list[tuple[Triggers, ...]] = []

    def add(self, triggers: Sequence[Triggers], events: Events) -> None:
        self._spans.append(tuple(triggers))

    def exclude(self, gps_ns: int) -> None:
        """Injections are taken out later, by what is known of them."""

    def close(self) -> None:
        """There is no thread."""

    def between(self, start_ns: int, stop_ns: int) -> list[Triggers]:
        """Return each detector's triggers of a stretch of time, to the span."""
        inside = [s for s in self._spans if start_ns <= s[0].gps_ns + s[0].duration_ns and s[0].gps_ns < stop_ns]
        return [Triggers.joined([span[d] for span in inside]) for d in range(len(inside[0]))]
