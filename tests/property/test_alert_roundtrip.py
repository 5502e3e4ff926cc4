"""Revision to bytes to record: what was said is what is read, in Avro, in JSON and in the headers."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from stream.codec.alert import decode, encode, sent_of
from stream.codec.alert.record import alert_record, extra_of
from stream.errors import DataError
from stream.records import AlertType, Background, Candidate, Decision, Peak, Revision
from stream.settings import PublishSettings, SignificanceSettings
from stream.superevent import Sent

SIGNIFICANCE = SignificanceSettings()
GPS_NS = st.integers(700_000_000_000_000_000, 3_000_000_000_000_000_000)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
DETECTORS = st.lists(st.sampled_from(["H1", "L1", "V1", "K1", "I1"]), min_size=1, unique=True).map(tuple)
FARS = st.floats(1e-12, 1.0)
NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    detectors, gps_ns = draw(DETECTORS), draw(GPS_NS)
    singles = tuple((name, draw(NUMBERS)) for name in detectors)
    peak = Peak(gps_ns, draw(NUMBERS), detectors, singles, gps_ns + draw(st.integers(0, 10**9)))
    background = Background(draw(st.sampled_from(["live", "shipped"])), draw(st.floats(1, 1e9)), draw(DETECTORS))
    candidate = Candidate(peak, draw(FARS), draw(st.booleans()), background, draw(TEXTS), draw(st.none() | FARS))
    return candidate if candidate.p_astro is not None else replace(candidate, p_astro_reason=draw(TEXTS) or "why")


@st.composite
def revisions(draw: st.DrawFn) -> Revision:
    candidate = draw(candidates())
    alert_type: AlertType = draw(st.sampled_from(get_args(AlertType)))
    decision = Decision(
        str(draw(st.uuids())), "TS150914a", draw(st.sampled_from(["retract", "confirm"])), draw(TEXTS), draw(TEXTS),
        draw(GPS_NS),
    )  # fmt: skip
    return Revision(
        superevent_id="TS150914" + draw(st.text("abcdefghij", min_size=1, max_size=4)),
        number=draw(st.integers(0, 999)),
        alert_type=alert_type,
        created_ns=draw(GPS_NS),
        gps_ns=candidate.gps_ns,
        day_count=draw(st.integers(0, 10**6)),
        candidate=None if alert_type == "RETRACTION" else candidate,
        decision=draw(st.none() | st.just(decision)),
        days=draw(st.dictionaries(st.sampled_from(["TS150914", "TS150913", "S150914"]), st.integers(1, 10**6))),
    )


@given(revisions())
def test_what_was_said_is_read(revision: Revision) -> None:
    publish = PublishSettings()
    alert = encode(revision, publish, SIGNIFICANCE)
    record = alert_record(revision, publish.pipeline, SIGNIFICANCE)
    extra = extra_of(revision, record["event"], SIGNIFICANCE)
    assert decode(alert.avro, alert.headers) == (record, extra)
    assert decode(alert.json, alert.json_headers) == (record, extra)
    assert sent_of(alert.superevent_id.encode(), alert.headers) == Sent.of(revision)
    assert encode(revision, publish, SIGNIFICANCE) == alert


NAMES = st.sampled_from([f"tocsin.{name}" for name in ("gps_ns", "revision", "alert_type", "days", "statistic", "x")])
VALUES = st.binary(max_size=30) | st.sampled_from([b"1126259462420000000", b"1", b"UPDATE", b"{}", b"null", b"[[]]"])


@given(st.none() | st.binary(max_size=12) | st.just(b"TS150914a"), st.lists(st.tuples(NAMES | st.text(), VALUES)))
def test_strange_headers_are_refused_or_tell_an_alert(key: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    try:
        sent = sent_of(key, headers)
    except DataError as error:
        assert str(error).isprintable()
    else:
        assert sent is None or sent.gps_ns >= 0
