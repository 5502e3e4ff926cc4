"""The matched-filter network: a filter bank and a glitch term per detector, one ranking of all their triggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipelines.networks.network import NetworkState, Stopwatch
from stream.detect.balance import balanced
from stream.detect.extrinsic import load_extrinsic
from stream.detect.glitch_rate import GlitchState
from stream.detect.glitch_term import GlitchStage, read_glitch_term
from stream.detect.ranking import Events, Ranking, RankingStage
from stream.infer import ModelCard
from stream.infer.filterbank.follow import FollowerState
from stream.infer.filterbank.stage import LATENCY_NS, FilterBank, FilterBankStage
from stream.infer.model import EXTRINSIC, GLITCH_TERM
from stream.records import Arrival, Peak, Statistic, Triggers, WhitenedSegment
from stream.settings import Settings
from stream.significance import Significance, TriggerSlides, load_foreground, load_shipped
from stream.timebase import HOP_NS
from stream.types import AnyArray


class FilterBankNetwork:
    """See :class:`pipelines.networks.network.Network`."""

    def __init__(self, card: ModelCard, settings: Settings) -> None:
        self.card = card
        detectors = settings.strain.detectors
        term, glitch = load_extrinsic(card.folder / EXTRINSIC), read_glitch_term(card.folder / GLITCH_TERM)
        self._shared = FilterBank.of(card, settings.infer)
        self._filters = {d: FilterBankStage(d, self._shared, nominal=term.sensitivity(d)) for d in detectors}
        self._glitches = {d: GlitchStage(d, glitch) for d in detectors}
        self.ranking = Ranking(self._shared.bank.ln_weight, term)
        self._rank = RankingStage(self.ranking)
        self._latency_ns = LATENCY_NS + self._rank.latency_ns(detectors)
        self.slides = TriggerSlides(self.ranking, settings.significance)
        self.significance = Significance(
            settings.significance, load_shipped(card), self.slides, card.label, ranks_alone=True,
            foreground=load_foreground(card),
        )  # fmt: skip
        self._span: tuple[list[Triggers], Events] | None = None

    def step(self, whitened: Sequence[WhitenedSegment], watch: Stopwatch) -> tuple[list[Peak], Statistic]:
        """Search one span."""
        with watch("infer"):
            triggers = [self._filters[s.detector].step(s) for s in whitened]
        with watch("detect"):
            triggers = balanced([self._glitches[t.detector].step(t) for t in triggers])
            events = self._rank.step(triggers)
            self._span = triggers, events
            return self._peaks(events), self._statistic(triggers, events)

    def _peaks(self, events: Events) -> list[Peak]:
        """Return each event as a peak."""
        seen = events.loudest.seen
        found = []
        for k, gps_ns in enumerate(events.time_ns.tolist()):
            arrivals = tuple(
                Arrival(
                    name, int(seen.time_ns[k, d]), complex(seen.snr[k, d]), _pair(events.loudest.chisq[k, d].tolist())
                )
                for d, name in enumerate(seen.detectors)
                if seen.members[k, d]
            )
            peak = Peak(
                gps_ns=gps_ns,
                statistic=float(events.statistic[k]),
                detectors=tuple(a.detector for a in arrivals),
                per_detector=tuple((a.detector, abs(a.snr)) for a in arrivals),
                confirmed_ns=gps_ns + self._latency_ns,
                heard=tuple(name for d, name in enumerate(seen.detectors) if events.heard[k, d]),
                template=int(events.loudest.template[k]),
                arrivals=arrivals,
            )
            found.append(peak)
        return found

    def _statistic(self, triggers: Sequence[Triggers], events: Events) -> Statistic:
        heard = np.logical_or.reduce([t.valid for t in triggers])
        deaf = tuple(name for name, stage in self._filters.items() if stage.weights is None)
        return Statistic(events.time_ns, events.statistic, False, int(np.count_nonzero(heard)) * HOP_NS, deaf)

    def learn(self) -> None:
        """Let the slides take the span."""
        if self._span is not None:
            self.slides.add(*self._span)

    def state(self) -> NetworkState:
        """Return each detector's filters, those in force and those being made, and its glitches."""
        values: dict[str, Any] = {}
        arrays: dict[str, AnyArray] = {}
        for name, stage in self._filters.items():
            kept = stage.state()
            values[name] = {
                "due_ns": kept.due_ns, "input_rate_hz": kept.input_rate_hz,
                "glitches": asdict(self._glitches[name].state()),
            }  # fmt: skip
            taps = {"taps": kept.taps, "pending_taps": kept.pending_taps}
            arrays |= {f"{name}/{what}": array for what, array in taps.items() if array is not None}
        return NetworkState(values, arrays)

    def restore(self, state: NetworkState) -> None:
        """Take up a checkpoint; filters in force are made before this returns."""
        for name, kept in state.values.items():
            if name in self._filters:
                self._filters[name].restore(_follower(name, kept, state.arrays))
                self._glitches[name].restore(GlitchState(**kept["glitches"]))

    def close(self) -> None:
        """End the threads."""
        self.slides.close()
        self._shared.close()


def _follower(name: str, kept: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> FollowerState:
    taps, pending = arrays.get(f"{name}/taps"), arrays.get(f"{name}/pending_taps")
    return FollowerState(taps, pending, int(kept["due_ns"]), int(kept["input_rate_hz"]))


def _pair(values: Sequence[float]) -> tuple[float, float]:
    first, second = values
    return first, second
