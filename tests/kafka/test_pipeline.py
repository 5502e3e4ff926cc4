"""The main job, end to end on each broker: strain in, one alert out, in under a second."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Broker, on_apache
from fake_kafka import until
from mergers import inject, is_of
from own_settings import settings_of

from pipelines.feeds.feed import feed
from pipelines.feeds.replay import rebase_shift_ns, replay_to_kafka
from pipelines.live.daemon import Hooks, run
from pipelines.live.observe import Observer
from pipelines.live.publisher import Published
from pipelines.show.demo import Background
from pipelines.subscribe import alerts, receive
from stream.codec.avro import decode_heartbeat
from stream.errors import TransportError
from stream.kafka.reading import read_all
from stream.kafka.topics import required_topics
from stream.records import Block
from stream.settings import InferSettings, LocalizeSettings, Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import NS_PER_S, SystemClock

GW150914_NS = 1_126_259_462_420_000_000


@pytest.fixture
def settings(any_broker: Broker, fresh: str, tmp_path: Path) -> Settings:
    made = settings_of(
        any_broker.bootstrap_servers,
        fresh,
        tmp_path,
        kafka={"session_timeout_s": 3.0},  # the embedded broker makes a member that comes back wait for it
        publish={"transactions": type(any_broker).__name__ == "ApacheKafka"},
    )
    for topic in required_topics(made):
        any_broker.create_topic(topic.name)
    return made


@dataclass
class Running:
    """A daemon in a thread."""

    published: list[Published] = field(default_factory=list)
    observer: Observer | None = None
    port: int = 0

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@contextmanager
def daemon(settings: Settings) -> Iterator[Running]:
    """Run the daemon until the block ends, then drain it."""
    running, started, stop = Running(), threading.Event(), threading.Event()

    def ready(observer: Observer, port: int) -> None:
        running.observer, running.port = observer, port
        started.set()

    thread = Background("daemon", lambda: run(settings, stop=stop, hooks=Hooks(ready, None, running.published.append)))
    try:
        until(lambda: started.is_set() or not thread.running)
        assert thread.error is None, thread.error
        assert until(lambda: len(running.observer.consumer.assigned) == 2)  # type: ignore[union-attr]
        yield running
    finally:
        stop.set()
        thread.join(60)


def injected(start_ns: int, seconds: int, merger_ns: int) -> Iterator[Block]:
    network = inject(SyntheticNetwork(NetworkConfig(seed=5, witnesses=False)), merger_ns)
    return network.blocks(start_ns, start_ns + seconds * NS_PER_S, 1)


def sent_alerts(settings: Settings) -> list[dict[str, Any]]:
    return [receive(m).as_dict() for m in read_all(settings.kafka, settings.topics.alerts)]


@on_apache
@pytest.mark.alone
@pytest.mark.slow
def test_gw150914_rings_once_in_less_than_a_second_and_its_map_follows(settings: Settings, data_dir: Path) -> None:
    # The network that ships as the default, and its follow-up: on a slow machine the map comes with a later alert.
    settings = settings.model_copy(update={"infer": InferSettings(), "localize": LocalizeSettings()})
    files = sorted((data_dir / "strain").glob("GW150914/*_4_V2*.hdf5"))
    heard: list[str] = []
    stop = threading.Event()

    def telescope() -> None:
        for alert in alerts(settings, settings.topics.alerts, "earliest", stop):
            heard.append(alert.superevent_id)

    subscriber = Background("telescope", telescope)
    with daemon(settings) as running:
        shift_ns = replay_to_kafka(files, settings=settings, speed=1.0, rebase=True)
        until(lambda: any(p.followed for p in running.published))
        time.sleep(0.5)
    stop.set()
    subscriber.join()
    alert, *later = sent_alerts(settings)
    last = [alert, *later][-1]
    assert len(later) <= 1
    assert last["event"]["skymap"] is not None
    assert last["event"]["classification"]["BBH"] > 0.9
    assert abs(alert["tocsin"]["gps_ns"] - shift_ns - GW150914_NS) < 50_000_000
    assert alert["event"]["instruments"] == ["H1", "L1"]
    published, *_ = running.published
    after_merger_s = (published.acknowledged_ns - GW150914_NS - shift_ns) / NS_PER_S
    print(f"GW150914: merger to alert {after_merger_s:.3f} s")
    assert 0 < after_merger_s < 1.0
    assert heard == [alert["superevent_id"]] * (1 + len(later))
    as_json, *_ = read_all(settings.kafka, settings.topics.alerts_json)
    assert json.loads(as_json.value or b"")["superevent_id"] == alert["superevent_id"]


@on_apache
@pytest.mark.slow
def test_the_daemon_says_how_it_is(settings: Settings) -> None:
    """Not ready before strain comes, ready when it hears, degraded when a detector is silent; metrics and beats."""
    clock = SystemClock()
    with daemon(settings) as running:
        assert running.get("/healthz")[0] == 200
        status, body = running.get("/readyz")
        assert (status, json.loads(body)["checks"]["detectors"]["ok"]) == (503, False)
        start_ns = (clock.now_ns() // NS_PER_S + 1) * NS_PER_S
        network = SyntheticNetwork(NetworkConfig(witnesses=False))
        feed(network.blocks(start_ns, start_ns + 12 * NS_PER_S, 1), settings, clock)
        assert until(lambda: running.get("/readyz")[0] == 200), running.get("/readyz")
        lone = SyntheticNetwork(NetworkConfig(detectors=("H1",), witnesses=False))
        after_ns = start_ns + 12 * NS_PER_S
        feed(lone.blocks(after_ns, after_ns + 8 * NS_PER_S, 1), settings, clock)
        assert until(lambda: "L1 silent" in running.get("/readyz")[1])
        assert running.get("/readyz")[0] == 200
        _, text = running.get("/metrics")
        assert 'tocsin_masked_seconds_total{detector="L1"' in text
        assert 'tocsin_stage_seconds_bucket{le="0.01",stage="infer"}' in text
        assert running.get("/nothing")[0] == 404
    beats = [decode_heartbeat(m.value or b"") for m in read_all(settings.kafka, settings.topics.heartbeat)]
    assert {"starting", "running", "degraded", "draining"} == {b.state for b in beats}
    assert beats[-1].state == "draining"
    assert len({b.daemon_id for b in beats}) == 1


@on_apache
@pytest.mark.slow
def test_broker_gone_for_half_a_minute_loses_no_event(any_broker: Broker, settings: Settings) -> None:
    """The detectors keep their blocks, the merger comes in the outage; when the broker is back, it rings, once."""
    clock = SystemClock()
    with daemon(settings) as running:
        start_ns = (clock.now_ns() // NS_PER_S + 1) * NS_PER_S
        merger_ns = start_ns + 25 * NS_PER_S
        sender = Background("sender", lambda: feed(injected(start_ns, 50, merger_ns), settings, clock))
        time.sleep(14)
        any_broker.down()
        time.sleep(30)
        any_broker.up()
        sender.join(60)
        until(lambda: bool(running.published))
        time.sleep(1)
        assert running.observer is not None
        assert running.observer.status.skipped_s == 0
    (alert,) = sent_alerts(settings)
    assert is_of(alert["tocsin"]["gps_ns"], merger_ns)


@on_apache
@pytest.mark.slow
def test_a_restart_hears_at_once(settings: Settings) -> None:
    """The checkpoint holds the PSDs: a merger 4 s after the restart rings, where a fresh start needs 10 s."""
    clock = SystemClock()
    with daemon(settings):
        start_ns = (clock.now_ns() // NS_PER_S + 1) * NS_PER_S
        feed(injected(start_ns, 12, start_ns + 100 * NS_PER_S), settings, clock)
    with daemon(settings) as running:
        again_ns = (clock.now_ns() // NS_PER_S + 1) * NS_PER_S
        merger_ns = again_ns + 4 * NS_PER_S
        feed(injected(again_ns, 7, merger_ns), settings, clock)
        until(lambda: bool(running.published))
    (alert,) = sent_alerts(settings)
    assert is_of(alert["tocsin"]["gps_ns"], merger_ns)


def test_missing_topics_are_named(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"topics": settings.topics.model_copy(update={"alerts": "not-made"})})
    with pytest.raises(TransportError, match=r"not-made.*tocsin topics create"):
        run(elsewhere, stop=threading.Event())


def test_rebasing_moves_whole_seconds_to_the_next_one() -> None:
    shift_ns = rebase_shift_ns(1_126_259_446 * NS_PER_S, 1_479_000_000 * NS_PER_S + 300_000_000)
    assert shift_ns % NS_PER_S == 0
    assert 1_126_259_446 * NS_PER_S + shift_ns == 1_479_000_001 * NS_PER_S
