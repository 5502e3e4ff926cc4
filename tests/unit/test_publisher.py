"""The publisher without a broker: what it does when Kafka refuses, and when the truth cannot be read."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broker import child
from fake_kafka import FakeKafka, until

from pipelines import events
from pipelines.live.drain import Drain
from pipelines.live.publisher import Published, Publisher
from stream.codec.alert import Outgoing, decode_alert, encode
from stream.errors import Fenced, PublishError, TransportError
from stream.kafka.consumer import Message
from stream.publish import Outbox
from stream.records import Candidate, Decision
from stream.settings import KafkaSettings, PublishSettings, Settings
from stream.superevent import Superevents
from stream.timebase import SystemClock


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    return FakeKafka.instead(monkeypatch)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"), publish=PublishSettings(outbox=tmp_path / "outbox")
    )


def alerts_of(settings: Settings, *candidates: Candidate) -> list[Outgoing]:
    """Return what another daemon, which knows of nothing else, sends of candidates."""
    superevents = Superevents(settings.publish.kind)
    revisions = [r for candidate in candidates for r in superevents.step(candidate, candidate.gps_ns)]
    return [encode(revision, settings.publish, settings.significance) for revision in revisions]


def stranded(kafka: FakeKafka, settings: Settings) -> None:
    """Leave an alert in the outbox: Kafka takes it from nobody until the publisher ends."""
    kafka.refusals = 1_000_000
    publisher = Publisher(settings, SystemClock())
    publisher.publish(child.candidate())
    publisher.close(0.3)
    assert publisher.waiting == 1
    kafka.refusals = 0


def test_an_alert_out_of_the_outbox_that_is_refused_is_tried_again_at_once(
    kafka: FakeKafka, settings: Settings
) -> None:
    """Nobody need hand over another candidate first."""
    stranded(kafka, settings)
    kafka.refusals = 2
    published: list[Published] = []
    told = threading.Event()

    def tell(one: Published) -> None:
        published.append(one)
        told.set()

    publisher = Publisher(settings, SystemClock(), tell)
    assert told.wait(60)
    publisher.close()
    assert [p.superevent_id for p in published] == ["TS240517a"]
    assert len(kafka.sent) == 2


def test_candidates_wait_while_the_truth_cannot_be_read(kafka: FakeKafka, settings: Settings) -> None:
    """Without the truth no id may be given; until it is read the strain's place must not move on."""
    kafka.unreadable.set()
    told = threading.Event()
    publisher = Publisher(settings, SystemClock(), lambda _: told.set())
    publisher.publish(child.candidate())
    assert not told.wait(0.3)
    assert (publisher.ready, publisher.safe, publisher.alive, publisher.waiting) == (False, False, True, 1)
    kafka.unreadable.clear()
    assert told.wait(60)
    publisher.close()
    assert publisher.safe
    assert len(kafka.sent) == 2


def test_the_end_does_not_wait_for_a_truth_that_cannot_be_read(kafka: FakeKafka, settings: Settings) -> None:
    """What was found is found again by the next start, for its strain's place has not moved."""
    kafka.unreadable.set()
    publisher = Publisher(settings, SystemClock())
    publisher.publish(child.candidate())
    publisher.close(0.3)
    assert not publisher.safe
    assert publisher.waiting == 1
    assert kafka.sent == []


