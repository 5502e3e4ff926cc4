"""Another messenger in an alert: complete by IGWN's schema, named beside it, and known again from the headers alone."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from importlib import resources
from typing import Any

import fastavro
import pytest
from findings import MERGER_NS, NOW_NS, decided, heard, mapped
from messengers import burst, coincident

from pipelines.live.lighter import lighter
from stream.codec.alert import decode, encode, sent_of
from stream.codec.alert.messenger import observatory
from stream.errors import SchemaError
from stream.records import Candidate, Coincidence, GwEvent, Joined, Revision
from stream.settings import PublishSettings, SignificanceSettings
from stream.superevent import Sent, Superevents

PUBLISH, SIGNIFICANCE = PublishSettings(), SignificanceSettings()
GW = GwEvent("TS150914a", MERGER_NS, 1e-6, "CBC", b"map")


def about(found: Coincidence, candidate: Candidate | None = None) -> Revision:
    events = Superevents("test")
    events.step(mapped(candidate or heard()), NOW_NS)
    [made] = events.step(found, NOW_NS)
    return made


def record_of(revision: Revision) -> tuple[dict[str, Any], dict[str, Any]]:
    alert = encode(revision, PUBLISH, SIGNIFICANCE)
    assert decode(alert.avro, alert.headers) == decode(alert.json, alert.json_headers)
    return decode(alert.avro, alert.headers)


def test_external_coinc_is_whole_and_valid_by_igwns_schema() -> None:
    theirs = json.loads((resources.files("igwn_gwalert_schema") / "igwn.alerts.Alert.avsc").read_text())
    alert = encode(about(coincident(burst(), GW)), PUBLISH, SIGNIFICANCE)
    read: Any = next(fastavro.reader(io.BytesIO(alert.avro), theirs))
    fastavro.validate(read, fastavro.parse_schema(theirs), strict=True)
    assert read["external_coinc"] == {
        "gcn_notice_id": 524666471, "ivorn": "ivo://nasa.gsfc.gcn/Fermi#GBM_524666471", "observatory": "Fermi",
        "search": "GRB", "time_difference": 1.7, "time_coincidence_far": 1e-9,
        "time_sky_position_coincidence_far": 5e-10, "combined_skymap": b"both",
    }  # fmt: skip
    assert base64.b64decode(json.loads(alert.json)["external_coinc"]["combined_skymap"]) == b"both"
    assert (read["event"]["skymap"], read["event"]["significant"]) == (b"map", False)


def test_the_names_of_both_and_what_is_not_known_stand_beside_it() -> None:
    _, extra = record_of(about(coincident(burst(revision=2), others=("IceCube 12",))))
    assert extra["joined"] == {
        "source": "Fermi-GBM", "event_id": "524666471", "search": "GRB", "notice_id": "524666471",
        "ivorn": "ivo://nasa.gsfc.gcn/Fermi#GBM_524666471", "revision": 2, "time_difference_ns": 1_700_000_000,
        "time_far_hz": 1e-9, "significant": False, "names": ["GRB 150914A"], "others": ["IceCube 12"],
    }  # fmt: skip
    reasons = {name: why for name, why in extra["unknown"].items() if name.startswith("external")}
    assert reasons == {
        "external_coinc.time_sky_position_coincidence_far": "the superevent has no sky map",
        "external_coinc.combined_skymap": "no sky map",
    }


@pytest.mark.parametrize(
    ("notice_id", "told"),
    [("524666471", 524666471), ("2147483648", "2147483648"), ("007", "007"), ("IC230401A", "IC230401A"), ("", ""),
     ("٣", "٣"), ("9" * 200, "9" * 200)],
)  # fmt: skip
def test_a_notice_is_named_by_a_number_where_avros_int_holds_it(notice_id: str, told: int | str) -> None:
    record, extra = record_of(about(coincident(burst(notice_id=notice_id))))
    assert record["external_coinc"]["gcn_notice_id"] == told
    assert ("external_coinc.gcn_notice_id" in extra["unknown"]) == (notice_id == "")


def test_an_observatory_is_the_mission_as_lvk_writes_it() -> None:
    names = ["Fermi-GBM", "Swift-BAT", "IceCube", "Einstein-Probe", "Super-K", "SVOM-GRM"]
    assert [observatory(name) for name in names] == ["Fermi", "Swift", "IceCube", "Einstein-Probe", "Super-K", "SVOM"]


def test_a_supernova_warning_bears_lvks_name_of_its_search() -> None:
    record, extra = record_of(about(coincident(burst(source="SNEWS", search="SNEWS"))))
    assert (record["external_coinc"]["search"], extra["joined"]["search"]) == ("Supernova", "SNEWS")


def test_headers_alone_tell_what_was_told() -> None:
    long = burst(names=tuple(200 * "\U0001f600" for _ in range(30)), notice_id=200 * "\U0001f600")
    for found in (coincident(burst(), GW), coincident(long, others=tuple(200 * "é" for _ in range(30)))):
        made = about(found)
        alert = encode(made, PUBLISH, SIGNIFICANCE)
        sent = sent_of(alert.superevent_id.encode(), alert.headers)
        assert sent == Sent.of(made)
        assert sent is not None and sent.joined == Joined.of(found)


@pytest.mark.parametrize(
    "value",
    [
        b"[]", b'{"source": 1}', b'{"source": "x", "names": "y"}', b'{"source": "x", "names": [1]}',
        b'{"source": "x", "time_difference_ns": 1.5}', b'{"source": "x", "time_difference_ns": 99999999999999999999}',
        b'{"source": "x", "time_far_hz": "NaN"}', b'{"source": "x", "significant": 1}',
        b'{"source": "x", "revision": -1}',
        b'{"source": "' + b"x" * 201 + b'"}', b'{"source": "x", "others": ["' + b"x" * 201 + b'"]}',
    ],
)  # fmt: skip
def test_a_strangers_account_of_it_is_refused_by_name(value: bytes) -> None:
    headers = encode(about(coincident(burst())), PUBLISH, SIGNIFICANCE).headers
    changed = (*((n, v) for n, v in headers if n != "tocsin.joined"), ("tocsin.joined", value))
    with pytest.raises(SchemaError, match=r"tocsin\.joined"):
        sent_of(b"TS150914a", changed)


def test_an_event_is_significant_with_what_coincides_and_is_not_when_that_has_left() -> None:
    events = Superevents("test")
    events.step(mapped(heard()), NOW_NS)
    found = coincident(burst(), GW, significant=True)
    made = [r for finding in (found, coincident(None, GW)) for r in events.step(finding, NOW_NS)]
    assert [record_of(r)[0]["event"]["significant"] for r in made] == [True, False]
    rare = about(coincident(burst()), heard(far_hz=1e-9))
    assert record_of(rare)[0]["event"]["significant"]


def test_a_repeated_alert_that_was_read_is_significant_by_the_same_rule() -> None:
    event = record_of(about(coincident(burst(), GW, significant=True)))[0]["event"]
    made = about(coincident(burst(), GW))
    told = record_of(replace(made, carried=event, candidate=None, localized=None))[0]
    assert (event["significant"], told["event"]) == (True, {**event, "significant": False})


def test_what_is_repeated_without_its_combined_map_says_why() -> None:
    made = replace(about(coincident(burst(), GW)), coincidence=None)
    record, extra = record_of(made)
    assert record["external_coinc"]["combined_skymap"] is None
    assert extra["unknown"]["external_coinc.combined_skymap"] == "not kept: an alert before this one had it"


def test_a_retraction_has_none() -> None:
    events = Superevents("test")
    events.step(heard(), NOW_NS)
    events.step(coincident(burst()), NOW_NS)
    [made] = events.step(decided("retract"), NOW_NS)
    record, extra = record_of(made)
    assert (record["external_coinc"], "joined" in extra) == (None, False)


def test_what_is_too_large_leaves_without_the_combined_map_first() -> None:
    alert = encode(about(coincident(burst(), GW)), PUBLISH, SIGNIFICANCE)
    once = lighter(alert, "too large")
    assert once is not None
    record, extra = decode(once.avro, once.headers)
    assert (record["external_coinc"]["combined_skymap"], record["event"]["skymap"]) == (None, b"map")
    assert record["external_coinc"]["observatory"] == "Fermi"
    assert extra["unknown"]["external_coinc.combined_skymap"] == "too large"
    twice = lighter(once, "too large still")
    assert twice is not None
    record, extra = decode(twice.json)
    assert (record["event"]["skymap"], extra["unknown"]["skymap"]) == (None, "too large still")
    assert extra["unknown"]["external_coinc.combined_skymap"] == "too large"
    assert lighter(twice, "too large yet") is None
