"""Ids and alerts: as LVK's, valid by IGWN's schema."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.codec.alert import decode_alert, encode_alert
from stream.errors import PublishError, SchemaError
from stream.publish import SupereventRegistry, make_alert
from stream.publish.alert import (
    alert_id_of,
    companion,
    hop_headers,
    merger_ns_of,
    read_companion,
    to_json,
    tocsin_headers,
)
from stream.publish.superevent import is_superevent_id, letter_count, letters
from stream.records import Background, Candidate, Peak
from stream.settings import PublishSettings
from stream.timebase import NS_PER_S, utc_to_gps_ns

MERGER_NS = 1_126_259_462_420_000_000


def candidate(gps_ns: int = MERGER_NS, far_hz: float = 1e-8) -> Candidate:
    peak = Peak(gps_ns, 12.5, ("H1", "L1"), (("H1", 6.0), ("L1", 4.0)), gps_ns + 170_000_000)
    return Candidate(peak, far_hz, False, Background("shipped", 1e7, ("H1", "L1")), "first-1")


@given(st.integers(1, 1_000_000))
def test_letters_count_like_lvk_and_back(count: int) -> None:
    assert letter_count(letters(count)) == count


def test_letters_go_from_z_to_aa() -> None:
    assert [letters(n) for n in (1, 26, 27, 52, 53, 702, 703)] == ["a", "z", "aa", "az", "ba", "zz", "aaa"]


def test_ids_carry_prefix_and_utc_date_and_count_up_within_the_day() -> None:
    registry = SupereventRegistry("test")
    assert registry.assign(MERGER_NS) == "TS150914a"
    assert registry.assign(MERGER_NS + 5 * NS_PER_S) == "TS150914b"
    assert SupereventRegistry("production").assign(MERGER_NS) == "S150914a"
    midnight = utc_to_gps_ns(datetime(2015, 9, 15, tzinfo=UTC))
    assert registry.assign(midnight) == "TS150915a"


@given(st.lists(st.integers(0, 3600 * 24), min_size=1, max_size=60))
def test_one_event_has_one_id_and_two_events_have_two(offsets_s: list[int]) -> None:
    registry = SupereventRegistry("mock")
    ids = {offset: registry.assign(MERGER_NS + offset * 3 * NS_PER_S) for offset in offsets_s}
    assert len(set(ids.values())) == len(ids)
    for offset, superevent_id in ids.items():
        assert registry.assign(MERGER_NS + offset * 3 * NS_PER_S + NS_PER_S // 2) == superevent_id


def test_a_restart_goes_on_where_the_topic_ends() -> None:
    registry = SupereventRegistry("test")
    registry.remember("TS150914z", MERGER_NS)
    registry.remember("S150914b", MERGER_NS + 100 * NS_PER_S)  # another kind: not ours
    assert registry.assign(MERGER_NS + 3 * NS_PER_S // 4) == "TS150914z"
    assert registry.assign(MERGER_NS + 100 * NS_PER_S) == "TS150914aa"


@pytest.mark.parametrize("label", ["zzzz", "zzzzz", "zzzzzzzz", "a" * 5000])
def test_a_label_that_nobody_counts_to_does_not_move_the_count(label: str) -> None:
    """Ids stay readable, distinct and known again, whatever label a stranger put on the topic."""
    registry = SupereventRegistry("test")
    registry.remember("TS150914b", MERGER_NS)
    registry.remember("TS150914" + label, MERGER_NS + 50 * NS_PER_S)
    given = [registry.assign(MERGER_NS + k * 100 * NS_PER_S) for k in range(1, 4)]
    again = SupereventRegistry("test")
    for k, superevent_id in enumerate(given, 1):
        again.remember(superevent_id, MERGER_NS + k * 100 * NS_PER_S)
    assert [again.assign(MERGER_NS + k * 100 * NS_PER_S) for k in range(1, 4)] == given
    assert len(set(given)) == 3
    assert max(len(superevent_id) for superevent_id in given) <= len("TS150914") + 5


@pytest.mark.parametrize("text", ["TS240517a", "S190425z", "MS181101ab"])
def test_an_id_has_a_form(text: str) -> None:
    """Prefix, six ASCII digits, one to eight letters, and nothing else."""
    assert is_superevent_id(text)
    assert not any(is_superevent_id(odd) for odd in (text + "/", "../" + text, text.upper(), text + "\n", text[:-2]))


def test_the_headers_that_were_written_are_read() -> None:
    """Writer and reader stand side by side."""
    extra = companion(candidate())
    headers = (*hop_headers("01234567-89ab-cdef-0123-456789abcdef", PublishSettings()), *tocsin_headers(extra))
    assert alert_id_of(headers) == "01234567-89ab-cdef-0123-456789abcdef"
    assert merger_ns_of(headers) == MERGER_NS
    assert read_companion(headers) == json.loads(json.dumps(extra))
    assert (alert_id_of(()), merger_ns_of(()), read_companion(())) == (None, None, {})
    assert alert_id_of((("_id", b"short"),)) is None


@pytest.mark.parametrize(
    "value", [b"abc", b"", b"-1", b"1.5", b"9" * 19, b"9" * 5000, b" 12", "१२".encode(), b"1_0", b"\x1b"]
)
def test_a_merger_time_that_is_none_is_refused(value: bytes) -> None:
    """Digits within a 64-bit clock, or a data error that can be shown."""
    with pytest.raises(SchemaError, match="expected GPS nanoseconds") as caught:
        merger_ns_of((("tocsin.gps_ns", value),))
    assert str(caught.value).isprintable()


def test_a_time_before_the_field_existed_is_refused_with_the_remedy() -> None:
    with pytest.raises(PublishError, match="clock"):
        SupereventRegistry("test").assign(NS_PER_S)


def test_the_alert_is_valid_by_igwns_own_schema_and_reads_back_the_same() -> None:
    alert = make_alert(candidate(), "TS150914a", MERGER_NS + NS_PER_S, 1e-7)
    theirs = json.loads((resources.files("igwn_gwalert_schema") / "igwn.alerts.Alert.avsc").read_text())
    fastavro.validate(alert, fastavro.parse_schema(theirs), strict=True)
    payload = encode_alert(alert)
    read: Any
    [read] = fastavro.reader(io.BytesIO(payload), theirs)
    assert read["superevent_id"] == "TS150914a"
    assert read["event"]["instruments"] == ["H1", "L1"]
    assert decode_alert(payload) == alert


def test_what_is_not_known_is_null_and_the_reason_is_given() -> None:
    alert = make_alert(candidate(), "TS150914a", MERGER_NS, 1e-7)
    assert alert["event"]["skymap"] is None
    assert alert["event"]["classification"] == {}
    extra = companion(candidate())
    assert set(extra["unknown"]) == {"skymap", "classification", "properties", "p_astro"}
    body = json.loads(to_json(alert, extra))
    assert body["tocsin"]["background"] == {"source": "shipped", "duration_s": 1e7}
    assert dict(tocsin_headers(extra))["tocsin.gps_ns"] == str(MERGER_NS).encode()


@pytest.mark.parametrize(("far_hz", "significant"), [(1e-8, True), (1e-7, True), (1e-6, False)])
def test_significance_is_decided_by_the_far(far_hz: float, significant: bool) -> None:
    assert make_alert(candidate(far_hz=far_hz), "TS1", 0, 1e-7)["event"]["significant"] is significant


def test_test_alerts_say_so_in_their_headers_and_production_ones_do_not() -> None:
    uuid = "00000000-0000-4000-8000-000000000001"
    assert dict(hop_headers(uuid, PublishSettings()))["_test"] == b"true"
    assert "_test" not in dict(hop_headers(uuid, PublishSettings(kind="production")))