def test_what_is_found_while_an_alert_is_being_sent_is_on_disk_at_once_and_leaves_in_its_order(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit may wait for a broker for long: a process that is killed meanwhile has lost nothing."""
    sending, never = threading.Event(), threading.Event()
    original = Drain._send

    def blocked(self: Drain, alert: Any) -> None:
        sending.set()
        never.wait(60)
        raise TransportError("the process is gone")

    monkeypatch.setattr(Drain, "_send", blocked)
    killed = Publisher(settings, SystemClock())
    assert until(lambda: killed.ready)
    for seconds in (0, 60):
        killed.publish(child.candidate(seconds))
    assert sending.wait(60)
    assert len(list(settings.publish.outbox.glob("*.alert"))) == 2
    assert (killed.safe, killed.waiting) == (True, 2)

    monkeypatch.setattr(Drain, "_send", original)
    published: list[Published] = []
    restarted = Publisher(settings, SystemClock(), published.append)
    restarted.close()
    assert [p.superevent_id for p in published] == ["TS240517a", "TS240517b"]
    never.set()
    killed.close(0.0)


def test_a_caller_is_told_when_too_many_wait_for_the_truth_and_the_end_comes_all_the_same(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No candidate gets its id while the truth cannot be read; one too many ends the daemon, and it does end."""
    monkeypatch.setattr(events, "_HELD", 2)
    kafka.unreadable.set()
    publisher = Publisher(settings, SystemClock())
    for _ in range(2):
        publisher.publish(child.candidate())
    with pytest.raises(PublishError, match="wait for the alert topic"):
        publisher.publish(child.candidate())
    publisher.close(0.2)
    assert (publisher.alive, publisher.safe) == (False, False)


def test_an_alert_that_stands_nowhere_but_in_memory_is_not_safe(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full and the broker away: a crash would lose it, were its strain's place to move on."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    kafka.refusals = 1_000_000
    told = threading.Event()
    publisher = Publisher(settings, SystemClock(), lambda _: told.set())
    publisher.publish(child.candidate())
    assert kafka.tried.wait(60)
    assert not publisher.safe
    kafka.refusals = 0
    assert told.wait(60)
    publisher.close()
    assert publisher.safe


def test_two_peaks_of_one_event_are_two_revisions_of_one_superevent(kafka: FakeKafka, settings: Settings) -> None:
    published: list[Published] = []
    publisher = Publisher(settings, SystemClock(), published.append)
    publisher.publish(child.candidate(0.0, 9.0))
    publisher.publish(child.candidate(0.2, 12.0))
    publisher.close()
    said = [(p.superevent_id, p.number, p.alert_type, p.candidate_ns - child.GPS_NS) for p in published]
    assert said == [("TS240517a", 0, "PRELIMINARY", 0), ("TS240517a", 1, "UPDATE", 200_000_000)]
    assert (publisher.waiting, len(kafka.sent)) == (0, 4)


@pytest.mark.parametrize("already", [0, 1, 2])
def test_a_restart_sends_what_the_topic_lacks_in_its_order_whatever_is_found_again(
    already: int, kafka: FakeKafka, settings: Settings
) -> None:
    found = child.candidate(0.0, 9.0), child.candidate(0.2, 12.0)
    alerts = alerts_of(settings, *found)
    box = Outbox(settings.publish.outbox)
    for alert in alerts:
        box.put(alert)
    for alert in alerts[:already]:
        kafka.foreign(alert)
    publisher = Publisher(settings, SystemClock())
    for candidate in found:
        publisher.publish(candidate)
    publisher.close()
    assert kafka.sent == [body for alert in alerts[already:] for body in (alert.avro, alert.json)]
    assert list(settings.publish.outbox.glob("*.alert")) == []


def test_an_alert_whose_commit_was_not_answered_is_not_sent_again(kafka: FakeKafka, settings: Settings) -> None:
    """The broker had it; what was found meanwhile follows, and each is told of once."""
    kafka.lost_answers = 1
    published: list[Published] = []
    publisher = Publisher(settings, SystemClock(), published.append)
    publisher.publish(child.candidate(0.0))
    publisher.publish(child.candidate(60.0))
    publisher.close()
    assert [p.superevent_id for p in published] == ["TS240517a", "TS240517b"]
    assert len(kafka.sent) == 4


def test_an_event_that_another_daemon_has_sent_meanwhile_is_not_sent_again(
    kafka: FakeKafka, settings: Settings
) -> None:
    """Two daemons overlap while the younger takes over; what both hear has one id, and so one message id."""
    publisher = Publisher(settings, SystemClock())
    assert kafka.was_read.wait(60)
    candidate = child.candidate()
    kafka.foreign(*alerts_of(settings, candidate))
    kafka.refusals = 1
    publisher.publish(candidate)
    publisher.close()
    assert kafka.tried.is_set()
    assert (publisher.waiting, kafka.sent) == (0, [])
    assert list(settings.publish.outbox.glob("*.alert")) == []


def test_an_event_that_another_daemon_gave_another_id_is_not_sent_again(kafka: FakeKafka, settings: Settings) -> None:
    _, second = alerts_of(settings, child.candidate(-60.0), child.candidate())
    Outbox(settings.publish.outbox).put(second)
    kafka.foreign(*alerts_of(settings, child.candidate()))
    publisher = Publisher(settings, SystemClock())
    publisher.close()
    assert (publisher.waiting, kafka.sent) == (0, [])


def test_an_id_that_two_daemons_gave_two_mergers_is_kept_for_whoever_looks(
    kafka: FakeKafka, settings: Settings
) -> None:
    """What waits here is not on the topic, though its message id is: it is neither sent as that nor thrown away."""
    Outbox(settings.publish.outbox).put(*alerts_of(settings, child.candidate()))
    kafka.foreign(*alerts_of(settings, child.candidate(60.0)))
    publisher = Publisher(settings, SystemClock())
    publisher.close()
    assert (publisher.waiting, kafka.sent) == (0, [])
    assert len(list(settings.publish.outbox.glob("*.refused"))) == 1


def test_the_id_of_an_alert_that_waits_on_a_strangers_message_does_not_keep_it_back(
    kafka: FakeKafka, settings: Settings
) -> None:
    """Ids follow from event and revision, so that they can be known before; who wrote them is told by event and key."""
    [alert] = alerts_of(settings, child.candidate())
    [other] = alerts_of(settings, child.candidate(3 * 86_400.0))
    Outbox(settings.publish.outbox).put(alert)
    kafka.topic.append(Message("alerts.gw", 0, 0, b"S240517x", b"another pipeline's", (alert.headers[0],), 0))
    kafka.foreign(replace(other, headers=(alert.headers[0], *other.headers[1:])))
    publisher = Publisher(settings, SystemClock())
    publisher.close()
    publisher.check()
    assert (publisher.waiting, kafka.sent[:1]) == (0, [alert.avro])


def test_an_alert_that_says_to_be_the_last_of_all_revisions_does_not_end_the_publisher(
    kafka: FakeKafka, settings: Settings
) -> None:
    """The number after it could not be read again: it is no alert of ours."""
    [first] = alerts_of(settings, child.candidate())
    told = {"tocsin.revision": b"999999", "tocsin.statistic": b"1.0"}
    kafka.foreign(replace(first, headers=tuple((k, told.get(k, v)) for k, v in first.headers)))
    publisher = Publisher(settings, SystemClock())
    publisher.publish(child.candidate(0.3))
    publisher.close()
    publisher.check()
    assert [decode_alert(value)["alert_type"] for value in kafka.sent[:1]] == ["PRELIMINARY"]


def test_a_decision_whose_alert_nothing_takes_is_left_for_the_next_start(
    kafka: FakeKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known as said by then: were it passed over, the event could never be withdrawn."""
    kafka.foreign(*alerts_of(settings, child.candidate()))
    publisher = Publisher(settings, SystemClock())
    assert until(lambda: publisher.ready)

    def full(*_: object) -> None:
        raise PublishError("the outbox takes nothing")

    monkeypatch.setattr(Outbox, "put", full)
    with pytest.raises(PublishError, match="takes nothing"):
        publisher.decide(Decision(str(uuid.uuid4()), "TS240517a", "retract", "glitch", "shift", 0))
    assert not publisher.ready  # so that who brought it leaves it on its topic
    with pytest.raises(PublishError, match="takes nothing"):
        publisher.check()
    publisher.close()


class Lost:
    """The right to publish, as long as nobody takes it."""

    def __init__(self) -> None:
        self.taken = False

    def check(self) -> None:
        if self.taken:
            raise Fenced("another producer has publish.transactional_id=tocsin-alerts")

    def confirm(self, *_: object) -> None:
        self.check()


def test_a_daemon_that_another_took_over_from_ends_with_the_reason_and_tries_nothing_again(
    kafka: FakeKafka, settings: Settings
) -> None:
    """What it had yet to send stays in its outbox; the younger daemon's producer is left alone."""
    right: Any = Lost()
    publisher = Publisher(settings, SystemClock(), None, right)
    assert until(lambda: publisher.ready)
    kafka.refusals, kafka.when_refused = 1_000_000, lambda: setattr(right, "taken", True)
    made = kafka.producers
    publisher.publish(child.candidate())
    assert until(lambda: not publisher.alive)
    with pytest.raises(Fenced, match="another producer has"):
        publisher.check()
    right.taken = False  # the reason stays
    with pytest.raises(Fenced, match="another producer has"):
        publisher.publish(child.candidate(60.0))
    publisher.close()
    assert (kafka.producers - made, publisher.waiting, len(list(settings.publish.outbox.glob("*.alert")))) == (0, 1, 1)


NEW = ("revision", "alert_type", "day_count", "days", "detectors", "confirmed_ns", "far_hz")


def test_an_alert_of_the_version_before_is_known_and_can_be_confirmed(kafka: FakeKafka, settings: Settings) -> None:
    """Its headers do not tell all; its payload does, and is repeated."""
    (alert,) = alerts_of(settings, child.candidate())
    old = tuple((n, v) for n, v in alert.headers if n.removeprefix("tocsin.") not in NEW and n != "_id")
    kafka.foreign(replace(alert, headers=(("_id", b"x" * 16), *old)))
    published: list[Published] = []
    publisher = Publisher(settings, SystemClock(), published.append)
    publisher.publish(child.candidate())
    publisher.publish(Decision(str(uuid.uuid4()), "TS240517a", "confirm", "seen by two", "on shift", child.GPS_NS))
    publisher.close()
    assert [(p.superevent_id, p.number, p.alert_type) for p in published] == [("TS240517a", 1, "INITIAL")]
    assert decode_alert(kafka.sent[0])["event"] == decode_alert(alert.avro)["event"]


def test_an_entry_that_does_not_tell_its_event_is_set_aside(kafka: FakeKafka, settings: Settings) -> None:
    box = Outbox(settings.publish.outbox)
    box.put(Outgoing("00000000-0000-4000-8000-000000000001", "TS240517a", 0, b"Obj", b"{}", (("tocsin.gps_ns", b"-"),)))
    box.put(*alerts_of(settings, child.candidate()))
    publisher = Publisher(settings, SystemClock())
    publisher.close()
    assert len(kafka.sent) == 2
    assert len(list(settings.publish.outbox.glob("*.refused"))) == 1
