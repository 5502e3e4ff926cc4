"""Whatever is found and wherever the process dies: each revision is on the topic once, in its order."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from broker import child
from findings import mapped
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from messengers import burst, retracted

from pipelines.live import drain as module
from pipelines.live import external, truth
from pipelines.live.publisher import Publisher
from stream.codec.alert import sent_of
from stream.coincide.store import Store
from stream.errors import TransportError
from stream.kafka.consumer import Message
from stream.publish import Outbox
from stream.records import Candidate, ExternalEvent, Revision
from stream.settings import ExternalSettings, KafkaSettings, PublishSettings, Settings
from stream.superevent import Sent, Superevents
from stream.timebase import NS_PER_S, SystemClock


class Killed(BaseException):
    """The process is gone."""


class World:
    """What outlives a process: the topic; and how many steps it is given to the next fault."""

    def __init__(self, faults: list[tuple[int, type[BaseException]]]) -> None:
        self.faults = faults
        self.topic: list[Message] = []

    def step(self, may: tuple[type[BaseException], ...] = (Killed,)) -> None:
        """Let the next fault strike if its time has come and it can strike here."""
        if not self.faults:
            return
        left, fault = self.faults[0]
        self.faults[0] = (left - 1, fault)
        if left <= 0 and fault in may:
            del self.faults[0]
            raise fault("struck")

    def producer(self, *_: object) -> World:
        return self

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.open: list[Message] = []
        yield
        self.step((Killed, TransportError))
        self.topic += self.open
        self.step((Killed, TransportError))

    def send(self, topic: str, key: str, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> None:
        if topic == "alerts.gw":
            self.open.append(Message(topic, 0, len(self.topic), key.encode(), value, headers, 0))

    def read_since(self, *_: object) -> Iterator[Message]:
        for message in list(self.topic):
            self.step((Killed, TransportError))
            yield message

    def on_topic(self) -> list[Sent]:
        found = [sent_of(message.key, message.headers) for message in self.topic]
        return [sent for sent in found if sent is not None]


def around(world: World, original: Callable[..., Any]) -> Callable[..., Any]:
    """Let the process die before a call, or after it."""

    def wrapped(*arguments: Any) -> Any:
        world.step()
        result = original(*arguments)
        world.step()
        return result

    return wrapped


def live(world: World, settings: Settings, findings: list[Candidate], place: list[int], turns: list[bool]) -> None:
    """A process: it hears a little before the strain's place again, and moves that on while it is safe."""
    publisher = Publisher(settings, SystemClock())
    for index in range(max(0, place[0] - 2), len(findings)):
        publisher.publish(findings[index])
        if turns[index]:
            publisher._drain.turn()
        if publisher.safe:
            place[0] = max(place[0], index + 1)
    while publisher.waiting or not publisher._drain.turn():
        publisher._drain.turn()


def killed(life: Callable[[], None]) -> bool:
    try:
        life()
    except Killed:
        return True
    return False


def expected(findings: list[Candidate]) -> list[Revision]:
    superevents = Superevents("test")
    return [revision for finding in findings for revision in superevents.step(finding, 0)]


PEAKS = st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(9, 14))
FAULTS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([Killed, TransportError])), max_size=8)


@contextmanager
def breaking(world: World) -> Iterator[Settings]:
    """Let processes publish into a world of faults; what they share is an outbox."""
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        patched.setattr(module, "TransactionalProducer", world.producer)
        patched.setattr(truth, "read_since", world.read_since)
        patched.setattr(truth, "oldest_unheard_ns", lambda *_: None)
        patched.setattr(threading.Thread, "start", lambda _: None)  # the drain's turns are drawn
        patched.setattr("os.fsync", lambda _: None)
        patched.setattr(Outbox, "_write", around(world, Outbox._write))
        patched.setattr(Outbox, "acknowledge", around(world, Outbox.acknowledge))
        patched.setattr(Store, "put_external", around(world, Store.put_external))
        patched.setattr(Store, "put_gw", around(world, Store.put_gw))
        yield Settings(
            kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
            publish=PublishSettings(outbox=Path(folder)),
            external=ExternalSettings(enabled=True, store=Path(folder) / "external.sqlite"),
        )


@given(st.lists(PEAKS, min_size=1, max_size=6), FAULTS, st.lists(st.booleans(), min_size=6, max_size=6))
def test_no_kill_and_no_lost_answer_loses_doubles_or_disorders_an_alert(
    peaks: list[tuple[int, int, int]], faults: list[tuple[int, type[BaseException]]], turns: list[bool]
) -> None:
    findings = [child.candidate(20.0 * event + 0.1 * offset, statistic) for event, offset, statistic in sorted(peaks)]
    world, place = World(faults), [0]
    with breaking(world) as settings:
        while killed(lambda: live(world, settings, findings, place, turns)):
            pass
    said = [(sent.superevent_id, sent.number, sent.statistic) for sent in world.on_topic()]
    assert said == [(r.superevent_id, r.number, r.candidate.peak.statistic) for r in expected(findings) if r.candidate]


