"""Measure a matched-filter network's background: its triggers of simulated noise with glitches, and their time slides.

``tocsin evaluate background --measure MODEL``, for a model of this kind. All stretches of a detector stand one behind
the other, and sets of detectors are slid against one another by whole seconds: few slides of everything give the curve
down to the most frequent events, more of them what is rarer, years what is rarest. What a detector hears alone counts
in its own time, by the sets that could have heard it (:mod:`stream.significance.classes`).

Triggers are kept in a work folder without the glitch term, so that changed coefficients cost only the ranking again;
sets that are done are kept there by the model's hashes. Code that ranks otherwise wants their files (``set-*``) gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from pipelines.evaluate.curves import curve
from pipelines.evaluate.heard import HeardBy, heard
from pipelines.evaluate.stretches import NoiseConfig
from pipelines.progress import Progress
from stream.detect.balance import balanced
from stream.detect.extrinsic import load_extrinsic
from stream.detect.glitch_term import GlitchStage, read_glitch_term
from stream.detect.ranking import Ranking, RankingStage
from stream.infer import ModelCard
from stream.infer.filterbank.bank import read_bank
from stream.infer.model import BANK, EXTRINSIC, GLITCH_TERM
from stream.records import Triggers
from stream.significance.classes import alone, coincident
from stream.significance.trigger_slides import SlideConfig, live_ns, loudest_of_each, slide_triggers
from stream.timebase import HOPS_PER_S, NS_PER_S
from stream.types import BoolArray, FloatArray

log = structlog.get_logger()
SETTLED_S = 72
"""The rolling PSD covers 64 s, after 8 s without any."""

_YEAR_S = 31_557_600.0
_EVERYTHING = -1e6


@dataclass(frozen=True, slots=True)
class TriggerMeasureConfig:
    """How much of what.

    ``stretches``: how many of each detector; a set has those that all of it have. ``years``: of the rarest events,
    ``rare_hz`` and less frequent, of H1 and L1; ``other_years`` of other sets. ``middle_slides``: slides either way for
    those up to ``frequent_hz``; what is more frequent comes from one either way.
    ``largest_set``: of how many detectors.
    """

    noise: NoiseConfig = field(default_factory=NoiseConfig)
    stretches: dict[str, int] = field(default_factory=lambda: {"H1": 20, "L1": 20, "V1": 6})
    years: float = 3.5
    other_years: float = 0.3
    rare_hz: float = 3e-5
    middle_slides: int = 40
    frequent_hz: float = 3e-3
    largest_set: int = 3


class TriggerMeasurement:
    """A background in the making.

    Parameters
    ----------
    card : ModelCard
    config : TriggerMeasureConfig
    work : Path
        Folder of the triggers that are there already.
    """

    def __init__(self, card: ModelCard, config: TriggerMeasureConfig, work: Path) -> None:
        self._card, self._config, self._work = card, config, work
        self.ranking = Ranking(read_bank(card.folder / BANK).ln_weight, load_extrinsic(card.folder / EXTRINSIC))

    def content(self, progress: Progress | None = None) -> dict[str, Any]:
        """Return what ``background.json`` holds."""
        triggers = self.triggers(progress)
        names = sorted(triggers)
        sets: dict[str, Any] = {}
        for size in range(1, min(len(names), self._config.largest_set) + 1):
            for together in combinations(names, size):
                sets |= self._kept_set(together, triggers)
        return {
            "model": self._card.label,
            "network": self._card.network,
            "measured_with": asdict(self._config),
            "sets": sets,
        }

    def triggers(self, progress: Progress | None = None) -> dict[str, Triggers]:
        """Return each detector's triggers, its stretches one behind the other, as the search would hand them on."""
        term, network = read_glitch_term(self._card.folder / GLITCH_TERM), HeardBy(self._card)
        total, done = sum(self._config.stretches.values()), 0
        found = {}
        for detector, count in self._config.stretches.items():
            parts = []
            for k in range(count):
                own = heard(network, self._config.noise, k, detector, self._work)
                parts.append(_later(own, k * self._config.noise.stretch_s * NS_PER_S))
                done += 1
                if progress is not None:
                    progress(done, total)
            whole = GlitchStage(detector, term).step(Triggers.joined(parts))
            found[detector] = replace(whole, valid=whole.valid & self._settled(len(whole.valid)))
        return found

    def _settled(self, hops: int) -> BoolArray:
        settled: BoolArray = np.arange(hops) % (self._config.noise.stretch_s * HOPS_PER_S) >= SETTLED_S * HOPS_PER_S
        return settled

    def _kept_set(self, together: Sequence[str], triggers: Mapping[str, Triggers]) -> dict[str, Any]:
        """Return the entries of one set, from the work folder if they are there already."""
        of = json.dumps([self._card.network, asdict(replace(self._config, largest_set=0))], sort_keys=True).encode()
        path = self._work / f"set-{hashlib.sha256(of).hexdigest()[:12]}-{'-'.join(together)}.json"
        if not path.exists():
            temporary = path.with_suffix(".part")
            temporary.write_text(json.dumps(self._of_set([triggers[d] for d in together])))
            temporary.replace(path)
        entries: dict[str, Any] = json.loads(path.read_text())
        return entries

    def _of_set(self, triggers: Sequence[Triggers]) -> dict[str, Any]:
        """Return the entries of one set: of its coincidences, and of each of its detectors alone."""
        hops = min(len(t.valid) for t in triggers)
        own = balanced([t.cut(0, hops) for t in triggers])
        names = [t.detector for t in own]
        lone, duration_s = self._lone(own)
        if len(own) == 1:
            return {coincident(names).name: {"curves": [curve(lone[names[0]], duration_s)]}}
        entries = {coincident(names).name: {"curves": self._slid(own)}}
        return entries | {alone(d, names).name: {"curves": [curve(lone[d], duration_s)]} for d in names}

    def _lone(self, triggers: Sequence[Triggers]) -> tuple[dict[str, FloatArray], float]:
        """Return what each detector hears alone while all of the set hear, and how long that is."""
        stretch = self._config.noise.stretch_s * HOPS_PER_S
        stage, time_ns, statistic, members = RankingStage(self.ranking), [], [], []
        for start in range(0, len(triggers[0].valid), stretch):
            events = stage.step([t.cut(start, start + stretch) for t in triggers])
            rows = np.flatnonzero(events.heard.all(axis=1) & (events.loudest.seen.members.sum(axis=1) == 1))
            time_ns.append(events.time_ns[rows])
            statistic.append(events.statistic[rows])
            members.append(events.loudest.seen.members[rows])
        at_ns, value, by = np.concatenate(time_ns), np.concatenate(statistic), np.concatenate(members)
        found = {}
        for d, own in enumerate(triggers):
            mine = np.flatnonzero(by[:, d])
            loudest = loudest_of_each(np.zeros(len(mine), np.int64), at_ns[mine], value[mine])
            found[own.detector] = value[mine][loudest]
        return found, live_ns(triggers, np.zeros(1, np.int64), 1) / NS_PER_S

    def _slid(self, triggers: Sequence[Triggers]) -> list[dict[str, Any]]:
        """Return the curves of a set, the longest first."""
        seconds = live_ns(triggers, np.zeros(1, np.int64), 1) / NS_PER_S
        years = self._config.years if {t.detector for t in triggers} == {"H1", "L1"} else self._config.other_years
        # N slides either way of T seconds overlap for 2 N T - N^2.
        many = int(np.ceil(seconds - np.sqrt(max(0.0, seconds**2 - years * _YEAR_S))))
        curves: list[dict[str, Any]] = []
        least = _EVERYTHING
        middle = self._config.middle_slides
        # Of three detectors no pair can be passed over before it is ranked: some days must do, and live slides go on.
        few = len(triggers) > 2
        depths = [(1, self._config.frequent_hz), (middle // 4 if few else middle, 0.0 if few else self._config.rare_hz)]
        for slides, next_hz in depths if few else [*depths, (many, 0.0)]:
            slid = slide_triggers(triggers, self.ranking, SlideConfig(least, slides))
            duration_s = slid.live_ns / NS_PER_S
            curves.insert(0, curve(slid.statistic, duration_s, least))
            log.info("background", detectors=[t.detector for t in triggers], slides=2 * slides, least=round(least, 3),
                     years=round(duration_s / _YEAR_S, 4), events=len(slid.statistic))  # fmt: skip
            loudest = np.sort(slid.statistic)[::-1]
            least = float(loudest[min(len(loudest) - 1, int(next_hz * duration_s))])
        return curves


def _later(own: Triggers, by_ns: int) -> Triggers:
    return replace(own, gps_ns=own.gps_ns + by_ns, time_ns=own.time_ns + by_ns)
