"""Messages made to harm: a few bytes that claim much, schemas without a bottom, bombs; each is refused at once."""

from __future__ import annotations

import bz2
import json
import zlib
from io import BytesIO
from typing import Any

import make_schema_examples as made
import pytest
from confined import troubles

import schemas
from stream.codec.alert import decode_alert, encode_alert
from stream.codec.avro import decode_strain, decode_witness
from stream.codec.limits import MAX_BYTES
from stream.codec.walk import walk
from stream.codec.writer_schema import writer_schema
from stream.errors import CodecError, DataError, SchemaError

SYNC = bytes(range(16))


def varint(value: int) -> bytes:
    raw, out = (value << 1) ^ (value >> 63), bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    return bytes([*out, raw])


def text(value: bytes) -> bytes:
    return varint(len(value)) + value


def container(schema: object, body: bytes, codec: bytes = b"null", records: int = 1) -> bytes:
    raw = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    head = varint(2) + text(b"avro.schema") + text(raw) + text(b"avro.codec") + text(codec) + varint(0)
    return b"Obj\x01" + head + SYNC + varint(records) + text(body) + SYNC


def alert_of(*fields: Any) -> dict[str, Any]:
    listed = [{"name": f"f{k}", "type": kind} for k, kind in enumerate(fields)]
    return {"type": "record", "name": "Alert", "namespace": "igwn.alerts", "fields": listed}


def nested(depth: int) -> Any:
    kind: Any = "int"
    for _ in range(depth):
        kind = {"type": "array", "items": kind}
    return kind


def laughs() -> list[Any]:
    """Records of ten of the record before: each line of the schema multiplies by ten what a datum of it is."""
    kinds: list[Any] = [{"type": "record", "name": "R0", "fields": []}]
    for k in range(1, 12):
        fields = [{"name": f"a{n}", "type": f"R{k - 1}"} for n in range(10)]
        kinds.append({"type": "record", "name": f"R{k}", "fields": fields})
    return kinds


def bzip2_bomb() -> bytes:
    return bz2.compress(text(bytes(32 << 20))) * 40


def deflate_bomb() -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(text(bytes(64 << 20))) + deflater.flush()


NULLS = {"type": "array", "items": "null"}
HOSTILE = {
    "a record inside itself, a million deep": container(alert_of(["null", "Alert"]), b"\x02" * 1_000_000 + b"\0"),
    "2^40 nulls": container(alert_of(NULLS), varint(2**40) + b"\0"),
    "2^40 records of nothing": container(
        alert_of({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}), varint(2**40) + b"\0"
    ),
    "2^40 fixed of no bytes": container(
        alert_of({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}), varint(2**40) + b"\0"
    ),
    "2^40 doubles that are not there": container(alert_of({"type": "array", "items": "double"}), varint(2**40) + b"\0"),
    "a negative count of 2^63": container(alert_of({"type": "array", "items": "int"}), varint(-(2**63)) + b"\0\0"),
    "a block of an array that leads back to its beginning": container(
        alert_of({"type": "array", "items": "int"}), varint(-1) + varint(-12) + b"\2\0"
    ),
    "a block of an array that is longer than it states": container(
        alert_of({"type": "array", "items": "int"}), varint(-2) + varint(1) + b"\2\2\0"
    ),
    "bytes of 2^62": container(alert_of("bytes"), varint(2**62)),
    "bytes of a negative length": container(alert_of("bytes"), varint(-5) + b"12345"),
    "bzip2": container(alert_of("bytes"), bzip2_bomb(), b"bzip2"),
    "deflate": container(alert_of("bytes"), deflate_bomb(), b"deflate"),
    "arrays 900 deep": container(alert_of(nested(900)), b"\2" * 900 + b"\2" + b"\0" * 901),
    "a schema of brackets": container(b'{"type":' * 5000, b""),
    "names that multiply": container(alert_of(*laughs()), b""),
    "2^40 records": container(alert_of(), b"", records=2**40),
    "a header of 2^40 entries": b"Obj\x01" + varint(2**40) + b"\0" * 100,
    "a negative branch": container(alert_of(["null", "int"]), varint(-1)),
    "a negative symbol": container(alert_of({"type": "enum", "name": "E", "symbols": ["A", "B"]}), varint(-1)),
    "a number without an end": container(alert_of("long"), b"\xff" * 40),
}


def test_a_container_made_to_harm_is_refused_at_once() -> None:
    """Neither crash nor hang nor a gigabyte: a data error, whatever the header and its schema claim."""
    assert troubles({what: ("alert", payload) for what, payload in HOSTILE.items()}) == {}


def single_object(name: str, body: bytes) -> bytes:
    return b"\xc3\x01" + schemas.fingerprint_of(name) + body


STRAIN_HEAD = text(b"H1") + text(b"H1:X") + varint(0) + varint(4096) + varint(0)
WITNESS_HEAD = text(b"H1") + varint(0) + varint(62_500_000)
CLAIMS = {
    "strain: samples of 2^62 bytes": ("strain", STRAIN_HEAD + varint(2**62)),
    "strain: samples of -1 bytes": ("strain", STRAIN_HEAD + varint(-1) + bytes(4)),
    "witness: 2^40 groups": ("witness", WITNESS_HEAD + varint(2**40)),
    "witness: 2^40 channels": ("witness", WITNESS_HEAD + varint(1) + varint(16) + varint(2**40)),
    "witness: a million empty names": (
        "witness", WITNESS_HEAD + varint(1) + varint(16) + varint(10**6) + bytes(10**6) + b"\0\0\0\0\0",
    ),
    "heartbeat: 2^40 detectors": ("heartbeat", text(b"d") + varint(0) + text(b"running") + varint(2**40)),
}  # fmt: skip


