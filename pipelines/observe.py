"""What the daemon says of itself: metrics, heartbeats and checks of health, read off the running parts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import prometheus_client

from pipelines.publisher import Publisher
from pipelines.search import Stages
from pipelines.source import SourceStatus
from stream import __version__, metrics
from stream.condition import Conditioner
from stream.health import Check
from stream.kafka.consumer import Consumer
from stream.records import DetectorStatus, Heartbeat
from stream.timebase import NS_PER_S, Clock

_STALE_NS = 5 * NS_PER_S
_TURNS_S = 10.0
_MAX_SHOWN_LATENCY_S = 86_400.0
"""Replayed data that were not moved to the present are old, not late."""


@dataclass(slots=True)
class Observer:
    """Reads the running parts; writes nothing but metrics.

    ``turned_s`` is the monotonic time at which the search's loop last came by.
    """

    stages: Stages
    status: SourceStatus
    consumer: Consumer
    publisher: Publisher
    clock: Clock
    daemon_id: str
    turned_s: float = field(default_factory=time.monotonic)
    draining: bool = False
    _counted: dict[tuple[str, ...], float] = field(default_factory=dict)
    _moved: dict[str, tuple[int, int]] = field(default_factory=dict)

    def update(self) -> None:
        """Bring the metrics up to date."""
        for lane in self.stages.align.stats.detectors:
            refused = sum(count for _, count in lane.refused)
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
        metrics.LAG.set(self.status.lag_s)
        metrics.ALERTS_WAITING.set(self.publisher.waiting)
        for name, conditioner in self.stages.condition.items():
            metrics.PSD_READY.labels(name).set(conditioner.psd_ready)
        for detectors, counts in self.stages.slides.counts.items():
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
                DetectorStatus(name, self.status.newest_ns.get(name), not self._hears(name, conditioner))
                for name, conditioner in self.stages.condition.items()
            ),
            latency_p50_s=None if p50 is None else float(p50),
            latency_p99_s=None if p99 is None else float(p99),
            lag_s=self.status.lag_s,
            skipped_s=self.status.skipped_s,
            version=__version__,
            model=self.stages.card.label,
        )

    def state(self) -> str:
        """Return starting, running, degraded or draining."""
        if self.draining:
            return "draining"
        hearing = [self._hears(name, c) for name, c in self.stages.condition.items()]
        if all(hearing):
            return "running"
        return "degraded" if any(hearing) else "starting"

    def _hears(self, name: str, conditioner: Conditioner) -> bool:
        """Strain comes, and its PSD is usable."""
        return bool(conditioner.psd_ready) and self._silent_ns(name) < _STALE_NS

    def _silent_ns(self, name: str) -> int:
        """How long a detector's newest sample has not moved, whatever the data's own time is."""
        newest, now_ns = self.status.newest_ns.get(name, 0), self.clock.now_ns()
        seen, since_ns = self._moved.get(name, (0, 0))
        if newest != seen:
            self._moved[name] = (newest, now_ns)
            return 0
        return now_ns - since_ns

    def healthy(self) -> dict[str, Check]:
        """Check that the loop turns and that the publisher lives."""
        idle_s = time.monotonic() - self.turned_s
        return {
            "loop": Check(idle_s < _TURNS_S, f"last turned {idle_s:.1f} s ago"),
            "publisher": Check(self.publisher.alive, f"{self.publisher.waiting} alerts wait for Kafka"),
        }

    def ready(self) -> dict[str, Check]:
        """Check that an event now would ring."""
        assigned = self.consumer.assigned
        hears = {name: self._hears(name, c) for name, c in self.stages.condition.items()}
        detail = ", ".join(f"{name} {'heard' if well else self._why_not(name)}" for name, well in hears.items())
        return self.healthy() | {
            "broker": Check(bool(assigned), f"{len(assigned)} partitions assigned"),
            "detectors": Check(any(hears.values()), detail),
            "draining": Check(not self.draining, "ending" if self.draining else "no"),
        }

    def _why_not(self, name: str) -> str:
        if name not in self.status.newest_ns:
            return "no strain yet"
        silent_s = self._silent_ns(name) / NS_PER_S
        return f"silent for {silent_s:.0f} s" if silent_s > _STALE_NS / NS_PER_S else "PSD not usable yet"
