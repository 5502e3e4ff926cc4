"""Map and class in an alert: whole or empty with the reason, by IGWN's schemas, and told by the headers alone."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from importlib import resources
from typing import Any, get_args

import fastavro
import numpy as np
import pytest
from findings import NOW_NS, SOURCE, decided, heard, mapped

from pipelines.subscribe import receive
from stream.codec.alert import decode, encode, sent_of
from stream.codec.limits import MAX_BYTES
from stream.errors import SchemaError
from stream.kafka.consumer import Message
from stream.records import FOLLOWED_FIELDS, AlertType, Localized, Revision
from stream.settings import PublishSettings, SignificanceSettings
from stream.superevent import Sent, Superevents, not_found

PUBLISH, SIGNIFICANCE = PublishSettings(), SignificanceSettings()
FITS = bytes(range(256)) * 1200
CANDIDATE = heard()
FOUND = replace(mapped(CANDIDATE), skymap_fits=FITS, mchirp_msun=float(np.float32(30.5)))
WHY = {"properties": "no equation of state", "mchirp_source": "no distance"}
NO_PROPERTIES = replace(FOUND, source=replace(SOURCE, properties=None, mchirp_source=None, reasons=WHY))
NOTHING = not_found(CANDIDATE, "hung")


def about(localized: Localized, alert_type: str = "PRELIMINARY") -> Revision:
    """Return what is said of a candidate with its follow-up; whoever decides comes after it."""
    events = Superevents("test")
    [made] = events.step(localized, NOW_NS)
    if alert_type == "UPDATE":
        [made] = events.step(replace(localized, candidate=heard(100_000_000, 20.0)), NOW_NS)
    if alert_type in ("INITIAL", "RETRACTION"):
        [made] = events.step(decided("confirm" if alert_type == "INITIAL" else "retract"), NOW_NS)
    assert made.alert_type == alert_type
    return made


@pytest.mark.parametrize("alert_type", get_args(AlertType))
@pytest.mark.parametrize("localized", [FOUND, NO_PROPERTIES, NOTHING])
def test_every_revision_is_valid_by_igwns_schema_with_and_without_a_map(localized: Localized, alert_type: str) -> None:
    theirs = json.loads((resources.files("igwn_gwalert_schema") / "igwn.alerts.Alert.avsc").read_text())
    alert = encode(about(localized, alert_type), PUBLISH, SIGNIFICANCE)
    read: Any = next(fastavro.reader(io.BytesIO(alert.avro), theirs))
    fastavro.validate(read, fastavro.parse_schema(theirs), strict=True)
    assert decode(alert.avro, alert.headers) == decode(alert.json, alert.json_headers)
    assert (read["urls"], "urls" in json.loads(alert.json)) == ({}, True)
    assert sent_of(alert.superevent_id.encode(), alert.headers) == Sent.of(about(localized, alert_type))


def test_what_the_follow_up_found_stands_where_subscribers_look() -> None:
    alert = encode(about(FOUND), PUBLISH, SIGNIFICANCE)
    event = decode(alert.avro)[0]["event"]
    assert (event["skymap"], event["classification"], event["properties"]) == (
        FITS, SOURCE.classification, SOURCE.properties,
    )  # fmt: skip
    assert event["mchirp_source"] == {"bin_edges": [20.0, 22.0, 24.0], "probabilities": [0.4, 0.6]}
    assert base64.b64decode(json.loads(alert.json)["event"]["skymap"]) == FITS
    _, extra = decode(alert.avro, alert.headers)
    assert extra["followed"] == {
        "known": ["skymap", "classification", "properties", "mchirp_source"],
        "method": "tocsin", "seconds": 0.0631, "area50_deg2": 120.5, "area90_deg2": 501.25,
        "distance_mpc": 430.0, "distance_std_mpc": 110.0, "mchirp_msun": 30.5, "mchirp_std_msun": 0.25,
    }  # fmt: skip
    assert set(extra["unknown"]) == {"p_astro"}


def test_what_it_did_not_find_is_empty_with_its_reason() -> None:
    for localized, empty in (
        (NO_PROPERTIES, WHY),
        (NOTHING, dict.fromkeys(FOLLOWED_FIELDS, "hung")),
    ):  # fmt: skip
        record, extra = decode(encode(about(localized), PUBLISH, SIGNIFICANCE).json)
        assert {name: why for name, why in extra["unknown"].items() if name != "p_astro"} == empty
        assert {name for name in empty if record["event"][name]} == set()


def test_a_number_that_json_lacks_is_not_told() -> None:
    """A map may have no distance; what cannot be read back would hide the alert after a restart."""
    odd = replace(FOUND, distance_mpc=float("inf"), distance_std_mpc=float("nan"))
    alert = encode(about(odd), PUBLISH, SIGNIFICANCE)
    sent = sent_of(b"TS150914a", alert.headers)
    assert sent is not None and sent.followed is not None
    assert (sent.followed.distance_mpc, sent.followed.distance_std_mpc, sent.followed.area90_deg2) == (
        None, None, 501.25,
    )  # fmt: skip


def test_a_reason_of_any_length_is_told_in_short_and_the_alert_is_known_after_a_restart() -> None:
    """What a library raises can be pages; headers longer than are read would hide the alert: it would be doubled."""
    alert = encode(about(not_found(CANDIDATE, "no signature matches:\n" + 4000 * "float64 ")), PUBLISH, SIGNIFICANCE)
    sent = sent_of(b"TS150914a", alert.headers)
    assert sent is not None and sent.statistic == CANDIDATE.peak.statistic
    told = decode(alert.avro, alert.headers)[1]["unknown"]["skymap"]
    assert told.startswith("no signature matches:\nfloat64 ") and len(told) < 1000


def test_an_alert_with_a_large_map_is_well_within_what_is_read() -> None:
    alert = encode(about(replace(FOUND, skymap_fits=FITS * 4)), PUBLISH, SIGNIFICANCE)
    assert len(FITS * 4) > 1_000_000
    assert 4 * max(len(alert.avro), len(alert.json)) < MAX_BYTES["alert"]
    assert decode(alert.json)[0]["event"]["skymap"] == FITS * 4


@pytest.mark.parametrize(
    "value", [b"[]", b'{"seconds": "x"}', b'{"seconds": 1, "known": ["sky"]}', b'{"seconds": 1, "known": {}}']
)
def test_a_damaged_account_of_the_follow_up_is_refused_by_name(value: bytes) -> None:
    headers = encode(about(FOUND), PUBLISH, SIGNIFICANCE).headers
    changed = (*((n, v) for n, v in headers if n != "tocsin.followed"), ("tocsin.followed", value))
    with pytest.raises(SchemaError, match=r"tocsin\.followed"):
        sent_of(b"TS150914a", changed)


def test_a_telescope_reads_class_and_area_on_one_line_where_the_alert_tells_them() -> None:
    def line(localized: Localized) -> str:
        alert = encode(about(localized), PUBLISH, SIGNIFICANCE)
        return receive(Message("alerts.gw", 0, 0, b"", alert.avro, alert.headers, 0)).as_line()

    assert line(FOUND).endswith("H1+L1  CBC  BBH 98 %  90 % within 501 deg²")
    assert line(NOTHING).endswith("H1+L1  CBC")


def test_a_confirmation_after_a_restart_does_not_say_that_maps_are_off() -> None:
    after = Superevents("test")
    after.recall(replace(Sent.of(about(NOTHING)), localized=None))
    [made] = after.step(decided("confirm"), NOW_NS)
    unknown = json.loads(dict(encode(made, PUBLISH, SIGNIFICANCE).headers)["tocsin.unknown"])
    assert unknown["skymap"] == "not told by the alert that this one repeats"
