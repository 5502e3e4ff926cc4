"""The daemon: ``tocsin run``. Strain from Kafka through the search to alerts on Kafka, for months.

What surrounds the one loop: metrics and health over HTTP, heartbeats, checkpoints, and an orderly end. SIGTERM and
SIGINT let the search finish its block, drain the publisher, write a checkpoint and commit the offsets.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from pipelines.follow import FOLLOW_UP
from pipelines.live import checkpoint, external, promotion
from pipelines.live.decisions import Decisions
from pipelines.live.deployment import Deployment
from pipelines.live.folders import own_folders
from pipelines.live.hearing import HearingWatch
from pipelines.live.maps import Maps
from pipelines.live.observe import Observer, counted
from pipelines.live.publisher import Published, Publisher
from pipelines.live.source import KafkaBlocks
from pipelines.networks import Stopwatch
from pipelines.search import Tap, compose, search
from stream import __version__, metrics
from stream.codec import strain_codec
from stream.codec.avro import encode_heartbeat
from stream.errors import Fenced, TransportError
from stream.health import HealthServer
from stream.kafka.consumer import Consumer
from stream.kafka.ownership import Ownership
from stream.kafka.producer import Producer
from stream.kafka.topics import wait_for_topics
from stream.records import Candidate, Masked, Snapshot, Statistic, WhitenedSegment
from stream.served_pages import ServedPages
from stream.settings import Settings
from stream.timebase import NS_PER_S, Clock, SystemClock, ns_to_gps_s

if TYPE_CHECKING:
    from stream.codec.registry import SchemaRegistry

log = structlog.get_logger()
_COMMIT_S = 2.0
_MODEL_S = 0.2
_LAST_BEAT_S = 2.0


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who else wants to know: the demo, the benchmark, tests.

    ``started`` is told once, with the observer and the HTTP port; ``candidate`` in the search's thread; ``published``
    in the publisher's, of each revision; ``tap`` sees each span. ``follower`` names what makes maps, where it is
    another.
    """

    started: Callable[[Observer, int], None] | None = None
    candidate: Callable[[Candidate], None] | None = None
    published: Callable[[Published], None] | None = None
    tap: Tap | None = None
    follower: str = FOLLOW_UP


@dataclass(slots=True)
class AlertSink:
    """The search's sink: candidates go to publisher and follow-up, masked stretches to log and metrics."""

    publisher: Publisher
    maps: Maps
    clock: Clock
    hearing: HearingWatch
    told: Callable[[Candidate], None] | None = None
    masked_until_ns: dict[tuple[str, str], int] = field(default_factory=dict)

    def candidate(self, candidate: Candidate, snapshot: Snapshot) -> None:
        """Hand a candidate on: what follows from it is on disk when this returns, or waits for its map."""
        if self.publisher.publish(candidate, self.maps.wait_s):
            self.maps.submit(snapshot)
        metrics.CANDIDATES.inc()
        if self.told is not None:
            self.told(candidate)
        log.info(
            "candidate", gps=ns_to_gps_s(candidate.gps_ns), far_hz=candidate.far_hz,
            far_is_limit=candidate.far_is_limit, statistic=round(candidate.peak.statistic, 4),
            detectors=candidate.peak.detectors,
            background=candidate.background.source,
            found_after_s=round((self.clock.now_ns() - candidate.gps_ns) / NS_PER_S, 4),
        )  # fmt: skip

    def masked(self, masked: Sequence[Masked]) -> None:
        """Count what was not heard, and say where a stretch begins."""
        self.hearing.masked(masked)
        for stretch in masked:
            seconds = (stretch.end_ns - stretch.gps_ns) / NS_PER_S
            metrics.MASKED_SECONDS.labels(stretch.detector, stretch.reason).inc(seconds)
            key = (stretch.detector, stretch.reason)
            if self.masked_until_ns.get(key) != stretch.gps_ns:
                log.warning("masked", detector=stretch.detector, gps=ns_to_gps_s(stretch.gps_ns), reason=stretch.reason)
            self.masked_until_ns[key] = stretch.end_ns


