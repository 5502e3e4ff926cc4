"""Alerts as a telescope receives them: ours and LVK's, Avro and JSON, each once, refusals named."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import threading
from pathlib import Path

import pytest

import schemas
from pipelines.subscribe import ReceivedAlert, alerts, receive
from pipelines.subscribe.identity import identity_of
from pipelines.subscribe.received import far_text, keep
from stream.codec.alert import decode_alert, encode, encode_alert
from stream.errors import CodecError, ConfigurationError, DataError
from stream.kafka.consumer import Message
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.metrics import MESSAGES_REFUSED
from stream.records import Background, Candidate, Peak
from stream.settings import KafkaSettings, PublishSettings, Settings, SignificanceSettings
from stream.superevent import Superevents
from stream.timebase import NS_PER_S

GPS_NS = 1_400_000_000_123_000_000


def ours() -> tuple[bytes, bytes, tuple[tuple[str, bytes], ...]]:
    peak = Peak(GPS_NS, 9.0, ("H1", "L1"), (("H1", 4.0), ("L1", 5.0)), GPS_NS + 180_000_000)
    candidate = Candidate(peak, 1e-9, True, Background("shipped", 1e9, ("H1", "L1")), "test-1")
    [revision] = Superevents("test").step(candidate, GPS_NS + NS_PER_S)
    alert = encode(revision, PublishSettings(), SignificanceSettings())
    return alert.avro, alert.json, alert.headers


def message(value: bytes, headers: tuple[tuple[str, bytes], ...] = (), offset: int = 0) -> Message:
    return Message("alerts.gw", 0, offset, None, value, headers, 0)


def key(value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> str:
    return identity_of(receive(message(value, headers)), 0).key


def test_our_avro_and_json_say_the_same() -> None:
    avro, as_json, headers = ours()
    one, other = receive(message(avro, headers)), receive(message(as_json))
    assert one.record == other.record
    assert one.extra == other.extra
    assert one.superevent_id == "TS240517a"
    assert one.far_hz == 1e-9
    assert one.detectors == ("H1", "L1")
    assert one.extra["gps_ns"] == GPS_NS
    assert one.extra["unknown"]["skymap"] == "not made: localize.enabled is off"


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


def test_an_alert_is_known_again_by_what_it_says() -> None:
    """Whatever form and headers it has."""
    avro, as_json, headers = ours()
    assert key(avro, headers) == key(avro) == key(as_json)


def test_a_strangers_alert_under_the_id_of_one_that_is_yet_to_come_does_not_hide_it() -> None:
    """Message ids follow from event and revision, so that they can be known before."""
    avro, _, headers = ours()
    early = decode_alert(avro)
    early["event"]["time"] = "2024-05-17T00:00:00.000Z"
    values = (schemas.example("alert", "1.3"), encode_alert(early), avro)
    assert len({key(value, headers) for value in values}) == 3


@pytest.mark.parametrize(
    ("far_hz", "text"),
    [
        (1e-9, "FAR 1 per 31.7 years"),
        (1e-7, "FAR 1 per 3.86 months"),
        (1e-5, "FAR 1 per 1.16 days"),
        (1e-4, "FAR 1 per 2.78 hours"),
        (1, "FAR 1 per 1 s"),
        (0.0, "FAR unknown"),
        (-1e-9, "FAR unknown"),
        (math.nan, "FAR unknown"),
        (math.inf, "FAR unknown"),
        (5e-324, "FAR unknown"),
    ],
)
def test_rates_are_told_in_the_unit_people_compare_in(far_hz: float, text: str) -> None:
    """What is no positive finite rate is not known; nothing is once per infinity."""
    assert far_text(far_hz) == text


def test_a_limit_keeps_its_sign() -> None:
    """The background was too short for more: the line says less than."""
    avro, as_json, headers = ours()
    for received in (receive(message(avro, headers)), receive(message(as_json))):
        assert "  FAR < 1 per 31.7 years  " in received.as_line()
    assert "  FAR 1 per 31.7 years  " in receive(message(avro)).as_line()


def changed(**event: object) -> bytes:
    record = json.loads(ours()[1])
    record["event"] |= event
    return json.dumps(record).encode()


ODD_JSON = {
    "deep": b'{"superevent_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep without an end": b"[" * 1_000_000,
    "many values": b"[" + b"[]," * 400_000 + b"[]]",
    "many strings": b"[" + b'"",' * 1_000_000 + b'""]',
    "far a word": changed(far="small"),
    "far a list": changed(far=[1]),
    "far true": changed(far=True),
    "far null": changed(far=None),
    "far NaN": changed(far=math.nan),
    "far infinite": changed(far=math.inf),
    "far overflowing": changed(far=1).replace(b'"far": 1', b'"far": 1e999'),
    "far a huge integer": changed(far=1).replace(b'"far": 1', b'"far": 1' + b"0" * 5000),
    "instruments a word": changed(instruments="H1"),
    "instruments of numbers": changed(instruments=[1, 2]),
    "time an object": changed(time={}),
    "a classification of words": changed(classification={"BBH": "sure"}),
    "sky map a number": changed(skymap=3),
    "event a list": json.dumps(json.loads(ours()[1]) | {"event": []}).encode(),
    "id a list": json.dumps(json.loads(ours()[1]) | {"superevent_id": ["a"]}).encode(),
    "id null": json.dumps(json.loads(ours()[1]) | {"superevent_id": None}).encode(),
    "an unknown stage": json.dumps(json.loads(ours()[1]) | {"alert_type": "SHOUT"}).encode(),
    "coincidence a word": json.dumps(json.loads(ours()[1]) | {"external_coinc": "yes"}).encode(),
    "tocsin a list": json.dumps(json.loads(ours()[1]) | {"tocsin": [1]}).encode(),
    "urls a list": json.dumps(json.loads(ours()[1]) | {"urls": [1]}).encode(),
    "a key twice": ours()[1].replace(b'"superevent_id"', b'"superevent_id": "S1a", "superevent_id"'),
    "not UTF-8": ours()[1].replace(b"TS240517a", b"TS\xff\xfe"),
    "UTF-16": ours()[1].decode().encode("utf-16"),
    "a list": b"[1, 2]",
    "a number": b"3",
    "null": b"null",
    "too long": b" " * (8 << 20) + ours()[1],
}


@pytest.mark.parametrize("what", ODD_JSON)
def test_odd_json_is_refused_as_data(what: str) -> None:
    """Whatever stands in it, a JSON alert has our schema's types or is none; the reason is one printable line."""
    with pytest.raises(DataError) as caught:
        receive(message(ODD_JSON[what]))
    assert str(caught.value).isprintable()


