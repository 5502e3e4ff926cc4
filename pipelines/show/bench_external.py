"""``tocsin bench external``: how soon an alert tells of another messenger, and what many notices cost.

The daemon as it runs in production, on an embedded broker. A superevent is told, with its sky map; then a notice of
Fermi-GBM's comes, through the parser onto the topic, and the time counts from when the notice was received until the
alert that tells of it stands in the outbox, and until Kafka has acknowledged it. The load is notices that coincide with
nothing, many times as many as come in an hour, and the memory of the process while it takes them.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prometheus_client import REGISTRY

from pipelines.evaluate.skymap_injections import inject
from pipelines.live.daemon import Hooks, run
from pipelines.live.observe import Observer
from pipelines.live.publisher import Published, Publisher
from pipelines.progress import Progress
from pipelines.show.bench import percentiles
from pipelines.show.bench_load import Memory, chance_notices
from pipelines.show.demo import Background
from pipelines.show.local import create_topics, local_settings
from pipelines.show.machine import machine
from stream.codec.avro import encode_external
from stream.codec.skymap import encode_skymap
from stream.errors import TocsinError
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.localize.skymap import localize
from stream.notices import read_notice
from stream.records import Background as Measured
from stream.records import Candidate, Localized, Peak
from stream.regions import credible_areas_deg2
from stream.settings import LocalizeSettings, Settings
from stream.simulate.notices import Seen, SimulatedNotice, gbm_notices
from stream.timebase import NS_PER_S, SystemClock

_SPACING_NS = 100 * NS_PER_S
_GROUND = 4
"""Which of GBM's notices is sent: the first from the ground."""
_DELAY_S = 1.7
_TOLD_S, _ANSWER_S, _DRAIN_S = 120.0, 10.0, 120.0
_LOAD_START = 1000
"""So many notices pass before the memory is looked at first: caches are full then."""
_LOOK_S = 0.002


@dataclass(frozen=True, slots=True)
class _Told:
    """A superevent that the daemon has told, and where it is."""

    candidate: Candidate
    localized: Localized
    seen: Seen


class _Ledger:
    """Which alerts were acknowledged, by merger, in their order."""

    def __init__(self) -> None:
        self.observer: Observer | None = None
        self._published: dict[int, list[Published]] = {}
        self._changed = threading.Condition()

    def hooks(self) -> Hooks:
        """Return the hooks that fill this."""
        return Hooks(started=self._started, published=self._take)

    def wait(self, gps_ns: int, wanted: Callable[[Published], bool], timeout_s: float) -> Published | None:
        """Return the first alert of a merger that is wanted, once Kafka has it; None where none comes in time."""

        def found() -> Published | None:
            return next(filter(wanted, self._published.get(gps_ns, ())), None)

        with self._changed:
            return self._changed.wait_for(found, timeout_s)

    def _started(self, observer: Observer, _: int) -> None:
        self.observer = observer

    def _take(self, published: Published) -> None:
        with self._changed:
            self._published.setdefault(published.candidate_ns, []).append(published)
            self._changed.notify_all()


def _has_map(published: Published) -> bool:
    return published.followed is not None and "skymap" in published.followed.known


def _is_joint(published: Published) -> bool:
    return published.alert is not None and any(name == "tocsin.joined" for name, _ in published.alert.headers)


def external(
    count: int = 100, load: int = 0, load_per_s: float = 200.0, seed: int = 11, progress: Progress | None = None
) -> dict[str, object]:
    """Measure notice to alert over some superevents, then memory and drain of a load of notices.

    Raises
    ------
    TocsinError
        If a part of the pipeline failed.
    """
    told = [_superevent(k, seed, SystemClock().now_ns()) for k in range(count + 1)]
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as broker:
        settings = local_settings(
            broker.bootstrap_servers, Path(folder), messengers=True, maps=False, detectors=("H1", "L1")
        )
        create_topics(broker, settings)
        ledger, stop = _Ledger(), threading.Event()
        daemon = Background("daemon", lambda: run(settings, stop=stop, hooks=ledger.hooks()))
        producer = Producer(settings.kafka)
        try:
            publisher = _started(ledger, daemon)
            answers = list(_answers(told[:-1], publisher, settings, producer, ledger, progress))
            heard = [answer for answer in answers if answer is not None]
            columns = np.array(heard).reshape(-1, 2).T
            figures: dict[str, object] = {
                "notice_to_outbox_s": percentiles(columns[0]) if heard else None,
                "notice_to_alert_s": percentiles(columns[1]) if heard else None,
                "missed": len(answers) - len(heard),
            }
            if load:
                _tell(told[-1], publisher, ledger)
                figures["load"] = _load(load, load_per_s, told[-1], settings, producer, ledger, seed)
        finally:
            producer.close(1.0)
            stop.set()
        daemon.join()
    return figures | {"broker": "embedded", "machine": machine()}


