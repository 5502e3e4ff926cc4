"""An alert is published exactly once, wherever the process is killed and however the broker fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import child
from broker.apache_kafka import ApacheKafka
from mergers import inject, is_of
from own_settings import settings_of

from pipelines.feeds.feed import feed
from pipelines.live.publisher import Published, Publisher
from pipelines.subscribe import receive
from stream.configuration import render_settings
from stream.kafka.reading import read_all
from stream.kafka.topics import create
from stream.records import Block
from stream.settings import Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import NS_PER_S, SystemClock

pytestmark = pytest.mark.broker


@pytest.fixture
def settings(kafka: ApacheKafka, fresh: str, tmp_path: Path) -> Settings:
    made = settings_of(kafka.bootstrap_servers, fresh, tmp_path)
    create(made)
    return made


def start(mode: str, step: str, settings: Settings, folder: Path) -> subprocess.Popen[bytes]:
    config = folder / "tocsin.toml"
    config.write_text(render_settings(settings))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, child.__file__, mode, step, str(config)]
    with (folder / f"{mode}-{step}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    _STARTED.append(process)
    return process


_STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def no_child_outlives_its_test() -> Iterator[None]:
    yield
    while _STARTED:
        _STARTED.pop().kill()


def messages(settings: Settings) -> tuple[list[str], list[str]]:
    """Superevent ids on the Avro and on the JSON topic."""
    avro, json = (read_all(settings.kafka, topic) for topic in (settings.topics.alerts, settings.topics.alerts_json))
    return [receive(m).superevent_id for m in avro], [receive(m).superevent_id for m in json]


def said(settings: Settings, topic: str) -> list[tuple[str, int, str, float]]:
    """What stands on a topic, in its order: superevent, revision, alert type, statistic."""
    alerts = [receive(m) for m in read_all(settings.kafka, topic)]
    return [(a.superevent_id, a.extra["revision"], a.record["alert_type"], a.extra["statistic"]) for a in alerts]


STEPS = [
    "while_waiting",  # for its map: it is in memory alone
    "before_outbox",  # nothing is on disk
    "after_outbox",  # the first revision is
    "while_sending",  # a broker that hangs does not keep the second one from the disk
    "in_transaction", "before_commit", "after_commit",  # the first is sent
    "in_transaction", "before_commit", "after_commit",  # the second
]  # fmt: skip


def test_two_peaks_of_one_event_are_two_alerts_through_kills_at_every_step(settings: Settings, tmp_path: Path) -> None:
    """Each start finds both peaks again, goes one step further than the last and is killed: none lost, none doubled."""
    ends = [start("publisher", step, settings, tmp_path).wait(60) for step in [*STEPS, "none"]]
    assert ends == [-signal.SIGKILL] * len(STEPS) + [0]
    expected = [("TS240517a", 0, "PRELIMINARY", 9.0), ("TS240517a", 1, "UPDATE", 12.0)]
    assert said(settings, settings.topics.alerts) == expected
    assert said(settings, settings.topics.alerts_json) == expected
    assert list((tmp_path / "outbox").glob("*.alert")) == []


def test_the_outbox_alone_brings_the_alert_back(settings: Settings, tmp_path: Path) -> None:
    """Even if the event is not found again."""
    assert start("publisher", "after_outbox", settings, tmp_path).wait(60) == -signal.SIGKILL
    publisher = Publisher(settings, SystemClock())
    publisher.close()
    assert messages(settings) == (["TS240517a"], ["TS240517a"])


def test_the_same_event_twice_is_one_alert_and_another_gets_the_next_letter(settings: Settings) -> None:
    published: list[Published] = []
    publisher = Publisher(settings, SystemClock(), published.append)
    event = child.candidate()
    publisher.publish(event)
    publisher.publish(event)
    publisher.close()
    assert messages(settings)[0] == ["TS240517a"]
    assert [p.superevent_id for p in published] == ["TS240517a"]


def test_a_second_publisher_with_the_same_id_stops_the_first(settings: Settings) -> None:
    first = Publisher(settings, SystemClock())
    second = Publisher(settings, SystemClock())
    second.publish(child.candidate())
    second.close()
    first.close()
    assert messages(settings)[0] == ["TS240517a"]


def test_an_event_that_two_publishers_hear_is_one_alert(settings: Settings) -> None:
    """As when a younger daemon takes over: the first one is fenced, reads the topic anew and finds its event there."""
    first, told = Publisher(settings, SystemClock()), threading.Event()
    end = time.monotonic() + 60
    while not first.ready:
        assert time.monotonic() < end
        time.sleep(0.05)
    second = Publisher(settings, SystemClock(), lambda _: told.set())
    second.publish(child.candidate())
    assert told.wait(60)
    second.close()
    first.publish(child.candidate())
    first.close()
    assert first.waiting == 0
    assert messages(settings)[0] == ["TS240517a"]


def network_blocks(start_ns: int, seconds: int, merger_ns: int) -> Iterator[Block]:
    network = inject(SyntheticNetwork(NetworkConfig(seed=5, witnesses=False)), merger_ns)
    return network.blocks(start_ns, start_ns + seconds * NS_PER_S, 1)


def wait_for(what: str, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if log.exists() and what in log.read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"no {what} in {log.read_text()[-3000:]}")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["before_outbox", "after_outbox", "before_commit"])
def test_daemon_killed_between_detection_and_publication_publishes_once(
    step: str, settings: Settings, tmp_path: Path
) -> None:
    """Once each revision: to the second one, which has whitened with other noise, it may be louder, as an update."""
    clock = SystemClock()
    first = start("daemon", step, settings, tmp_path)
    wait_for("partitions_assigned", tmp_path / f"daemon-{step}.log")
    start_ns = clock.now_ns() // NS_PER_S * NS_PER_S
    merger_ns = start_ns + 14 * NS_PER_S + 400_000_000
    sender = threading.Thread(target=feed, args=(network_blocks(start_ns, 26, merger_ns), settings, clock))
    sender.start()
    assert first.wait(60) == -signal.SIGKILL
    second = start("daemon", "none", settings, tmp_path)
    log = tmp_path / "daemon-none.log"
    wait_for("partitions_assigned", log)
    sender.join()
    wait_for("alert_published" if step != "after_outbox" else "outbox_recovered", log)
    time.sleep(3)
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert '"stopped"' in log.read_text()
    sent = [receive(m) for m in read_all(settings.kafka, settings.topics.alerts)]
    assert len({alert.superevent_id for alert in sent}) == 1
    assert [alert.extra["revision"] for alert in sent] == list(range(len(sent)))
    assert all(is_of(alert.extra["gps_ns"], merger_ns) for alert in sent)


def test_a_full_outbox_disk_does_not_stop_the_alert(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka is the truth; the outbox's failure is logged."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    publisher = Publisher(settings, SystemClock())
    publisher.publish(child.candidate())
    publisher.close()
    assert messages(settings) == (["TS240517a"], ["TS240517a"])