def test_json_without_what_may_be_null_takes_null() -> None:
    """A retraction leaves out its event; older writers leave out what their schema did not have."""
    record = json.loads(ours()[1])
    del record["event"], record["external_coinc"], record["urls"], record["tocsin"]
    alert = receive(message(json.dumps(record | {"alert_type": "RETRACTION", "later": 1}).encode()))
    assert (alert.record["event"], alert.record["external_coinc"], alert.record["urls"]) == (None, None, {})
    assert "later" not in alert.record
    assert alert.extra == {}


@pytest.mark.parametrize(
    "evil",
    ["\x1b]52;c;ZXZpbA==\x07", "\x9b2J", "a\r\nS190425z  UPDATE", "\u202egpj", "\ud800", "\x7f"],
)
def test_nothing_that_came_is_obeyed_by_a_terminal(evil: str) -> None:
    """Escapes, newlines and turned writing are written out, on the line and in JSON."""
    record = json.loads(changed(time=evil, instruments=[evil], group=evil)) | {"superevent_id": evil}
    alert = receive(message(json.dumps(record).encode()))
    assert alert.as_line().isprintable()
    assert alert.as_json().decode("ascii").isprintable()
    assert json.loads(alert.as_json())["superevent_id"] == evil


def test_a_line_of_json_is_what_python_writes_byte_for_byte(data_dir: Path) -> None:
    """Maps that are put in behind the encoder stand where its own base64 would; so it is with LVK's alerts and ours."""
    folder = data_dir / "alerts/lvk_userguide"
    payloads = [p.read_bytes() for p in folder.glob("MS*") if p.suffix in (".avro", ".json", ".xml")]
    payloads += [schemas.example("alert", version) for version in schemas.versions("alert")]
    both = decode_alert(payloads[-1]) | {"superevent_id": 'bytes "0"', "urls": {"\x7f": "\U0001f600"}}
    both["event"] = both["event"] | {"skymap": bytes(range(256)), "instruments": []}
    maps = {"combined_skymap": b"", **dict.fromkeys(("ivorn", "observatory", "search"), "")}
    both["external_coinc"] = {"gcn_notice_id": 1, "time_difference": 0.5, **maps}
    both["external_coinc"] |= dict.fromkeys(("time_coincidence_far", "time_sky_position_coincidence_far"), 1e-9)
    payloads.append(encode_alert(both))
    for payload in payloads:
        alert = receive(message(payload, offset=7))
        beside = {"subscription": {"name": "é", "actions": [b"", b"ab"]}}
        plain = json.dumps(alert.as_dict() | {"subscription": {"name": "é", "actions": ["", "YWI="]}})
        assert alert.as_json(beside) == plain.replace("\x7f", "\\u007f").encode()