def test_a_length_that_is_not_there_is_refused_at_once() -> None:
    """The count is compared with the bytes before anything is made of it."""
    assert troubles({what: (name, single_object(name, body)) for what, (name, body) in CLAIMS.items()}) == {}


def test_the_confined_process_can_fail() -> None:
    """What escapes, grows or never ends is seen: a sound message counts as trouble too, for it was not refused."""
    sound = encode_alert(made.ALERT)
    assert {k: o.result for k, o in troubles({"sound": ("alert", sound)}).items()} == {"sound": "ok"}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (alert_of(["null", "Alert"]), "inside itself"),
        (alert_of(NULLS), "take no bytes"),
        (alert_of(nested(40)), "deeper than"),
        (alert_of(*laughs()), "more than 2000 nodes"),
        (alert_of("Nothing"), "does not define"),
        (alert_of({"type": "fixed", "name": "F", "size": 2**40}), "the size"),
        (alert_of(["null", ["null", "int"]]), "union"),
        (alert_of([]), "union"),
        (alert_of({"type": "enum", "name": "E", "symbols": []}), "symbols"),
        (alert_of({"type": "record", "name": "a b", "fields": []}), "which is none"),
        (alert_of({"type": "record", "name": "Alert", "fields": []}), "twice"),
        ({"type": "record", "name": "igwn.alerts.Alert", "fields": {"a": "int"}}, "no list of fields"),
        ({"type": "array", "items": "int"}, "of no record"),
        (3, "int where a type"),
    ],
)
def test_a_schema_without_bounds_is_refused_by_name(schema: object, why: str) -> None:
    """A writer's schema is read node by node, and what breaks the bounds is said."""
    with pytest.raises(SchemaError, match=why):
        writer_schema(json.dumps(schema).encode())


def test_a_schema_of_a_megabyte_is_refused_unread() -> None:
    """Its size is looked at first."""
    with pytest.raises(SchemaError, match="at most 65536"):
        writer_schema(json.dumps(alert_of(*["int"] * 50_000)).encode())


@pytest.mark.parametrize("codec", [b"bzip2", b"snappy", b"zstandard", b"xz", b"\x1b[2J"])
def test_only_plain_and_deflated_containers_are_read(codec: bytes) -> None:
    """Another codec is refused by its name, written out."""
    with pytest.raises(CodecError, match="only null and deflate") as caught:
        decode_alert(container(schemas.load("alert"), b"", codec))
    assert str(caught.value).isprintable()


def test_a_deflated_alert_is_read() -> None:
    """Deflate is every Avro library's usual codec; within its bound it is read."""
    from fastavro import writer  # noqa: PLC0415

    out = BytesIO()
    writer(out, schemas.load("alert"), [made.ALERT], codec="deflate")
    assert decode_alert(out.getvalue()) == made.ALERT


def test_a_deflated_bomb_is_refused_by_its_size() -> None:
    """Expansion ends one byte after the bound."""
    with pytest.raises(CodecError, match=f"expands to more than {MAX_BYTES['alert']} bytes"):
        decode_alert(HOSTILE["deflate"])


def test_a_later_version_with_more_fields_is_read() -> None:
    """What a later 1.x adds is passed over, logical types and all."""
    from fastavro import parse_schema, writer  # noqa: PLC0415

    later = json.loads(schemas.source("alert"))
    later["namespace"], later["name"] = "igwn.alerts.v1_9", "Alert"
    stamp = {"type": "long", "logicalType": "timestamp-millis"}
    pairs = {"type": "array", "items": {"type": "record", "name": "Pair", "fields": [{"name": "a", "type": "double"}]}}
    later["fields"][:0] = [{"name": "stamp", "type": stamp}, {"name": "pairs", "type": pairs}]
    out = BytesIO()
    writer(out, parse_schema(later), [{**made.ALERT, "stamp": 2**60, "pairs": [{"a": 1.0}, {"a": 2.0}]}])
    assert decode_alert(out.getvalue()) == made.ALERT


def test_an_array_in_blocks_with_their_sizes_is_read() -> None:
    """Java's writers state the sizes; where they are true, they are no obstacle."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "string"}}]}
    form = writer_schema(json.dumps(schema).encode()).form
    walk(form, varint(-2) + varint(4) + text(b"x") + text(b"y") + varint(1) + text(b"z") + b"\0")
    with pytest.raises(CodecError, match="not as long as it states"):
        walk(form, varint(-2) + varint(2) + text(b"x") + text(b"y") + b"\0")


@pytest.mark.parametrize("decode", [decode_alert, decode_strain, decode_witness])
def test_a_message_beyond_the_size_of_its_kind_is_refused_unread(decode: Any) -> None:
    """The stated size is checked before anything else."""
    with pytest.raises(CodecError, match=r"at most 8388608 are read"):
        decode(bytes(MAX_BYTES["alert"] + 1))


def test_our_own_alerts_are_far_within_the_bounds() -> None:
    """The bounds are for strangers: our schema has well under a tenth of the nodes allowed."""
    form = writer_schema(schemas.source("alert").encode()).form
    assert form.nodes < 200
    assert decode_alert(encode_alert(made.ALERT)) == made.ALERT


def test_a_foreign_text_in_an_error_is_written_out() -> None:
    """No error message carries a control character, a newline or a mark that turns the writing."""
    error = DataError("bad \x1b[2J\x9b\r\n\u202e id")
    assert str(error) == r"bad \x1b[2J\x9b\r\n\u202e id"
