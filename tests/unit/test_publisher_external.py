"""The publisher and other messengers: each coincidence is told once, from wherever the alert that it repeats is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broker import child
from fake_kafka import FakeKafka, until
from findings import mapped
from messengers import burst, retracted
from structlog.testing import capture_logs

from pipelines.live import external as module
from pipelines.live import truth
from pipelines.live.pace import AT_ONCE, Pace
from pipelines.live.publisher import Publisher
from stream.codec.alert import decode
from stream.errors import CodecError, TransportError
from stream.records import ExternalEvent
from stream.settings import ExternalSettings, KafkaSettings, PublishSettings, Settings
from stream.superevent import known
from stream.timebase import NS_PER_S, SystemClock

GRB = burst(gps_ns=child.GPS_NS + 1_700_000_000, tense="test")


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    return FakeKafka.instead(monkeypatch)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        publish=PublishSettings(outbox=tmp_path / "outbox"),
        external=ExternalSettings(enabled=True, store=tmp_path / "external.sqlite"),
    )


def ready(settings: Settings) -> Publisher:
    coincidences = module.keeping(settings, SystemClock()).__enter__()
    publisher = Publisher(settings, SystemClock(), coincidences=coincidences)
    assert until(lambda: publisher.ready)
    return publisher


def said(kafka: FakeKafka) -> list[tuple[str, float | None, bytes | None]]:
    """Return of each alert its type, the time difference that it tells, and its map."""
    found = []
    for record in (decode(value)[0] for value in kafka.sent[::2]):
        external = record["external_coinc"]
        found.append(
            (record["alert_type"], None if external is None else external["time_difference"], record["event"]["skymap"])
        )
    return found


def test_a_burst_joins_before_or_after_the_alert_and_its_retraction_leaves(
    kafka: FakeKafka, settings: Settings
) -> None:
    publisher = ready(settings)
    assert publisher.hear(GRB) == ()
    publisher.publish(child.candidate())
    assert publisher.hear(GRB) == ()
    assert publisher.hear(retracted(GRB)) == ("left",)
    assert publisher.hear(burst(2.0, "2", gps_ns=child.GPS_NS + 2 * NS_PER_S)) == ("joined",)
    assert publisher.hear(burst(60.0, "3", gps_ns=child.GPS_NS + 60 * NS_PER_S)) == ()
    publisher.close()
    assert said(kafka) == [("PRELIMINARY", 1.7, None), ("UPDATE", None, None), ("UPDATE", 2.0, None)]


@pytest.mark.parametrize("where", ["memory", "outbox", "topic", "history"])
def test_an_update_repeats_map_and_class_from_wherever_they_are_and_is_told_once(
    where: str, kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known yet, waiting in the outbox, on the topic alone, or older than what a start reads."""
    monkeypatch.setattr(known, "MAPS_KEPT", 16 if where == "memory" else 0)
    kafka.refusals = 1_000_000 if where == "outbox" else 0
    publisher = ready(settings)
    publisher.publish(mapped(child.candidate()))
    assert until(lambda: bool(kafka.sent) or kafka.tried.is_set())
    if where in ("topic", "history"):
        publisher.close()
        if where == "history":
            monkeypatch.setattr(truth.Truth, "news", lambda self: iter(()))
            monkeypatch.setattr(truth, "day_begin_unix_ns", lambda _: -1)
        publisher = ready(settings)
        publisher._drain.truth._since_ns = publisher._drain.truth._since_ns or 0
    assert publisher.hear(GRB) == ("joined",)
    assert publisher.hear(GRB) == ()
    kafka.refusals = 0
    publisher.close()
    assert said(kafka) == [("PRELIMINARY", None, b"map"), ("UPDATE", 1.7, b"map")]
    assert dict(kafka.topic[1].headers)["tocsin.followed"] == dict(kafka.topic[0].headers)["tocsin.followed"]


def test_a_notice_waits_while_the_topic_that_has_the_map_cannot_be_read(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "MAPS_KEPT", 0)
    publisher = ready(settings)
    publisher.publish(mapped(child.candidate()))
    assert until(lambda: bool(kafka.sent) and not publisher.waiting)
    kafka.unreadable.set()
    with pytest.raises(TransportError):
        publisher.hear(GRB)
    kafka.unreadable.clear()
    assert publisher.hear(GRB) == ("joined",)
    publisher.close()
    assert said(kafka)[1] == ("UPDATE", 1.7, b"map")