def _superevent(number: int, seed: int, now_ns: int) -> _Told:
    """Return a superevent of the last hours: its map is that of a simulated binary in H1 and L1."""
    made = inject("bbh", ("H1", "L1"), (seed, number))
    skymap = localize(made.series, LocalizeSettings())
    gps_ns = now_ns - (number + 2) * _SPACING_NS
    parts = tuple((s.detector, float(np.abs(s.snr).max())) for s in made.series)
    peak = Peak(gps_ns, made.snr, ("H1", "L1"), parts, gps_ns + NS_PER_S // 5)
    candidate = Candidate(peak, 1e-9, False, Measured("shipped", 1e9, ("H1", "L1")), "bench")
    # The map is fixed on the sky; that the Earth has turned since it was made changes nothing in it.
    area50, area90 = credible_areas_deg2(skymap, (0.5, 0.9))
    localized = Localized(candidate, encode_skymap(skymap, []), area50_deg2=area50, area90_deg2=area90)
    return _Told(candidate, localized, Seen(gps_ns, made.binary.ra_rad, made.binary.dec_rad))


def _started(ledger: _Ledger, daemon: Background) -> Publisher:
    """Return the daemon's publisher once it has one."""
    while ledger.observer is None and daemon.running:
        time.sleep(_LOOK_S)
    if ledger.observer is None:
        daemon.join()
        raise TocsinError("the daemon ended before it had begun")
    return ledger.observer.publisher


def _tell(told: _Told, publisher: Publisher, ledger: _Ledger) -> None:
    """Have a superevent told, with its map."""
    publisher.publish(told.candidate)
    publisher.publish(told.localized)
    if ledger.wait(told.candidate.gps_ns, _has_map, _TOLD_S) is None:
        raise TocsinError(f"the superevent at {told.candidate.gps_ns} was not told within {_TOLD_S:g} s")


def _answers(
    told: Sequence[_Told], publisher: Publisher, settings: Settings, producer: Producer, ledger: _Ledger,
    progress: Progress | None,
) -> Iterator[tuple[float, float] | None]:  # fmt: skip
    """Yield, for each superevent, the times from its notice to outbox and alert; None where none comes."""
    rng = np.random.default_rng(len(told))
    for k, one in enumerate(told):
        _tell(one, publisher, ledger)
        notice, (count, total_s) = _burst(one.seen, rng), _to_outbox()
        time.sleep(rng.uniform(0.02, 0.12))  # not in step with the daemon's polls
        received_ns = _send(notice, settings, producer)
        alert = ledger.wait(one.candidate.gps_ns, _is_joint, _ANSWER_S)
        while alert is not None and _to_outbox()[0] == count:
            time.sleep(_LOOK_S)
        to_outbox_s = _to_outbox()[1] - total_s
        yield None if alert is None else (to_outbox_s, (alert.acknowledged_ns - received_ns) / NS_PER_S)
        if progress is not None:
            progress(k + 1, len(told))


def _to_outbox() -> tuple[float, float]:
    """Return how many notices led to alerts in the outbox, and the time that took them all, as the daemon counts."""
    name = "tocsin_external_to_revision_seconds"
    count, total_s = (REGISTRY.get_sample_value(f"{name}_{part}") for part in ("count", "sum"))
    return count or 0.0, total_s or 0.0


def _burst(merger: Seen, rng: np.random.Generator) -> SimulatedNotice:
    seen = Seen(merger.gps_ns + round(_DELAY_S * NS_PER_S), merger.ra_rad, merger.dec_rad)
    return list(gbm_notices(seen, rng))[_GROUND]


def _send(notice: SimulatedNotice, settings: Settings, producer: Producer) -> int:
    """Take a notice as a listener does; return when it was received, GPS."""
    received_ns = SystemClock().now_ns()
    for event in read_notice(notice.payload, received_ns, notice.topic):
        producer.send(settings.topics.external, f"{event.source}/{event.event_id}", encode_external(event))
    return received_ns


def _load(
    load: int, per_s: float, last: _Told, settings: Settings, producer: Producer, ledger: _Ledger, seed: int
) -> dict[str, object]:
    """Send notices by chance at a rate, and one at the end that coincides: when its alert comes, all were taken."""
    watch = Memory()
    started_s = time.monotonic()
    for k, notice in enumerate(chance_notices(load, seed)):
        late_s = started_s + k / per_s - time.monotonic()
        if late_s > 0:
            time.sleep(late_s)
        _send(notice, settings, producer)
        if k == min(_LOAD_START, load - 1):
            watch.start()
        if k % 100 == 0:
            watch.look()
    sent_s = time.monotonic() - started_s
    _send(_burst(last.seen, np.random.default_rng((seed, 2))), settings, producer)
    alert = ledger.wait(last.candidate.gps_ns, _is_joint, _DRAIN_S)
    watch.look()
    return {
        "notices": load, "per_hour": round(load / sent_s * 3600), "all_taken": alert is not None,
        "taken_after_s": round(time.monotonic() - started_s - sent_s, 2), **watch.as_dict(),
    }  # fmt: skip
