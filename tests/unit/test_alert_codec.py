"""A revision as it leaves and as it is read: by IGWN's schema, by its headers alone, and from older versions."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from importlib import resources
from typing import Any

import fastavro
import pytest

from stream.codec.alert import alert_id_of, decode, decode_alert, encode, sent_of
from stream.codec.alert.headers import Headers
from stream.errors import PublishError, SchemaError
from stream.records import AlertType, Background, Candidate, Decision, Peak, Revision
from stream.settings import PublishSettings, SignificanceSettings
from stream.superevent import Sent
from stream.timebase import NS_PER_S

MERGER_NS = 1_126_259_462_420_000_000
PUBLISH = PublishSettings()
SIGNIFICANCE = SignificanceSettings(significant_far_hz=7e-7, trials_factor=7)
CANDIDATE = Candidate(
    Peak(MERGER_NS, 12.5, ("H1", "L1"), (("H1", 6.0), ("L1", 4.0)), MERGER_NS + 170_000_000),
    1e-8,
    False,
    Background("shipped", 1e7, ("H1", "L1")),
    "first-1",
)
DECISION = Decision(
    "00000000-0000-4000-8000-000000000009", "TS150914a", "retract", "the light “was” on", "ada", MERGER_NS
)
LVK_TYPES: tuple[AlertType, ...] = ("PRELIMINARY", "UPDATE", "INITIAL", "RETRACTION")


def revision(alert_type: AlertType = "PRELIMINARY", number: int = 0, **changed: Any) -> Revision:
    made = Revision(
        superevent_id="TS150914a",
        number=number,
        alert_type=alert_type,
        created_ns=MERGER_NS + NS_PER_S,
        gps_ns=MERGER_NS,
        day_count=3,
        candidate=None if alert_type == "RETRACTION" else CANDIDATE,
        decision={"RETRACTION": DECISION, "INITIAL": replace(DECISION, kind="confirm")}.get(alert_type),
        days={"TS150913": 7, "TS150914": 3},
    )
    return replace(made, **changed)


def old_headers(*, without: tuple[str, ...] = ()) -> Headers:
    """What the versions before revisions wrote, byte for byte."""
    headers: dict[str, bytes] = {
        "_id": bytes.fromhex("0123456789abcdef0123456789abcdef"),
        "_sender": b"Tocsin",
        "_test": b"true",
        "_format": b"avro",
        "tocsin.gps_ns": b"1126259462420000000",
        "tocsin.statistic": b"12.5",
        "tocsin.per_detector": b'{"H1": 6.0, "L1": 4.0}',
        "tocsin.far_is_limit": b"false",
        "tocsin.background": b'{"source": "shipped", "duration_s": 10000000.0}',
        "tocsin.model": b"first-1",
        "tocsin.p_astro": b"null",
        "tocsin.unknown": b'{"skymap": "not computed in this version"}',
    }
    return tuple((name, value) for name, value in headers.items() if name not in without)


@pytest.mark.parametrize("alert_type", LVK_TYPES)
def test_every_type_of_alert_is_valid_by_igwns_own_schema_and_read_by_its_reader(alert_type: AlertType) -> None:
    """In a RETRACTION the event is null."""
    theirs = json.loads((resources.files("igwn_gwalert_schema") / "igwn.alerts.Alert.avsc").read_text())
    payload = encode(revision(alert_type), PUBLISH, SIGNIFICANCE).avro
    read: Any = next(fastavro.reader(io.BytesIO(payload), theirs))
    fastavro.validate(read, fastavro.parse_schema(theirs), strict=True)
    assert (read["superevent_id"], read["alert_type"]) == ("TS150914a", alert_type)
    assert (read["event"] is None) is (alert_type == "RETRACTION")
    assert decode_alert(payload) == read


@pytest.mark.parametrize("number", [0, 1, 17])
@pytest.mark.parametrize("alert_type", LVK_TYPES)
def test_key_and_headers_alone_tell_which_alert_it_is(alert_type: AlertType, number: int) -> None:
    made = revision(alert_type, number)
    alert = encode(made, PUBLISH, SIGNIFICANCE)
    assert sent_of(alert.superevent_id.encode(), alert.headers) == Sent.of(made)
    assert sent_of(alert.superevent_id.encode(), alert.json_headers) == Sent.of(made)
    assert alert_id_of(alert.headers) == alert.alert_id == made.message_id


def test_avro_and_json_say_the_same() -> None:
    alert = encode(revision(), PUBLISH, SIGNIFICANCE)
    assert decode(alert.avro, alert.headers) == decode(alert.json, alert.json_headers)
    assert (dict(alert.headers)["_format"], dict(alert.json_headers)["_format"]) == (b"avro", b"json")


def test_the_same_revision_gives_the_same_bytes() -> None:
    assert encode(revision(), PUBLISH, SIGNIFICANCE) == encode(revision(), PUBLISH, SIGNIFICANCE)


def test_the_time_of_creation_is_the_revisions() -> None:
    record, _ = decode(encode(revision(), PUBLISH, SIGNIFICANCE).avro)
    assert record["time_created"] == "2015-09-14T09:50:46Z"
    assert record["event"]["time"] == "2015-09-14T09:50:45.420Z"


def test_what_is_not_known_is_null_and_the_reason_is_given() -> None:
    record, extra = decode(encode(revision(), PUBLISH, SIGNIFICANCE).json)
    assert (record["event"]["skymap"], record["event"]["classification"]) == (None, {})
    assert set(extra["unknown"]) == {"skymap", "classification", "properties", "mchirp_source", "p_astro"}
    assert extra["background"] == {"source": "shipped", "duration_s": 1e7, "detectors": ["H1", "L1"]}


def test_a_retraction_says_who_withdrew_it_and_why() -> None:
    _, extra = decode(encode(revision("RETRACTION", 4), PUBLISH, SIGNIFICANCE).json)
    assert extra["decision"] == {"kind": "retract", "why": "the light “was” on", "who": "ada", "made_ns": MERGER_NS}
    assert extra["decision_id"] == DECISION.decision_id
    assert (extra["gps_ns"], extra["revision"], extra["alert_type"]) == (MERGER_NS, 4, "RETRACTION")


def test_an_alert_that_was_read_is_repeated_with_all_it_says() -> None:
    """A confirmation after a restart loses neither sky map nor class."""
    first, _ = decode(encode(revision(), PUBLISH, SIGNIFICANCE).avro)
    event = first["event"] | {"skymap": b"\x00map\xff", "classification": {"BBH": 1.0}}
    for candidate in (CANDIDATE, None):
        alert = encode(revision("INITIAL", 1, candidate=candidate, carried=event), PUBLISH, SIGNIFICANCE)
        record, extra = decode(alert.json, alert.json_headers)
        assert record["event"] == event
        assert decode(alert.avro, alert.headers) == (record, extra)
        assert not {"skymap", "classification"} & set(extra["unknown"])


def test_an_alert_about_nothing_is_an_error() -> None:
    with pytest.raises(PublishError, match="TS150914a, revision 1"):
        encode(revision("INITIAL", 1, candidate=None), PUBLISH, SIGNIFICANCE)


@pytest.mark.parametrize(("far_hz", "significant"), [(1e-8, True), (9.9e-8, True), (1.01e-7, False), (6e-7, False)])
def test_significance_is_decided_by_the_far_times_the_number_of_searches_which_is_told(
    far_hz: float, significant: bool
) -> None:
    alert = encode(revision(candidate=replace(CANDIDATE, far_hz=far_hz)), PUBLISH, SIGNIFICANCE)
    record, extra = decode(alert.avro, alert.headers)
    assert (record["event"]["significant"], extra["trials_factor"]) == (significant, 7)


def test_test_alerts_say_so_in_their_headers_and_production_ones_do_not() -> None:
    assert dict(encode(revision(), PUBLISH, SIGNIFICANCE).headers)["_test"] == b"true"
    assert "_test" not in dict(encode(revision(), PublishSettings(kind="production"), SIGNIFICANCE).headers)


def test_an_alert_of_an_older_version_is_the_first_of_its_event() -> None:
    """It tells statistic and detectors, and not its FAR: that stands in the payload."""
    assert sent_of(b"TS150914a", old_headers()) == Sent(
        "TS150914a", 0, "PRELIMINARY", MERGER_NS, 12.5, None, ("H1", "L1")
    )
    event = {"far": 1e-8}
    assert sent_of(b"TS150914a", old_headers(), event) == Sent(
        "TS150914a", 0, "PRELIMINARY", MERGER_NS, 12.5, None, ("H1", "L1"), event=event
    )
    assert alert_id_of(old_headers()) == "01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize("headers", [(), (("_id", b"x" * 16), ("revision", b"1")), (("tocsin.model", b"\xff"),)])
def test_a_message_without_a_merger_time_is_another_pipelines(headers: Headers) -> None:
    assert sent_of(b"S150914a", headers) is None


@pytest.mark.parametrize("key", [None, b"", b"TS150914", b"../TS150914a", b"\x1b[2J", b"TS150914a\n", b"\xff" * 5000])
def test_a_key_that_is_no_superevent_is_refused(key: bytes | None) -> None:
    with pytest.raises(SchemaError, match="expected a superevent id") as caught:
        sent_of(key, old_headers())
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "value", [b"abc", b"", b"-1", b"1.5", b"9" * 19, b"9" * 5000, b" 12", "१२".encode(), b"1_0", b"\x1b"]
)
def test_a_merger_time_that_is_none_is_refused(value: bytes) -> None:
    """Digits within a 64-bit clock, or a data error that can be shown."""
    with pytest.raises(SchemaError, match="expected GPS nanoseconds") as caught:
        sent_of(b"TS150914a", (*old_headers(), ("tocsin.gps_ns", value)))
    assert str(caught.value).isprintable()


DEEP = b"[" * 5000 + b"]" * 5000
BAD = {
    "revision": [b"-1", b"1.0", b"true", b"9" * 30, b"x", DEEP],
    "alert_type": [b"SHOUT", b"null", b"3", b"[]", b"\x1b[2J"],
    "statistic": [b"true", b"[1]", b"NaN", b"1e999", b"\xff"],
    "far_hz": [b'"1"', b"{}"],
    "detectors": [b"{}", b'"H1"', b"[1]", b'["H1/.."]', b'["H1\\u001b"]', b"[" + b'"H1",' * 99 + b'"H1"]'],
    "per_detector": [b"[]", b'{"H1": "x"}', b'{"": 1}', DEEP],
    "day_count": [b"-1", b"x", b"9" * 30],
    "days": [b"[]", b'{"TS150914": -1}', b'{"TS150914": "a"}'],
    "decision_id": [b"1", b"../x", b"[]"],
    "background": [b"[]", b'{"duration_s": "x"}'],
    "unknown": [b"[]"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_damaged_header_of_ours_is_refused_by_name(name: str, value: bytes) -> None:
    headers = encode(revision(), PUBLISH, SIGNIFICANCE).headers
    changed = (*((n, v) for n, v in headers if n != "tocsin." + name), ("tocsin." + name, value))
    with pytest.raises(SchemaError, match=rf"tocsin\.{name}") as caught:
        sent_of(b"TS150914a", changed)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