class Housekeeper:
    """What is done between polls: heartbeat, commits, checkpoints, metrics; each at its own interval."""

    def __init__(
        self, settings: Settings, observer: Observer, heartbeats: Producer, registry: SchemaRegistry | None
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._heartbeats = heartbeats
        self._registry = registry
        self._heard: frozenset[str] = frozenset()
        self._due_s: dict[str, float] = {}
        self._writer = checkpoint.Writer(settings.daemon.state_dir, _not_written)

    def __call__(self) -> None:
        """Do what is due.

        Raises
        ------
        PublishError
            If the publisher has died: a daemon that cannot ring must end and be seen to end.
        """
        observer, daemon = self._observer, self._settings.daemon
        observer.turned_s = time.monotonic()
        observer.publisher.check()
        if self._is_due("model", _MODEL_S):
            observer.deployment.turn()
        if self._is_due("commit", _COMMIT_S):
            observer.consumer.commit()
        if self._is_due("heartbeat", daemon.heartbeat_s):
            observer.update()
            self.beat()
        # The first usable PSD is worth a checkpoint at once: a restart then hears from its first block on.
        heard = frozenset(name for name, c in observer.stages.condition.items() if c.psd_ready)
        if self._is_due("checkpoint", daemon.checkpoint_s) or heard - self._heard:
            self.checkpoint()
        self._heard = heard

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._due_s.get(what, 0.0):
            return False
        self._due_s[what] = now_s + every_s
        return True

    def beat(self) -> None:
        """Send a heartbeat."""
        try:
            topic, heartbeat = self._settings.topics.heartbeat, self._observer.heartbeat()
            message = encode_heartbeat(heartbeat)
            if self._registry is not None:
                message = self._registry.frame(topic, message)
            self._heartbeats.send(topic, heartbeat.daemon_id, message)
        except TransportError as error:
            log.warning("heartbeat_not_sent", error=str(error))

    def checkpoint(self) -> None:
        """Write the checkpoint, and wait for it at the end; a full disk is reported and does not end the search."""
        self._writer.put(checkpoint.take(self._observer.stages))
        if self._observer.draining:
            self._writer.close()


def _not_written(error: Exception) -> None:
    metrics.CHECKPOINT_ERRORS.inc()
    log.error("checkpoint_not_written", error=str(error), remedy="free the disk of daemon.state_dir")


def run(
    settings: Settings,
    *,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    hooks: Hooks | None = None,
) -> None:
    """Search live strain until told to stop.

    Parameters
    ----------
    settings : Settings
    stop : threading.Event, optional
        Ends it when set; without one SIGTERM and SIGINT do.
    clock : Clock, optional
    hooks : Hooks, optional

    Raises
    ------
    TransportError
        If a topic is not there at the start; a broker that is away is waited for.
    ModelError, ProviderError, ConfigurationError
        If what was asked for is not there, or another daemon has the state folder.
    PublishError
        If the publisher dies.
    Fenced
        If another daemon has taken over ``publish.transactional_id``, or this one's place in ``kafka.group_id``.
    """
    clock, hooks = clock or SystemClock(), hooks or Hooks()
    stop = stop or stop_on_signals()
    with ExitStack() as closing:
        closing.enter_context(own_folders(settings))
        of_settings, chosen = settings.infer.model, promotion.in_force(settings)
        promotion.forget_ended(settings)
        settings = chosen
        stages = compose(settings, Stopwatch(lambda stage, s: metrics.STAGE_SECONDS.labels(stage).observe(s)))
        closing.callback(stages.close)
        hearing = HearingWatch(settings.strain.detectors, clock)
        stages.tap = _watching(hooks.tap, hearing)
        deployment = Deployment(stages, settings, of_settings)
        closing.callback(deployment.close)
        stages.beside = deployment.after_span
        restored = checkpoint.restore(stages, settings.daemon.state_dir)
        ownership = Ownership(settings)
        coincidences = closing.enter_context(external.keeping(settings, clock))
        publisher = Publisher(settings, clock, counted(hooks.published), ownership, coincidences)
        closing.callback(Decisions(ownership, publisher).close)
        closing.callback(publisher.close)
        closing.enter_context(external.listening(settings, publisher, clock))
        maps = closing.enter_context(Maps(settings, lambda: stages.network.card, publisher.publish, hooks.follower))
        heartbeats = Producer(settings.kafka)
        closing.callback(heartbeats.close, _LAST_BEAT_S)
        consumer = Consumer(
            settings.kafka, _topics(settings), instance_id=settings.kafka.group_instance_id,
            may_commit=lambda: publisher.safe,
        )  # fmt: skip
        closing.callback(consumer.close)
        registry = _registry(settings)
        codec = strain_codec(settings.strain, registry)
        source = KafkaBlocks(consumer, codec, settings, clock, stop.is_set, registry)
        daemon_id = f"{settings.kafka.group_id}@{socket.gethostname()}"
        prefix = settings.topics.strain_prefix
        observer = Observer(
            stages, source.status, consumer, publisher, maps, clock, daemon_id, hearing, deployment, prefix
        )  # fmt: skip
        source.housekeeping = housekeeper = Housekeeper(settings, observer, heartbeats, registry)
        pages = None if settings.daemon.pages_dir is None else ServedPages(settings.daemon.pages_dir)
        address = (settings.daemon.http_host, settings.daemon.http_port)
        server = HealthServer(*address, observer.healthy, observer.ready, pages)
        closing.callback(server.close)
        _await_topics(settings, stop, observer)
        log.info(
            "started", version=__version__, model=stages.network.card.label, provider=settings.infer.provider,
            brokers=settings.kafka.bootstrap_servers, detectors=settings.strain.detectors,
            checkpoint_restored=restored, http_port=server.port,
        )  # fmt: skip
        if hooks.started is not None:
            hooks.started(observer, server.port)
        search(source, stages, AlertSink(publisher, maps, clock, hearing, hooks.candidate), to_the_end=False)
        _drain(observer, housekeeper)
    log.info("stopped")


def _drain(observer: Observer, housekeeper: Housekeeper) -> None:
    """Let go of what is being made: maps, a checkpoint, alerts."""
    observer.draining = True
    log.info("draining", alerts_waiting=observer.publisher.waiting)
    housekeeper.beat()
    observer.maps.close()
    housekeeper.checkpoint()
    observer.publisher.close()
    observer.publisher.check()


def stay_down(error: Fenced) -> None:
    """Do nothing until a signal says to end: what ends is started again by some supervisors, whatever its code."""
    log.error("stays_down", error=str(error), remedy="stop it, or give it names of its own and start it again")
    stop_on_signals().wait()


def _watching(tap: Tap | None, hearing: HearingWatch) -> Tap:
    def watch(whitened: Sequence[WhitenedSegment], statistic: Statistic) -> None:
        hearing.whitened([s for s in whitened if s.detector not in statistic.deaf])
        if len(statistic.value):
            metrics.STATISTIC.set(float(statistic.value.max()))
        if tap is not None:
            tap(whitened, statistic)

    return watch


def _registry(settings: Settings) -> SchemaRegistry | None:
    if settings.kafka.schema_registry_url is None:
        return None
    from stream.codec.registry import schema_registry  # noqa: PLC0415 - its client is slow to load and seldom used

    return schema_registry(settings.kafka)


def _topics(settings: Settings) -> list[str]:
    topics = [settings.topics.strain_prefix + d for d in settings.strain.detectors]
    if settings.strain.witnesses:
        topics += [settings.topics.witness_prefix + d for d in settings.strain.detectors]
    return topics


def _await_topics(settings: Settings, stop: threading.Event, observer: Observer) -> None:
    """Wait for broker and topics; a daemon that ends here has nothing to publish that is not in the outbox."""
    there = False
    try:
        there = wait_for_topics(settings, stop.is_set, observer.turn)
    finally:
        if not there:
            observer.publisher.close(0.0)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    stop = threading.Event()

    def ask(number: int, _: FrameType | None) -> None:
        log.info("signal", name=signal.Signals(number).name)
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop
