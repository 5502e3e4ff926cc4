"""What the daemon says of itself: metrics, heartbeats and checks of health, read off the running parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import prometheus_client

from pipelines.live.deployment import Deployment
from pipelines.live.hearing import Hearing, HearingWatch
from pipelines.live.maps import Maps
from pipelines.live.publisher import Published, Publisher
from pipelines.live.source import SourceStatus
from pipelines.search import Stages
from stream import __version__, metrics
from stream.align import DetectorStats
from stream.health import Check
from stream.kafka.consumer import Consumer
from stream.records import AlertType, DetectorStatus, Heartbeat
from stream.timebase import NS_PER_S, Clock

_TURNS_S = 10.0
_MAX_SHOWN_LATENCY_S = 86_400.0
"""Replayed data that were not moved to the present are old, not late."""


@dataclass(slots=True)
class Observer:
    """Reads the running parts and changes none of them.

    What it keeps is its own: how far each counter was told, and in ``hearing`` what each detector sent and what
    was used of it.
    ``turned_s`` is the monotonic time at which the search's loop last came by.
    """

    stages: Stages
    status: SourceStatus
    consumer: Consumer
    publisher: Publisher
    maps: Maps
    clock: Clock
    daemon_id: str
    hearing: HearingWatch
    deployment: Deployment
    strain_prefix: str = "strain."
    turned_s: float = field(default_factory=time.monotonic)
    draining: bool = False
    _counted: dict[tuple[str, ...], float] = field(default_factory=dict)

    def turn(self) -> None:
        """Note that the loop came by."""
        self.turned_s = time.monotonic()

    def update(self) -> None:
        """Bring the metrics up to date."""
        for lane in self.stages.align.stats.detectors:
            refused = sum(_refused_strain(lane).values())
            outcomes = {
                "used": lane.blocks - refused - lane.duplicates - lane.dropped_late,
                "refused": refused,
                "duplicate": lane.duplicates,
                "late": lane.dropped_late,
            }
            for outcome, count in outcomes.items():
                self._count(metrics.BLOCKS.labels(lane.detector, outcome), ("blocks", lane.detector, outcome), count)
        for topic, count in self.status.refused.items():
            self._count(metrics.BLOCKS.labels(topic, "undecodable"), ("undecodable", topic), count)
        self._count(metrics.SKIPPED_SECONDS, ("skipped",), self.status.skipped_s)
        self._count(metrics.BROKER_ERRORS, ("broker",), self.consumer.errors)
        for (detector, reason), count in self.status.refused_blocks.items():
            self._count(metrics.BLOCKS.labels(detector, reason), ("time", detector, reason), count)
        for topic, lag_s in self.status.lag_by_topic.items():
            metrics.LAG.labels(topic).set(lag_s)
        metrics.CLOCK_BEHIND.set(self.status.clock_behind_s)
        metrics.ALERTS_WAITING.set(self.publisher.waiting)
        for name, conditioner in self.stages.condition.items():
            metrics.PSD_READY.labels(name).set(conditioner.psd_ready)
        for ear in self.hears():
            metrics.DETECTOR_HEARING.labels(ear.detector).set(ear.heard)
            metrics.DETECTOR_SENDING.labels(ear.detector).set(ear.sends)
            metrics.DETECTOR_UNHEARD_SECONDS.labels(ear.detector).set(ear.unheard_s)
        for detectors, counts in self.stages.network.slides.counts.items():
            metrics.BACKGROUND_SECONDS.labels("".join(detectors)).set(counts.duration_s)

    def _count(self, counter: prometheus_client.Counter, key: tuple[str, ...], total: float) -> None:
        """Raise a counter to a total that is kept elsewhere; a repaired count that fell is left alone."""
        grown = total - self._counted.get(key, 0.0)
        if grown > 0:
            counter.inc(grown)
            self._counted[key] = total

    def heartbeat(self) -> Heartbeat:
        """Return the heartbeat of this moment."""
        latencies = [s for s in self.status.latencies_s if s < _MAX_SHOWN_LATENCY_S]
        p50, p99 = np.percentile(latencies, (50, 99)) if latencies else (None, None)
        now_ns = self.clock.now_ns()
        return Heartbeat(
            daemon_id=self.daemon_id,
            gps_ns=now_ns,
            state=self.state(),
            detectors=tuple(
                DetectorStatus(ear.detector, self.status.newest_ns.get(ear.detector), not ear.heard)
                for ear in self.hears()
            ),
            latency_p50_s=None if p50 is None else float(p50),
            latency_p99_s=None if p99 is None else float(p99),
            lag_s=self.status.lag_s,
            skipped_s=self.status.skipped_s,
            version=__version__,
            model=self.stages.network.card.label,
        )

    def state(self) -> str:
        """Return running (all detectors are heard), degraded (some), starting (none, then or later) or draining."""
        if self.draining:
            return "draining"
        hearing = [ear.heard for ear in self.hears()]
        if all(hearing):
            return "running"
        return "degraded" if any(hearing) else "starting"

    def hears(self) -> tuple[Hearing, ...]:
        """Return how each detector is: heard, or why not."""
        for lane in self.stages.align.stats.detectors:
            name = lane.detector
            undecodable = self.status.refused.get(self.strain_prefix + name, 0)
            elsewhen = {why: n for (d, why), n in list(self.status.refused_blocks.items()) if d == name}
            came = self.status.blocks.get(name, 0) + undecodable + sum(elsewhen.values())
            taken = _refused_strain(lane) | elsewhen | {"undecodable": undecodable, "late": lane.dropped_late}
            self.hearing.count(name, came, taken)
        return self.hearing.look({name: c.psd_ready for name, c in self.stages.condition.items()})

    def healthy(self) -> dict[str, Check]:
        """Check that the loop turns and that the publisher lives."""
        idle_s = time.monotonic() - self.turned_s
        return {
            "loop": Check(idle_s < _TURNS_S, f"last turned {idle_s:.1f} s ago"),
            "publisher": Check(self.publisher.alive, f"{self.publisher.waiting} alerts wait for Kafka"),
        }

    def ready(self) -> dict[str, Check]:
        """Check that an event now would ring: some detector is heard, none sends in vain, alerts find their topic."""
        assigned, ears = self.consumer.assigned, self.hears()
        detail = ", ".join(f"{e.detector} {'heard' if e.heard else _why_not(e)}" for e in ears)
        heard = any(e.heard for e in ears) and not any(e.deaf for e in ears)
        return self.healthy() | {
            "broker": Check(bool(assigned), f"{len(assigned)} partitions assigned{self._waits()}"),
            "alert topic": Check(self.publisher.ready, "read" if self.publisher.ready else "waited for"),
            "clock": Check(self.status.clock_behind_s == 0, self._clock_detail()),
            "detectors": Check(heard, detail),
            "model": Check(True, self.deployment.describe()),
            "maps": Check(True, self.maps.describe()),
            "draining": Check(not self.draining, "ending" if self.draining else "no"),
        }

    def _waits(self) -> str:
        topics = ", ".join(self.status.waiting_for)
        return f"; blocks wait for those of {topics}" if topics else ""

    def _clock_detail(self) -> str:
        behind_s = self.status.clock_behind_s
        if behind_s == 0:
            return "no strain from the future"
        return f"most detectors say that this machine's clock is {behind_s:.1f} s behind: see to its NTP"


def counted(on_published: Callable[[Published], None] | None) -> Callable[[Published], None]:
    """Return what is told of each alert that Kafka has: it is counted by type, then handed on.

    From merger to alert counts for the first alert of an event alone: what follows has waited for something else.
    """

    def published(alert: Published) -> None:
        metrics.ALERTS.labels(alert.alert_type).inc()
        if alert.number == 0:
            metrics.MERGER_TO_ALERT.observe((alert.acknowledged_ns - alert.candidate_ns) / NS_PER_S)
        if on_published is not None:
            on_published(alert)

    for alert_type in get_args(AlertType):
        metrics.ALERTS.labels(alert_type)  # from the start each is shown, as 0
    return published


def _refused_strain(lane: DetectorStats) -> dict[str, int]:
    return {reason: count for reason, count in lane.refused if "witness" not in reason}


def _why_not(ear: Hearing) -> str:
    return f"not heard for {ear.unheard_s:.0f} s: {ear.reason}" if ear.sends else ear.reason
