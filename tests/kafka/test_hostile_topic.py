"""An alert topic on which strangers write: the publisher starts, counts what it cannot read, and sends its own."""

from __future__ import annotations

import ctypes
import re
import threading
from io import BytesIO
from pathlib import Path

import pytest
import structlog
from fastavro import parse_schema, writer
from typer.testing import CliRunner

import schemas
from pipelines.cli import app
from pipelines.live.publisher import Publisher
from pipelines.subscribe import alerts
from stream.codec.alert import decode_alert, encode, encode_alert
from stream.configuration import load_settings
from stream.kafka.embedded import EmbeddedBroker, _library
from stream.kafka.producer import Producer
from stream.kafka.reading import read_all
from stream.metrics import MESSAGES_REFUSED
from stream.publish import Outbox
from stream.records import Background, Candidate, Peak
from stream.settings import Settings
from stream.superevent import Superevents
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


def test_the_id_of_an_alert_on_rubbish_does_not_keep_the_alert_back(settings: Settings) -> None:
    """An id follows from event and revision, so that anyone can write it; it does not say that the alert is there."""
    (revision,) = Superevents("test").step(candidate(), GPS_NS)
    alert = encode(revision, settings.publish, settings.significance)
    Outbox(settings.publish.outbox).put(alert)
    producer = Producer(settings.kafka)
    producer.send("alerts.gw", "k", b"rubbish", (alert.headers[0], ("tocsin.gps_ns", b"abc")))
    producer.flush()
    producer.close()
    publisher = Publisher(settings, SystemClock())
    publisher.close()
    assert publisher.waiting == 0
    assert [m.value for m in read_all(settings.kafka, "alerts.gw")] == [b"rubbish", alert.avro]


def send_header_name(broker: EmbeddedBroker, topic: str, value: bytes, name: bytes) -> None:
    """Send a message with a header whose name is any bytes: confluent-kafka's producer takes text alone."""
    library = _library()
    library.rd_kafka_producev.restype = ctypes.c_int
    library.rd_kafka_flush.argtypes = [ctypes.c_void_p, ctypes.c_int]
    error, configuration = ctypes.create_string_buffer(256), library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(configuration, b"bootstrap.servers", broker.bootstrap_servers.encode(), error, 256)
    producer = library.rd_kafka_new(0, configuration, error, 256)
    number, text, size = ctypes.c_int, ctypes.c_char_p, ctypes.c_ssize_t
    # Topic, value, "copy the value", header, end: tags of rd_kafka_vtype_t, each with its values.
    assert library.rd_kafka_producev(
        ctypes.c_void_p(producer), number(1), text(topic.encode()), number(4), text(value), size(len(value)),
        number(7), number(2), number(9), text(name), text(b"x"), size(1), number(0),
    ) == 0  # fmt: skip
    assert library.rd_kafka_flush(producer, 5000) == 0
    library.rd_kafka_destroy(producer)


def test_a_header_whose_name_is_no_text_ends_nobody(settings: Settings, embedded: EmbeddedBroker) -> None:
    """Any client may send one; the message is read without its headers, and the next one whole."""
    send_header_name(embedded, "alerts.gw", schemas.example("alert", "1.3"), b"\xff\xfe\x1b")
    publisher = Publisher(settings, SystemClock())
    publisher.publish(candidate())
    publisher.close()
    publisher.check()
    first, last = read_all(settings.kafka, "alerts.gw")
    assert first.headers == ()
    assert dict(last.headers)["tocsin.gps_ns"] == TIME[1]
    stop, found = threading.Event(), []
    for alert in alerts(settings, start="earliest", stop=stop):
        found.append(alert.superevent_id)
        if len(found) == 2:
            stop.set()
    assert found == ["TS150914a", "TS240517a"]


def test_the_command_passes_over_what_is_no_alert_and_writes_in_its_folder(
    embedded: EmbeddedBroker, settings: Settings, tmp_path: Path
) -> None:
    """A line for each alert, cleaned; a file for each, in the folder; nothing else, whatever the messages say."""
    record = decode_alert(schemas.example("alert", "1.3"))
    evil = encode_alert(record | {"superevent_id": "../../\x1b]0;owned\x07\n", "time_created": "\x9b2J"})
    last = encode_alert(record)
    producer = Producer(settings.kafka)
    for value in (b"[" * 50_000, b'{"superevent_id": []}', recursive(), b"\xff", evil, last):
        producer.send("alerts.gw", "k", value, ())
    producer.flush()
    producer.close()
    folder = tmp_path / "out" / "alerts"
    options = ["--broker", embedded.bootstrap_servers, "--from", "earliest", "-n", "2", "--out", str(folder)]
    done = CliRunner().invoke(app, ["subscribe", *options])
    assert (done.exit_code, done.exception) == (0, None)
    lines = [line for line in done.output.splitlines() if "not_an_alert" not in line and "FAR" in line]
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == 2
    assert files[0] == "out/alerts/TS150914a-5.avro"
    assert re.fullmatch(r"out/alerts/alert-[0-9a-f]{16}-4\.avro", files[1])
