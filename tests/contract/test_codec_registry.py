"""Schema Registry framing, against a registry that answers over HTTP on this machine."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import make_schema_examples as made
import numpy as np
import pytest
from fastavro import parse_schema, schemaless_writer

import schemas
from stream.codec import strain_codec
from stream.codec.alert import encode_alert
from stream.codec.avro import decode_heartbeat, decode_strain, encode_heartbeat, encode_strain
from stream.codec.registry import PAUSE_S, SchemaRegistry, schema_registry
from stream.errors import CodecError, SchemaError, TransportError
from stream.settings import KafkaSettings, StrainSettings

pytestmark = pytest.mark.kafka

TOPIC = "strain.H1"


class Registry(ThreadingHTTPServer):
    """The registry's REST subset: register a schema under a subject, get one by its id."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.by_id: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.frozen = False
        self.status: int | None = None
        self.answers: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, subject: str, text: str) -> int:
        found = next((known for known, old in self.by_id.items() if old == text), len(self.by_id) + 1)
        self.by_id[found] = text
        self.subjects.setdefault(subject, []).append(found)
        return found


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"POST {path}")
        if self.server.frozen:
            self.answer(409, {"error_code": 409, "message": "Schema being registered is incompatible"})
        else:
            _, subjects, subject, versions = path.split("/")
            assert (subjects, versions) == ("subjects", "versions")
            self.answer(200, {"id": self.server.put(subject, body["schema"])})

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(f"GET {path}")
        if self.server.status is not None:
            self.answer(self.server.status, {"error_code": self.server.status, "message": "not now"})
            return
        if self.server.answers is not None:
            self.raw(200, self.server.answers)
            return
        text = self.server.by_id.get(int(path.removeprefix("/schemas/ids/")))
        if text is None:
            self.answer(404, {"error_code": 40403, "message": "Schema not found"})
        else:
            self.answer(200, {"schema": text})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        self.raw(status, json.dumps(body).encode())

    def raw(self, status: int, raw: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Registry]:
    with Registry() as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def registry(server: Registry) -> SchemaRegistry:
    return SchemaRegistry(server.url, timeout_s=5)


def test_framed_strain_comes_back_through_another_client(server: Registry, registry: SchemaRegistry) -> None:
    framed = registry.frame(TOPIC, encode_strain(made.STRAIN))
    assert framed[:5] == struct.pack(">bI", 0, 1)
    assert server.subjects == {"strain.H1-value": [1]}
    codec = strain_codec(StrainSettings(), schema_registry(KafkaSettings(schema_registry_url=server.url)))
    (block,) = codec.decode(framed, detector="H1")
    assert np.array_equal(block.samples, made.STRAIN.samples, equal_nan=True)
    assert (block.gps_ns, block.sequence) == (made.STRAIN.gps_ns, made.STRAIN.sequence)


def test_registry_is_asked_once_per_schema(server: Registry, registry: SchemaRegistry) -> None:
    reader = SchemaRegistry(server.url, timeout_s=5)
    for _ in range(3):
        reader.unframe("strain", registry.frame(TOPIC, encode_strain(made.STRAIN)))
    assert server.asked == ["POST /subjects/strain.H1-value/versions", "GET /schemas/ids/1"]


def test_single_object_from_a_producer_without_registry_is_still_read(registry: SchemaRegistry) -> None:
    message = encode_strain(made.STRAIN)
    assert registry.unframe("strain", message) == message


def test_version_that_only_the_registry_knows_is_resolved(server: Registry, registry: SchemaRegistry) -> None:
    """A newer producer has one more field; what we know of its record is read."""
    newer = json.loads(schemas.source("heartbeat"))
    newer["fields"].insert(0, {"name": "gpu", "type": "string", "default": "", "doc": "GPU. [text]"})
    schema_id = server.put("status.heartbeat-value", json.dumps(newer))
    record = {"gpu": "H100", "daemon_id": "d", "gps_ns": 5, "state": "running", "detectors": []}
    body = BytesIO()
    schemaless_writer(body, parse_schema(newer), record)
    message = registry.unframe("heartbeat", struct.pack(">bI", 0, schema_id) + body.getvalue())
    assert (decode_heartbeat(message).daemon_id, decode_heartbeat(message).gps_ns) == ("d", 5)


