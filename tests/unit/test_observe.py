"""What /readyz, heartbeat and metrics say of a search whose detectors are well, late, vetoed or silent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from pipelines.live.daemon import AlertSink
from pipelines.live.deployment import Deployment
from pipelines.live.hearing import HearingWatch
from pipelines.live.observe import Observer, counted
from pipelines.live.publisher import Published
from pipelines.live.source import SourceStatus
from pipelines.offline.report import Report
from pipelines.search import Stages, compose, step
from stream import metrics
from stream.records import Masked, StrainBlock
from stream.settings import InferSettings, Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import HOP_NS, NS_PER_S

START_NS = 1_400_000_000 * NS_PER_S
SETTINGS = Settings(infer=InferSettings(model="first"))
HOPS = 4


class FakeClock:
    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        return self.ns


class Kafka:
    """Consumer, publisher and follow-up, at rest."""

    errors = waiting = 0
    alive = ready = True
    assigned = ("strain.H1", "strain.L1")

    @staticmethod
    def describe() -> str:
        return "ready"


class Running:
    """A search with its observer, fed with blocks that arrive when they end, unless said otherwise."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stages: Stages = compose(SETTINGS)
        self.hearing = HearingWatch(("H1", "L1"), self.clock)
        self.stages.tap = lambda whitened, _: self.hearing.whitened(whitened)
        at_rest: Any = Kafka()
        self.status = SourceStatus()
        deployed = Deployment(self.stages, SETTINGS, "first")
        self.observer = Observer(
            self.stages, self.status, at_rest, at_rest, at_rest, self.clock, "test", self.hearing, deployed
        )
        self.report = Report()

    def take(self, blocks: Iterable[StrainBlock]) -> None:
        for block in blocks:
            self.clock.ns = max(self.clock.ns, block.end_ns)
            self.status.blocks[block.detector] = self.status.blocks.get(block.detector, 0) + 1
            self.status.newest_ns[block.detector] = max(block.end_ns, self.status.newest_ns.get(block.detector, 0))
            for span in self.stages.align.push(block):
                self.hearing.masked(span.masked)
                step(span, self.stages, self.report)
            self.observer.update()

    def detectors(self) -> tuple[bool, str]:
        check = self.observer.ready()["detectors"]
        return check.ok, check.detail


def noise(start_s: int, seconds: int) -> list[StrainBlock]:
    network = SyntheticNetwork(NetworkConfig(seed=2, witnesses=False))
    made = network.blocks(START_NS + start_s * NS_PER_S, START_NS + (start_s + seconds) * NS_PER_S, HOPS)
    return [block for block in made if isinstance(block, StrainBlock)]


def delayed(blocks: list[StrainBlock], by_s: int) -> Iterator[StrainBlock]:
    """L1's blocks come some time after H1's of the same time."""
    order = [(b.end_ns + by_s * NS_PER_S * (b.detector == "L1"), k) for k, b in enumerate(blocks)]
    yield from (blocks[k] for _, k in sorted(order))


@pytest.fixture(scope="module")
def heard() -> Running:
    running = Running()
    running.take(noise(0, 12))
    return running


@pytest.fixture
def running(heard: Running) -> Running:
    """A search that hears both, from the PSDs of another."""
    fresh = Running()
    for name, conditioner in fresh.stages.condition.items():
        conditioner.restore(heard.stages.condition[name].state())
    fresh.take(noise(12, 3))
    assert fresh.detectors() == (True, "H1 heard, L1 heard")
    return fresh


def gauge(metric: Any, detector: str) -> float:
    return float(metric.labels(detector)._value.get())


def test_a_detector_that_is_thrown_away_as_late_is_named_and_makes_it_unready(running: Running) -> None:
    """Its strain comes, every block of it, and none is searched."""
    running.take(delayed(noise(15, 20), by_s=4))
    ok, detail = running.detectors()
    assert not ok
    assert detail.startswith("H1 heard, L1 not heard for ")
    assert detail.endswith(": late")
    assert running.observer.state() == "degraded"
    assert [d.masked for d in running.observer.heartbeat().detectors] == [False, True]
    assert (gauge(metrics.DETECTOR_HEARING, "H1"), gauge(metrics.DETECTOR_HEARING, "L1")) == (1, 0)
    assert (gauge(metrics.DETECTOR_SENDING, "L1"), gauge(metrics.DETECTOR_UNHEARD_SECONDS, "L1") > 10) == (1, True)