def live_with_maps(
    settings: Settings, findings: list[Candidate], place: list[int], maps: list[tuple[bool, int]], turns: list[bool]
) -> None:
    """The same with a follow-up: each map comes some candidates later, in time or, after two at most, late."""
    publisher = Publisher(settings, SystemClock())
    begin = max(0, place[0] - 2)
    for index in range(begin, len(findings) + 4):
        if index < len(findings):
            publisher.publish(findings[index], 600.0 if maps[index][0] else 0.0)
        for k in range(begin, min(index + 1, len(findings))):
            if k + (maps[k][1] if maps[k][0] else min(2, maps[k][1])) == index:
                publisher.publish(mapped(findings[k]))
        if turns[index]:
            publisher._drain.turn()
            publisher._events.turn()
        if publisher.safe and index < len(findings):
            place[0] = max(place[0], index + 1)
    while publisher.waiting or not publisher._drain.turn():
        publisher._drain.turn()
        publisher._events.turn()


@given(
    st.lists(PEAKS, min_size=1, max_size=6, unique_by=lambda peak: peak[:2]),
    FAULTS,
    st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_no_kill_loses_or_doubles_an_alert_that_waits_for_its_map_or_the_map_that_comes_late(
    peaks: list[tuple[int, int, int]], faults: list[tuple[int, type[BaseException]]], maps: list[tuple[bool, int]],
    turns: list[bool],
) -> None:  # fmt: skip
    """Each event ends with its loudest candidate and that one's map; numbers count up, each is there once."""
    findings = [child.candidate(20.0 * event + 0.1 * offset, statistic) for event, offset, statistic in sorted(peaks)]
    world, place = World(faults), [0]
    with breaking(world) as settings:
        while killed(lambda: live_with_maps(settings, findings, place, maps, turns)):
            pass
    said: dict[str, list[Sent]] = {}
    for sent in world.on_topic():
        said.setdefault(sent.superevent_id, []).append(sent)
    assert all([sent.number for sent in alerts] == list(range(len(alerts))) for alerts in said.values())
    ends = sorted((alerts[-1].statistic, alerts[-1].followed is not None) for alerts in said.values())
    loudest = [max(s for e, _, s in peaks if e == event) for event in {event for event, _, _ in peaks}]
    assert ends == sorted((float(statistic), True) for statistic in loudest)


def hear(publisher: Publisher, notice: ExternalEvent) -> None:
    """Give a notice as the listener does: again, where the topic cannot be read now."""
    while True:
        try:
            publisher.hear(notice)
        except TransportError:
            continue
        return


def live_with_notices(
    settings: Settings, findings: list[Candidate], notices: list[ExternalEvent], places: list[int], turns: list[bool]
) -> None:
    """The same beside other messengers: each notice's place moves on by itself, once it was heard and all is safe."""
    with external.keeping(settings, SystemClock()) as coincidences:
        publisher = Publisher(settings, SystemClock(), coincidences=coincidences)
        while not publisher._drain.turn():
            pass
        for k in range(max(len(findings), len(notices)) + 2):
            first, second = max(0, places[0] - 2) + k, places[1]
            if turns[k % len(turns)] and second < len(notices):
                hear(publisher, notices[second])
                places[1] += publisher.safe
            if first < len(findings):
                publisher.publish(findings[first])
                if publisher.safe:
                    places[0] = max(places[0], first + 1)
        for notice in notices[places[1] :]:
            hear(publisher, notice)
        while publisher.waiting or not publisher._drain.turn():
            publisher._drain.turn()


NOTICES = st.tuples(st.integers(0, 3), st.sampled_from([1.0, 1.7, 9.0]), st.booleans())


@given(
    st.lists(PEAKS, min_size=1, max_size=5), st.lists(NOTICES, max_size=4, unique_by=lambda notice: notice[0]), FAULTS,
    st.lists(st.booleans(), min_size=6, max_size=6),
)  # fmt: skip
@settings_of_hypothesis(max_examples=25)
def test_no_kill_loses_or_doubles_what_coincides(
    peaks: list[tuple[int, int, int]], heard: list[tuple[int, float, bool]],
    faults: list[tuple[int, type[BaseException]]], turns: list[bool],
) -> None:  # fmt: skip
    """Each event ends with its loudest candidate and with the burst that was near it and was not taken back."""
    findings = [child.candidate(20.0 * event + 0.1 * offset, statistic) for event, offset, statistic in sorted(peaks)]
    bursts = [
        (burst(event_id=str(event), gps_ns=child.GPS_NS + round((20.0 * event + after_s) * NS_PER_S)), gone)
        for event, after_s, gone in heard
    ]
    notices = [notice for notice, _ in bursts] + [retracted(notice) for notice, gone in bursts if gone]
    world, places = World(faults), [0, 0]
    with breaking(world) as settings:
        while killed(lambda: live_with_notices(settings, findings, notices, places, turns)):
            pass
    said: dict[str, list[Sent]] = {}
    for sent in world.on_topic():
        said.setdefault(sent.superevent_id, []).append(sent)
    assert all([sent.number for sent in alerts] == list(range(len(alerts))) for alerts in said.values())
    for alerts in said.values():
        told = [(sent.statistic, sent.joined) for sent in alerts]
        assert all(one != other for one, other in pairwise(told))
        last = alerts[-1]
        near = {b.event_id for b, gone in bursts if not gone and 0 <= b.gps_ns - last.gps_ns <= 5 * NS_PER_S}
        assert ({last.joined.event_id} if last.joined is not None else set()) == near