def test_schema_of_another_record_is_refused_by_name(server: Registry, registry: SchemaRegistry) -> None:
    framed = registry.frame("status.heartbeat", encode_heartbeat(made.HEARTBEAT))
    with pytest.raises(SchemaError, match=r"schema heartbeat 1\.0: expected strain"):
        decode_strain(registry.unframe("strain", framed))
    foreign = {"type": "record", "name": "org.example.Strain", "fields": [{"name": "a", "type": "int"}]}
    schema_id = server.put("x", json.dumps(foreign))
    with pytest.raises(SchemaError, match=r"is 'org\.example\.Strain': expected 'tocsin\.StrainBlock'"):
        registry.unframe("strain", struct.pack(">bI", 0, schema_id) + b"\x02")


@pytest.mark.parametrize("text", ["{", '{"type": "nonsense"}', '{"type": "record"}', "[]"])
def test_schema_that_is_none_is_refused(server: Registry, registry: SchemaRegistry, text: str) -> None:
    with pytest.raises(SchemaError, match="schema 1 of"):
        registry.unframe("strain", struct.pack(">bI", 0, server.put("x", text)) + b"\x02")


def test_unknown_id_asks_whether_the_registry_is_the_right_one(registry: SchemaRegistry) -> None:
    with pytest.raises(SchemaError, match=r"no schema 77 .*Schema not found.*another one"):
        registry.unframe("strain", struct.pack(">bI", 0, 77) + b"\x02")


@pytest.mark.parametrize("payload", [b"", b"\0\0\0", b"{}", b"IGWD\0"])
def test_payload_without_a_frame_says_what_to_set(registry: SchemaRegistry, payload: bytes) -> None:
    with pytest.raises(CodecError, match=r"expected Schema Registry framing; set kafka\.schema_registry_url"):
        registry.unframe("strain", payload)


def test_damaged_record_in_a_frame_is_a_data_error(registry: SchemaRegistry) -> None:
    framed = registry.frame(TOPIC, encode_strain(made.STRAIN))
    with pytest.raises(CodecError, match="do not hold a strain record"):
        decode_strain(registry.unframe("strain", framed[:40]))


def test_refused_registration_names_schema_and_subject(server: Registry, registry: SchemaRegistry) -> None:
    server.frozen = True
    with pytest.raises(SchemaError, match=r"refuses schema strain 1\.0 for strain\.H1-value .*incompatible"):
        registry.frame(TOPIC, encode_strain(made.STRAIN))


def test_alerts_are_never_framed(registry: SchemaRegistry) -> None:
    with pytest.raises(CodecError, match="only single objects are framed"):
        registry.frame("alerts.gw", encode_alert(made.ALERT))


def test_registry_that_is_away_is_a_transport_error_with_its_address(server: Registry) -> None:
    with Registry() as gone:
        url = gone.url
    away = SchemaRegistry(url, timeout_s=0.2)
    with pytest.raises(TransportError, match=r"registry 127\.0\.0\.1.*schema_registry_url"):
        away.frame(TOPIC, encode_strain(made.STRAIN))