def test_an_event_that_was_told_before_other_messengers_were_listened_to_is_known_to_the_store(
    kafka: FakeKafka, settings: Settings
) -> None:
    off = settings.model_copy(update={"external": ExternalSettings(store=settings.external.store)})
    before = ready(off)
    before.publish(child.candidate())
    assert before.hear(GRB) == ()
    before.close()
    assert not settings.external.store.exists()
    after = ready(settings)
    assert after.hear(GRB) == ("joined",)
    after.close()


def test_events_of_another_kind_are_none_here(kafka: FakeKafka, settings: Settings) -> None:
    """The store is of a mock run; no topic is read for them."""
    mock = settings.model_copy(update={"publish": settings.publish.model_copy(update={"kind": "mock"})})
    publisher = ready(mock)
    publisher.publish(child.candidate())
    publisher.close()
    publisher = ready(settings)
    kafka.unreadable.set()
    assert publisher.hear(GRB) == ()
    publisher.close()


def test_what_cannot_be_written_of_another_messenger_stays_behind_and_the_alert_leaves_with_its_map(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = ready(settings)
    publisher.hear(GRB)
    encode = __import__("pipelines.live.publisher", fromlist=["encode"]).encode

    def fails(revision: Any, *rest: Any) -> Any:
        if revision.joined is not None:
            raise CodecError("a text that is none")
        return encode(revision, *rest)

    monkeypatch.setattr("pipelines.live.publisher.encode", fails)
    with capture_logs() as logged:
        publisher.publish(mapped(child.candidate()))
        publisher.close()
    assert said(kafka) == [("PRELIMINARY", None, b"map")]
    assert "coincidence_not_encoded" in [e["event"] for e in logged]


def test_a_notice_of_before_has_no_effect_on_an_alert_of_another_time(kafka: FakeKafka, settings: Settings) -> None:
    publisher = ready(settings)
    old: ExternalEvent = replace(GRB, gps_ns=child.GPS_NS - 3600 * NS_PER_S)
    assert publisher.hear(old) == ()
    publisher.publish(child.candidate())
    publisher.close()
    assert said(kafka) == [("PRELIMINARY", None, None)]


def test_of_a_thousand_updates_the_first_few_are_told_at_once_and_the_last_one_when_it_is_due(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A telescope is not moved a thousand times; what was told in the end is what holds."""
    now_s = [0.0]
    publisher = ready(settings)
    publisher._pace = Pace(lambda: now_s[0])
    publisher.publish(child.candidate())
    moved = [replace(GRB, gps_ns=GRB.gps_ns + (k % 7) * NS_PER_S // 5, revision=k) for k in range(1000)]
    told = [change for notice in moved for change in publisher.hear(notice)]
    assert told == ["joined"] + ["moved"] * AT_ONCE
    assert not publisher.caught_up and publisher.catch_up() == ()
    now_s[0] = 9.0
    assert publisher.catch_up() == ()
    now_s[0] = 10.0
    assert publisher.catch_up() == ("moved",)
    assert publisher.caught_up
    assert publisher.hear(replace(GRB, revision=1000)) == () and not publisher.caught_up
    assert publisher.hear(replace(moved[-1], revision=1001)) == () and publisher.caught_up  # as it was told
    assert publisher.hear(retracted(GRB)) == ("left",)
    publisher.close()
    assert [difference for _, difference, _ in said(kafka)][-2:] == [1.7 + 0.2 * (999 % 7), None]


def test_what_waits_to_be_told_is_heard_again_after_a_restart(kafka: FakeKafka, settings: Settings) -> None:
    publisher = ready(settings)
    publisher.publish(child.candidate())
    for k in range(AT_ONCE + 5):
        publisher.hear(replace(GRB, gps_ns=GRB.gps_ns + k * NS_PER_S // 5, revision=k))
    last = replace(GRB, gps_ns=GRB.gps_ns + (AT_ONCE + 4) * NS_PER_S // 5, revision=AT_ONCE + 4)
    assert not publisher.caught_up
    publisher.close()
    restarted = ready(settings)
    assert restarted.hear(last) == ("moved",)
    restarted.close()
    assert said(kafka)[-1][1] == pytest.approx(1.7 + 0.2 * (AT_ONCE + 4))
