"""Our alert schema is IGWN's: both directions, with their published schema and real alerts."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import make_schema_examples as made
import pytest
from fastavro import parse_schema, reader, writer
from fastavro.schema import to_parsing_canonical_form

import schemas
from stream.codec.alert import decode_alert, encode_alert
from stream.errors import CodecError, SchemaError

THEIRS: dict[str, Any] = json.loads((files("igwn_gwalert_schema") / "igwn.alerts.Alert.avsc").read_text())
RETRACTION = {**made.ALERT, "alert_type": "RETRACTION", "event": None, "external_coinc": None}


def without_docs(schema: Any) -> Any:
    """Return a schema without its texts, in an order that does not depend on who wrote it."""
    if isinstance(schema, dict):
        return {key: without_docs(value) for key, value in sorted(schema.items()) if key not in {"doc", "namespace"}}
    return [without_docs(item) for item in schema] if isinstance(schema, list) else schema


def test_canonical_form_is_theirs() -> None:
    assert to_parsing_canonical_form(json.loads(schemas.source("alert"))) == to_parsing_canonical_form(THEIRS)


def test_defaults_are_theirs() -> None:
    assert without_docs(json.loads(schemas.source("alert"))) == without_docs(THEIRS)


@pytest.mark.parametrize("alert", [made.ALERT, RETRACTION], ids=["update", "retraction"])
def test_their_reader_reads_our_alerts(alert: dict[str, Any]) -> None:
    records = list(reader(BytesIO(encode_alert(alert)), reader_schema=parse_schema(copy.deepcopy(THEIRS))))
    assert records == [alert]


@pytest.mark.parametrize("alert", [made.ALERT, RETRACTION], ids=["update", "retraction"])
def test_our_reader_reads_alerts_of_their_schema(alert: dict[str, Any]) -> None:
    out = BytesIO()
    writer(out, parse_schema(copy.deepcopy(THEIRS)), [alert])
    assert decode_alert(out.getvalue()) == alert


def test_alerts_of_old_writers_are_read_and_written_anew(data_dir: Path) -> None:
    paths = sorted((data_dir / "alerts" / "lvk_userguide").glob("*.avro"))
    assert len(paths) >= 6
    with_event = 0
    for path in paths:
        alert = decode_alert(path.read_bytes())
        stated = json.loads(path.with_suffix(".json").read_text())
        assert (alert["superevent_id"], alert["alert_type"]) == (stated["superevent_id"], stated["alert_type"])
        if stated["event"] is not None:
            with_event += 1
            assert alert["event"]["far"] == stated["event"]["far"]
            assert alert["event"]["classification"] == stated["event"]["classification"]
            assert alert["event"]["mchirp_source"] is None
        assert decode_alert(encode_alert(alert)) == alert
    assert with_event >= 4


def test_same_alert_gives_the_same_bytes() -> None:
    assert encode_alert(made.ALERT) == encode_alert(copy.deepcopy(made.ALERT))
    assert encode_alert(made.ALERT) != encode_alert(RETRACTION)


@pytest.mark.parametrize(
    "wrong",
    [{"alert_type": "SHOUT"}, {"time_created": None}, {"event": {"far": 1.0}}, {"colour": "red"}, {"urls": "none"}],
    ids=["symbol", "null", "missing fields", "unknown field", "type"],
)
def test_alert_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=r"alert does not fit schema alert 1\.3"):
        encode_alert({**made.ALERT, **wrong})


def container(schema: dict[str, Any], records: list[dict[str, Any]]) -> bytes:
    out = BytesIO()
    writer(out, parse_schema(schema), records)
    return out.getvalue()


def test_other_containers_are_refused_by_name() -> None:
    other = {"type": "record", "name": "org.example.Alert", "fields": [{"name": "a", "type": "int"}]}
    with pytest.raises(SchemaError, match=r"org\.example\.Alert.*expected igwn\.alerts\.Alert"):
        decode_alert(container(other, [{"a": 1}]))


@pytest.mark.parametrize("count", [0, 2])
def test_a_message_holds_one_alert(count: int) -> None:
    with pytest.raises(CodecError, match=f"holds {count} records"):
        decode_alert(container(copy.deepcopy(THEIRS), [made.ALERT] * count))


@pytest.mark.parametrize("payload", [b"", b"{}", b"Obj\x01", encode_alert(made.ALERT)[:-20]])
def test_bytes_that_are_no_container_are_refused(payload: bytes) -> None:
    with pytest.raises(CodecError, match="bytes"):
        decode_alert(payload)
