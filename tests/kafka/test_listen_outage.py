"""A listener whose own broker is away while the source's is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from external import Heard, notice, read_plain
from listening import names, on_the_topic, send

from pipelines.listen.loop import Listening, listen
from pipelines.listen.reader import NoticeReader
from pipelines.listen.sinks import TopicSink
from pipelines.listen.tally import Tally
from pipelines.sources import KafkaSource
from stream.kafka.embedded import EmbeddedBroker
from stream.settings import KafkaSettings, Settings
from stream.timebase import SystemClock

pytestmark = pytest.mark.kafka


def settings_of(broker: EmbeddedBroker) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers, operation_timeout_s=5))


def test_while_our_broker_is_away_the_source_is_held_and_then_all_of_it_comes(embedded: EmbeddedBroker) -> None:
    with EmbeddedBroker() as theirs:
        theirs.create_topic("notices")
        embedded.create_topic("external.events")
        there, here, heard, stop = settings_of(theirs), settings_of(embedded), Heard(), threading.Event()
        source = KafkaSource("local", there.kafka, ["notices"], "group", SystemClock(), "unread")
        sink = TopicSink(here.kafka, "external.events")
        reader = NoticeReader(read_plain, Tally())
        parts = Listening([source], reader, sink, stop, heard=heard)
        thread = threading.Thread(target=listen, args=(parts,), daemon=True)
        thread.start()
        send(there, [notice("first")])
        until(lambda: len(heard) == 1)
        embedded.down()
        started_s = time.monotonic()
        send(there, [notice(str(k)) for k in range(1000)])
        until(lambda: parts.turned_s > started_s + 1.5)
        assert len(heard) == 1
        embedded.up()
        until(lambda: len(heard) == 1001)
        stop.set()
        thread.join(30)
        source.close()
        sink.close()
        assert names(heard) == ["first", *map(str, range(1000))]
        assert set(names(on_the_topic(here))) == set(names(heard))


def until(there: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not there():
        assert time.monotonic() < end_s
        time.sleep(0.02)
