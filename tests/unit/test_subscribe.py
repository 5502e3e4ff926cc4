"""Alerts as a telescope receives them: ours and LVK's, Avro and JSON, each once, refusals named."""

from __future__ import annotations

import base64
import json
import threading
from collections import OrderedDict
from pathlib import Path

import pytest

import schemas
from pipelines.subscribe import ReceivedAlert, _duration, _is_new, alerts, receive
from stream.codec.alert import encode_alert
from stream.errors import CodecError, DataError
from stream.kafka.consumer import Message
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.publish.alert import companion, hop_headers, make_alert, to_json, tocsin_headers
from stream.records import Background, Candidate, Peak
from stream.settings import KafkaSettings, PublishSettings, Settings
from stream.timebase import NS_PER_S

GPS_NS = 1_400_000_000_123_000_000


def ours() -> tuple[bytes, bytes, tuple[tuple[str, bytes], ...]]:
    peak = Peak(GPS_NS, 9.0, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), GPS_NS + 180_000_000)
    candidate = Candidate(peak, 1e-9, True, Background("shipped", 1e9, ("H1", "L1")), "test-1")
    record, extra = make_alert(candidate, "TS240517a", GPS_NS + NS_PER_S, 1e-8), companion(candidate)
    headers = (*hop_headers("01234567-89ab-cdef-0123-456789abcdef", PublishSettings()), *tocsin_headers(extra))
    return encode_alert(record), to_json(record, extra), headers


def message(value: bytes, headers: tuple[tuple[str, bytes], ...] = (), offset: int = 0) -> Message:
    return Message("alerts.gw", 0, offset, None, value, headers, 0)


def test_our_avro_and_json_say_the_same() -> None:
    avro, as_json, headers = ours()
    one, other = receive(message(avro, headers)), receive(message(as_json))
    assert one.record == other.record
    assert one.extra == other.extra
    assert one.superevent_id == "TS240517a"
    assert one.far_hz == 1e-9
    assert one.detectors == ("H1", "L1")
    assert one.extra["gps_ns"] == GPS_NS
    assert one.extra["unknown"]["skymap"] == "not computed in this version"


def test_every_alert_of_the_lvk_userguide_is_read(data_dir: Path) -> None:
    files = sorted((data_dir / "alerts/lvk_userguide").glob("**/*.avro"))
    files += [p for p in sorted((data_dir / "alerts/lvk_userguide").glob("**/*.json")) if "schema" not in p.name]
    received: list[ReceivedAlert] = [receive(message(p.read_bytes())) for p in files]
    assert len(received) >= 4
    assert {a.superevent_id for a in received} == {"MS181101ab"}
    for alert in received:
        json.dumps(alert.as_dict())
        assert alert.superevent_id in alert.as_line()
    retractions = [a for a in received if a.record["alert_type"] == "RETRACTION"]
    assert retractions
    assert all(a.far_hz is None and a.detectors == () for a in retractions)


@pytest.mark.parametrize(
    "value",
    [b"", b"{}", b"[]", b'{"superevent_id": "x"}', b"Obj\x01junk", b"\x00\xff", b'{"alert_type": 1, "event": 3}'],
)
def test_what_is_no_alert_is_refused(value: bytes) -> None:
    with pytest.raises(DataError):
        receive(message(value))


def test_a_sky_map_of_broken_base64_is_refused() -> None:
    _, as_json, _ = ours()
    record = json.loads(as_json)
    record["event"]["skymap"] = "A"
    with pytest.raises(CodecError):
        receive(message(json.dumps(record).encode()))


def test_a_sky_map_survives_to_json() -> None:
    _, as_json, _ = ours()
    record = json.loads(as_json)
    record["event"]["skymap"] = base64.b64encode(b"FITS").decode()
    alert = receive(message(json.dumps(record).encode()))
    assert alert.record["event"]["skymap"] == b"FITS"
    assert alert.as_dict()["event"]["skymap"] == record["event"]["skymap"]


def test_a_message_is_known_again_by_its_id_or_its_content() -> None:
    avro, as_json, headers = ours()
    seen: OrderedDict[bytes, None] = OrderedDict()
    assert [_is_new(message(avro, headers, k), seen) for k in range(3)] == [True, False, False]
    assert [_is_new(message(as_json, (), k), seen) for k in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("far_hz", "text"),
    [(1e-9, "31.7 years"), (1e-7, "3.86 months"), (1e-5, "1.16 days"), (1e-4, "2.78 hours"), (1, "1 s")],
)
def test_rates_are_told_in_the_unit_people_compare_in(far_hz: float, text: str) -> None:
    assert _duration(far_hz) == text


@pytest.mark.kafka
def test_a_subscriber_gets_each_alert_once_and_passes_over_rubbish(embedded: EmbeddedBroker) -> None:
    embedded.create_topic("alerts.gw")
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers))
    avro, _, headers = ours()
    lvk = schemas.example("alert", schemas.versions("alert")[-1])
    producer = Producer(settings.kafka)
    for value, carried in ((avro, headers), (b"rubbish", ()), (avro, headers), (lvk, ())):
        producer.send("alerts.gw", "k", value, carried)
    producer.flush()
    stop = threading.Event()
    found = []
    for alert in alerts(settings, start="earliest", stop=stop):
        found.append(alert.raw)
        if len(found) == 2:
            stop.set()
    assert found == [avro, lvk]
    producer.close()