def test_a_rate_that_is_no_number_is_null_in_json() -> None:
    """Avro can carry NaN; JSON has no word for it."""
    avro = encode_alert(decode_alert(ours()[0]) | {"event": decode_alert(ours()[0])["event"] | {"far": math.nan}})
    alert = receive(message(avro))
    assert json.loads(alert.as_json())["event"]["far"] is None
    assert "FAR unknown" in alert.as_line()


def with_id(superevent_id: str) -> ReceivedAlert:
    return receive(message(json.dumps(json.loads(ours()[1]) | {"superevent_id": superevent_id}).encode(), (), 7))


def test_an_alert_is_kept_once_under_its_id(tmp_path: Path) -> None:
    """Twice the same message is one file, byte for byte what came."""
    avro, _, headers = ours()
    kept = [keep(receive(message(avro, headers, 7)), tmp_path / "new") for _ in range(2)]
    assert kept == [tmp_path / "new" / "TS240517a-7.avro"] * 2
    assert kept[0].read_bytes() == avro


@pytest.mark.parametrize(
    "evil",
    [
        "../../out",
        "/etc/x",
        "a/b",
        "..",
        "",
        "\0",
        "x" * 4000,
        "TS240517a/../../y",
        "TS\u0968\u096a\u0966\u096b\u0967\u096da",
    ],
)
def test_an_id_that_is_none_names_no_path(tmp_path: Path, evil: str) -> None:
    """The file is then named after the message's hash, and lies in the folder."""
    folder = tmp_path / "alerts"
    kept = keep(with_id(evil), folder)
    assert kept.parent == folder
    assert re.fullmatch(r"alert-[0-9a-f]{16}-7\.json", kept.name)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [kept]


def test_a_different_alert_of_the_same_name_stays(tmp_path: Path) -> None:
    """The second goes beside it, with its hash in the name."""
    first, second = with_id("TS240517a"), receive(message(changed(far=1e-3), (), 7))
    one, other = keep(first, tmp_path), keep(second, tmp_path)
    assert one.read_bytes() == first.raw
    assert other.read_bytes() == second.raw
    assert one != other == keep(second, tmp_path)


def test_an_alert_is_kept_once_the_disk_has_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it takes no name away from the whole."""
    alert = receive(message(ours()[0]))

    class Full(io.FileIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr("pipelines.subscribe.received.os.fdopen", Full)
            with pytest.raises(OSError, match="No space left"):
                keep(alert, tmp_path)
    assert keep(alert, tmp_path).read_bytes() == alert.raw
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    """What the link points to stays as it was, even if it is not there yet."""
    victim = tmp_path / "victim"
    (tmp_path / "TS240517a-7.json").symlink_to(victim)
    kept = keep(with_id("TS240517a"), tmp_path)
    assert not victim.exists()
    assert not kept.is_symlink()
    kept.unlink()
    kept.symlink_to(victim)
    with pytest.raises(ConfigurationError, match="taken by something else"):
        keep(with_id("TS240517a"), tmp_path)
    assert not victim.exists()


def test_headers_of_strangers_are_values_or_text() -> None:
    """A header that is no JSON, or too deep, is text; one that is no header of ours is left out."""
    avro, _, _ = ours()
    deep = b"[" * 50_000
    headers = (("tocsin.gps_ns", b"abc"), ("tocsin.model", b"\xff\x1b"), ("tocsin.deep", deep), ("other", b"1"))
    extra = receive(message(avro, headers)).extra
    assert extra == {"gps_ns": "abc", "model": "\ufffd\x1b", "deep": deep.decode()}


@pytest.mark.kafka
def test_a_subscriber_gets_each_alert_once_and_passes_over_rubbish(embedded: EmbeddedBroker) -> None:
    embedded.create_topic("alerts.gw")
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers))
    avro, _, headers = ours()
    lvk = schemas.example("alert", schemas.versions("alert")[-1])
    producer = Producer(settings.kafka)
    refused = MESSAGES_REFUSED.labels("alerts.gw")._value.get()
    odd = [(value, (("_id", b"x" * 16), ("tocsin.gps_ns", b"abc"))) for value in ODD_JSON.values() if len(value) < 4096]
    for value, carried in ((avro, headers), (b"rubbish", ()), *odd, (avro, headers), (lvk, ())):
        producer.send("alerts.gw", "k", value, carried)
    producer.flush()
    stop = threading.Event()
    found = []
    for alert in alerts(settings, start="earliest", stop=stop):
        found.append(alert.raw)
        if len(found) == 2:
            stop.set()
    assert found == [avro, lvk]
    assert MESSAGES_REFUSED.labels("alerts.gw")._value.get() - refused == 1 + len(odd)
    producer.close()