def test_a_vetoed_detector_is_named_with_its_veto(running: Running) -> None:
    vetoed = [replace(b, dq_mask=b.dq_mask & ~np.uint32(4)) if b.detector == "L1" else b for b in noise(15, 8)]
    running.take(vetoed)
    ok, detail = running.detectors()
    assert (ok, detail.endswith(": veto CBC_CAT2")) == (False, True)


def test_a_silent_detector_is_named_and_the_other_is_enough(running: Running) -> None:
    running.take(block for block in noise(15, 8) if block.detector == "H1")
    assert running.detectors() == (True, "H1 heard, L1 silent for 8 s")
    assert running.observer.state() == "degraded"


def test_when_nobody_sends_nobody_is_heard(running: Running) -> None:
    running.clock.ns += 60 * NS_PER_S
    assert running.detectors() == (False, "H1 silent for 60 s, L1 silent for 60 s")


def test_undecodable_messages_are_a_reason(running: Running) -> None:
    for block in noise(15, 8):
        if block.detector == "H1":
            running.take([block])
            running.status.refused["strain.L1"] = running.status.refused.get("strain.L1", 0) + 1
    ok, detail = running.detectors()
    assert (ok, detail.endswith(": undecodable")) == (False, True)


def test_blocks_from_another_time_are_a_reason_and_are_counted_by_it(running: Running) -> None:
    before = metrics.BLOCKS.labels("L1", "ahead of the clock")._value.get()
    for block in noise(15, 8):
        if block.detector == "H1":
            running.take([block])
            key = ("L1", "ahead of the clock")
            running.status.refused_blocks[key] = running.status.refused_blocks.get(key, 0) + 1
    ok, detail = running.detectors()
    assert (ok, detail.endswith(": ahead of the clock")) == (False, True)
    running.observer.update()
    assert metrics.BLOCKS.labels("L1", "ahead of the clock")._value.get() - before == 32


def test_a_stretch_is_logged_once_for_each_reason(running: Running) -> None:
    """Late blocks and the holes that they leave come in turn, sixteen a second."""
    at_rest: Any = Kafka()
    sink = AlertSink(at_rest, at_rest, running.clock, running.hearing)
    hops = [(START_NS + k * HOP_NS, START_NS + (k + 1) * HOP_NS) for k in range(16)]
    with capture_logs() as logged:
        for start_ns, end_ns in hops:
            late_ns = 4 * NS_PER_S
            sink.masked([
                Masked("L1", start_ns, end_ns, "missing"), Masked("L1", start_ns - late_ns, end_ns - late_ns, "late"),
            ])  # fmt: skip
    assert [event["reason"] for event in logged] == ["missing", "late"]


def test_before_the_first_psd_it_says_that_it_waits_for_one() -> None:
    running = Running()
    running.take(noise(0, 7))
    assert running.detectors() == (
        False, "H1 not heard for 7 s: PSD not usable yet, L1 not heard for 7 s: PSD not usable yet",
    )  # fmt: skip


def test_alerts_are_counted_by_type_and_an_event_is_late_or_in_time_once() -> None:
    """An update comes when something louder or better is known: it says nothing of how fast the event was heard."""

    def seen() -> list[float]:
        counts = [metrics.ALERTS.labels(kind)._value.get() for kind in ("PRELIMINARY", "UPDATE")]
        return [*counts, metrics.MERGER_TO_ALERT._sum.get()]

    told: list[Published] = []
    before, published = seen(), counted(told.append)
    alerts = [
        Published("TS240517a", START_NS, START_NS + NS_PER_S // 2, 0, "PRELIMINARY"),
        Published("TS240517a", START_NS, START_NS + 60 * NS_PER_S, 1, "UPDATE"),
    ]
    for alert in alerts:
        published(alert)
    assert told == alerts
    assert [now - then for now, then in zip(seen(), before, strict=True)] == [1, 1, pytest.approx(0.5)]