class Seconds:
    """A clock that the test turns."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def framed(schema_id: int) -> bytes:
    return struct.pack(">bI", 0, schema_id) + b"\x02"


def test_a_registry_that_is_away_costs_one_wait_and_comes_back() -> None:
    """While it is away it is asked once in a few seconds, and blocks of other ids fail at once."""
    with Registry() as gone:
        url = gone.url
    seconds = Seconds()
    reader = SchemaRegistry(url, timeout_s=0.2, monotonic=seconds)
    with pytest.raises(TransportError, match="does not answer"):
        reader.unframe("strain", framed(1))
    for schema_id in (1, 2):
        with pytest.raises(TransportError, match=f"is away: not asked for schema {schema_id}"):
            reader.unframe("strain", framed(schema_id))
    seconds.now_s += PAUSE_S
    with pytest.raises(TransportError, match="does not answer"):
        reader.unframe("strain", framed(1))


@pytest.mark.parametrize("status", [500, 503, 429, 401, 403])
def test_a_registry_in_trouble_is_away_and_not_a_bad_block(server: Registry, status: int) -> None:
    """What it cannot say now it may say later: asked again after a pause, and the block of then is read."""
    seconds = Seconds()
    reader = SchemaRegistry(server.url, timeout_s=5, monotonic=seconds)
    message = reader.frame(TOPIC, encode_strain(made.STRAIN))
    server.status, server.asked = status, []
    for _ in range(3):
        with pytest.raises(TransportError, match="127"):
            reader.unframe("strain", message)
    assert server.asked == ["GET /schemas/ids/1"]
    server.status = None
    seconds.now_s += PAUSE_S
    assert decode_strain(reader.unframe("strain", message)).sequence == made.STRAIN.sequence


@pytest.mark.parametrize("answer", [b"", b"[]", b"3", b"null", b"{}", b'{"schema": 3}', b"\xff\xfe", b"<html>"])
def test_an_answer_that_is_none_is_an_error_of_ours(server: Registry, registry: SchemaRegistry, answer: bytes) -> None:
    """Whatever answers at that address, the reader sees a data or transport error."""
    server.answers = answer
    with pytest.raises((SchemaError, TransportError)):
        registry.unframe("strain", framed(1))


def test_unknown_ids_are_asked_for_seldom(server: Registry) -> None:
    """A stream of made-up ids costs a few questions, not one for each message; what is known is read all the same."""
    seconds = Seconds()
    reader = SchemaRegistry(server.url, timeout_s=5, monotonic=seconds)
    message = reader.frame(TOPIC, encode_strain(made.STRAIN))
    reader.unframe("strain", message)
    server.asked = []
    for schema_id in [7, 7, *range(1000, 1100)]:
        with pytest.raises(SchemaError, match=str(schema_id)):
            reader.unframe("strain", framed(schema_id))
    assert len(server.asked) == 16
    assert decode_strain(reader.unframe("strain", message)).sequence == made.STRAIN.sequence
    seconds.now_s += PAUSE_S
    with pytest.raises(SchemaError, match="no schema 7"):
        reader.unframe("strain", framed(7))
    assert len(server.asked) == 17


def test_a_schema_of_the_registry_is_read_like_a_strangers(server: Registry, registry: SchemaRegistry) -> None:
    """One that contains itself, or is longer than any of ours, is refused by name."""
    fields = [{"name": "a", "type": ["null", "StrainBlock"]}]
    inside = {"type": "record", "name": "StrainBlock", "namespace": "tocsin", "fields": fields}
    long = {**inside, "fields": [{"name": f"f{k}", "type": "int"} for k in range(5000)]}
    for schema, why in ((inside, "inside itself"), (long, "at most 65536")):
        with pytest.raises(SchemaError, match=f"of registry 127.*{why}"):
            registry.unframe("strain", framed(server.put("x", json.dumps(schema))))


def test_credentials_of_the_url_never_show() -> None:
    with Registry() as gone:
        url = gone.url.replace("http://", "http://user:s3cret@")
    with pytest.raises(TransportError) as caught:
        SchemaRegistry(url, timeout_s=0.2).frame(TOPIC, encode_strain(made.STRAIN))
    assert "s3cret" not in str(caught.value)


def test_no_registry_is_used_where_none_is_configured() -> None:
    assert schema_registry(KafkaSettings()) is None
