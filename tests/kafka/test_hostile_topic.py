"""An alert topic on which strangers write: the publisher starts, counts what it cannot read, and sends its own."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
import structlog
from fastavro import parse_schema, writer

import schemas
from pipelines.publisher import Publisher
from stream.codec.alert import decode_alert, encode_alert
from stream.configuration import load_settings
from stream.kafka.consumer import read_all
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.metrics import MESSAGES_REFUSED
from stream.records import Background, Candidate, Peak
from stream.settings import Settings
from stream.timebase import SystemClock

pytestmark = pytest.mark.kafka

GPS_NS = 1_400_000_000_123_000_000
TIME = ("tocsin.gps_ns", b"1400000000123000000")


def candidate() -> Candidate:
    peak = Peak(GPS_NS, 9.0, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), GPS_NS + 180_000_000)
    return Candidate(peak, 1e-9, True, Background("shipped", 1e9, ("H1", "L1")), "test-1")


def recursive() -> bytes:
    """A container whose schema contains itself, with nothing in it."""
    fields = [{"name": "a", "type": ["null", "igwn.alerts.Alert"]}]
    out = BytesIO()
    writer(out, parse_schema({"type": "record", "name": "igwn.alerts.Alert", "fields": fields}), [{"a": None}])
    return out.getvalue()


@pytest.fixture
def settings(embedded: EmbeddedBroker, tmp_path: Path) -> Settings:
    for topic in ("alerts.gw", "alerts.gw.json"):
        embedded.create_topic(topic)
    kafka = {"bootstrap_servers": embedded.bootstrap_servers}
    return load_settings(None, {"kafka": kafka, "publish": {"outbox": tmp_path / "outbox", "transactions": False}})


def test_nothing_on_the_alert_topic_stops_the_start(settings: Settings) -> None:
    """Headers, keys, values and ids of any content are counted and named with their place; the next alert goes out."""
    sound = schemas.example("alert", "1.3")
    evil_id = encode_alert(decode_alert(sound) | {"superevent_id": "../\x1b[2J"})
    bad = [
        (sound, (("tocsin.gps_ns", b"abc"),)),
        (sound, (("tocsin.gps_ns", b""),)),
        (sound, (("tocsin.gps_ns", b"9" * 4000),)),
        (sound, (TIME, ("tocsin.gps_ns", b"-1"))),
        (b"", (TIME,)),
        (b"Obj\x01", (TIME,)),
        (b"{" * 10_000, (TIME,)),
        (recursive(), (TIME,)),
        (evil_id, (TIME,)),
    ]
    foreign = [(b"anything", ()), (b"\xff", (("_id", b"x" * 16),)), (b"", (("_id", b""), ("\x1b", b"\xff")))]
    producer = Producer(settings.kafka)
    for value, headers in bad + foreign:
        producer.send("alerts.gw", "\x1b[2J", value, headers)
    producer.flush()
    producer.close()
    refused = MESSAGES_REFUSED.labels("alerts.gw")._value.get()
    with structlog.testing.capture_logs() as logs:
        publisher = Publisher(settings, SystemClock())
    publisher.publish(candidate())
    publisher.close()
    publisher.check()
    assert MESSAGES_REFUSED.labels("alerts.gw")._value.get() - refused == len(bad)
    named = [entry for entry in logs if entry["event"] == "alert_topic_has_a_bad_alert"]
    assert [(entry["topic"], entry["partition"], entry["offset"]) for entry in named] == [
        ("alerts.gw", 0, offset) for offset in range(len(bad))
    ]
    assert all(entry["error"].isprintable() for entry in named)
    *_, last = read_all(settings.kafka, "alerts.gw")
    assert decode_alert(last.value or b"")["superevent_id"] == "TS240517a"


def test_an_alert_with_an_unreadable_time_is_still_not_sent_twice(settings: Settings) -> None:
    """Its id is enough to know that it is there."""
    producer = Producer(settings.kafka)
    producer.send("alerts.gw", "k", b"rubbish", (("_id", b"x" * 16), ("tocsin.gps_ns", b"abc")))
    producer.flush()
    producer.close()
    publisher = Publisher(settings, SystemClock())
    publisher.close()
    assert publisher._known == {"78787878-7878-7878-7878-787878787878"}
