"""Other messengers, end to end on each broker: notices on their topic, revisions on the alert topic, over restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Broker, on_apache
from fake_kafka import until
from findings import mapped
from messengers import burst, retracted
from own_settings import settings_of
from running import Run
from skymaps import skymap

from pipelines.live.publisher import Publisher
from pipelines.subscribe import receive
from stream.codec.avro import encode_external
from stream.codec.skymap import encode_skymap
from stream.kafka.producer import Producer
from stream.kafka.reading import read_all
from stream.kafka.topics import required_topics
from stream.records import Background, Candidate, ExternalEvent, Peak
from stream.settings import Settings
from stream.timebase import NS_PER_S, SystemClock

pytestmark = [pytest.mark.slow, on_apache]
CLOCK = SystemClock()
HOUR_NS = 3600 * NS_PER_S


@pytest.fixture
def settings(any_broker: Broker, fresh: str, tmp_path: Path) -> Settings:
    made = settings_of(
        any_broker.bootstrap_servers, fresh, tmp_path, kafka={"session_timeout_s": 3.0},
        publish={"transactions": type(any_broker).__name__ == "ApacheKafka"},
        external={"enabled": True, "store": tmp_path / "external.sqlite"},
    )  # fmt: skip
    for topic in required_topics(made):
        any_broker.create_topic(topic.name)
    return made


def send(settings: Settings, *messages: ExternalEvent | bytes) -> None:
    producer = Producer(settings.kafka)
    for message in messages:
        payload = message if isinstance(message, bytes) else encode_external(message)
        producer.send(settings.topics.external, "", payload)
    producer.flush()
    producer.close()


def publisher_of(run: Run) -> Publisher:
    assert run.started.wait(60)
    assert run.observer is not None
    publisher = run.observer.publisher
    assert until(lambda: publisher.ready, 60)
    return publisher


def told(settings: Settings) -> list[dict[str, Any]]:
    return [receive(message).as_dict() for message in read_all(settings.kafka, settings.topics.alerts)]


def await_alerts(settings: Settings, count: int, so: Callable[[], bool] = lambda: True) -> list[dict[str, Any]]:
    assert until(lambda: len(told(settings)) >= count and so(), 60), told(settings)
    time.sleep(0.3)  # one too many would come now
    return told(settings)


def test_a_burst_joins_one_60_s_after_does_not_a_track_told_three_hours_late_joins_and_its_retraction_leaves(
    any_broker: Broker, settings: Settings
) -> None:
    """The daemon ends and starts between, once the broker too; a message that is no notice holds up nobody."""
    merger_ns = CLOCK.now_ns() - NS_PER_S
    peak = Peak(merger_ns, 9.0, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), merger_ns + 180_000_000)
    candidate = Candidate(peak, 1e-7, False, Background("shipped", 1e9, ("H1", "L1")), "first-1")
    fits = encode_skymap(skymap(width=0.15))
    grb = burst(event_id="1", gps_ns=merger_ns + 1_700_000_000, skymap=fits)
    far_off = burst(event_id="2", gps_ns=merger_ns + 60 * NS_PER_S)
    track = burst(
        event_id="3", source="IceCube", messenger="neutrino", search="HEN", gps_ns=merger_ns + 3 * NS_PER_S,
        received_ns=merger_ns + 3 * HOUR_NS, names=(), notice_id="", skymap=fits,
    )  # fmt: skip

    with Run(settings) as run:
        publisher_of(run).publish(replace(mapped(candidate), skymap_fits=fits))
        send(settings, b"no notice", far_off, grb)
        alerts = await_alerts(settings, 2)
    assert [(a["alert_type"], a["external_coinc"] is None) for a in alerts] == [
        ("PRELIMINARY", True), ("UPDATE", False),
    ]  # fmt: skip
    joined = alerts[1]["external_coinc"]
    assert (joined["observatory"], joined["search"], joined["time_difference"]) == ("Fermi", "GRB", 1.7)
    assert joined["time_sky_position_coincidence_far"] < joined["time_coincidence_far"] < 1e-7
    assert joined["combined_skymap"] is not None
    assert (alerts[1]["event"]["skymap"], alerts[1]["tocsin"]["joined"]["names"]) == (
        alerts[0]["event"]["skymap"], ["GRB 150914A"],
    )  # fmt: skip

    send(settings, grb, track)
    with Run(settings) as run:
        publisher_of(run)
        alerts = await_alerts(settings, 3)
    late = alerts[2]
    assert (late["alert_type"], late["external_coinc"]["observatory"]) == ("UPDATE", "IceCube")
    assert (late["tocsin"]["joined"]["others"], late["event"]) == (["Fermi-GBM 1"], alerts[1]["event"])

    with Run(settings) as run:
        publisher_of(run)
        any_broker.down()
        time.sleep(1.0)
        any_broker.up()
        send(settings, track, retracted(track))
        alerts = await_alerts(settings, 4)
        send(settings, retracted(grb), retracted(track))
        alerts = await_alerts(settings, 5)
    assert [a["external_coinc"] and a["external_coinc"]["observatory"] for a in alerts] == [
        None, "Fermi", "IceCube", "Fermi", None,
    ]  # fmt: skip
    assert [a["tocsin"]["revision"] for a in alerts] == [0, 1, 2, 3, 4]
    assert {a["superevent_id"] for a in alerts} == {alerts[0]["superevent_id"]}
