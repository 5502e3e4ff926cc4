"""Codec properties: what goes in comes out, and no bytes whatever raise anything but a data error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from decoders import decoder
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stream.codec.arrow import decode_arrow, encode_arrow
from stream.codec.avro import (
    decode_external,
    decode_heartbeat,
    decode_strain,
    decode_witness,
    encode_external,
    encode_heartbeat,
    encode_strain,
    encode_witness,
)
from stream.codec.external import ALERT_TYPES, TENSES
from stream.errors import CodecError, SchemaError
from stream.records import DetectorStatus, ExternalEvent, Heartbeat, StrainBlock, WitnessBlock, WitnessGroup
from stream.timebase import HOP_NS, samples_per_hop

DETECTORS = st.sampled_from(["H1", "L1", "V1", "K1", "I1"])
GPS_NS = st.integers(0, 2**60 // HOP_NS).map(lambda hop: hop * HOP_NS)
LONGS = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.none() | st.floats(allow_nan=False)
RATES = st.sampled_from([16, 256, 4096])


@st.composite
def strain_blocks(draw: st.DrawFn) -> StrainBlock:
    detector, rate_hz, hops = draw(DETECTORS), draw(RATES), draw(st.integers(1, 8))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return StrainBlock(
        detector=detector,
        channel=f"{detector}:{draw(st.sampled_from(['GDS-CALIB_STRAIN', 'Hrec_hoft_STRAIN']))}",
        gps_ns=draw(GPS_NS),
        sample_rate_hz=rate_hz,
        samples=draw(hnp.arrays(dtype, hops * samples_per_hop(rate_hz))),
        dq_mask=draw(hnp.arrays(np.uint32, hops)),
        sequence=draw(LONGS),
        sent_ns=draw(st.none() | LONGS),
    )


@st.composite
def witness_blocks(draw: st.DrawFn) -> WitnessBlock:
    hops = draw(st.integers(1, 4))
    groups = []
    for rate_hz in draw(st.lists(st.sampled_from([16, 64, 512]), max_size=3)):
        names = tuple(draw(st.lists(st.text(max_size=20), max_size=3)))
        shape = (len(names), hops * samples_per_hop(rate_hz))
        groups.append(WitnessGroup(rate_hz, names, draw(hnp.arrays(np.float32, shape))))
    return WitnessBlock(
        draw(DETECTORS), draw(GPS_NS), hops * HOP_NS, tuple(groups), draw(LONGS), draw(st.none() | LONGS)
    )


def upto(high: float, low: float = 0.0) -> st.SearchStrategy[float | None]:
    return st.none() | st.floats(low, high)


WORDS = st.text(min_size=1, max_size=200)
RAS, DECS = st.floats(0, 360), st.floats(-90, 90)
EXTERNALS = st.builds(
    lambda event, place: replace(event, ra_deg=place and place[0], dec_deg=place and place[1]),
    st.builds(
        ExternalEvent,
        event_id=WORDS,
        source=WORDS,
        messenger=WORDS,
        alert_type=st.sampled_from(ALERT_TYPES),
        gps_ns=st.integers(0, 2**62 - 1),
        received_ns=LONGS,
        error_radius_deg=upto(180),
        containment=upto(1),
        far_hz=upto(1e9),
        raw=st.binary(),
        raw_format=st.text(),
        search=st.text(max_size=200),
        names=st.lists(st.text(max_size=200), max_size=3).map(tuple),
        tense=st.sampled_from(TENSES),
        revision=st.integers(0, 2**31 - 1),
        issued_ns=st.none() | LONGS,
        error_minor_deg=upto(180),
        error_angle_deg=upto(360, -360),
        error_inner_deg=upto(180),
        corners_deg=st.just(()) | st.lists(st.tuples(RAS, DECS), min_size=3, max_size=5).map(tuple),
        systematic_included=st.none() | st.booleans(),
        skymap=st.none() | st.binary(),
        skymap_url=st.none() | st.text(),
        classification=st.dictionaries(st.text(max_size=200), st.floats(0, 1), max_size=3),
        p_astro=upto(1),
    ),
    st.none() | st.tuples(RAS, DECS),
)
HEARTBEATS = st.builds(
    Heartbeat,
    daemon_id=st.text(),
    gps_ns=LONGS,
    state=st.text(),
    detectors=st.lists(st.builds(DetectorStatus, st.text(), st.none() | LONGS, st.booleans()), max_size=5).map(tuple),
    latency_p50_s=DOUBLES,
    latency_p99_s=DOUBLES,
    lag_s=st.floats(allow_nan=False),
    skipped_s=st.floats(allow_nan=False),
    version=st.text(),
    model=st.text(),
)


def assert_same_strain(expected: StrainBlock, actual: StrainBlock) -> None:
    """Fail unless two blocks are equal, samples and words bit for bit."""
    assert actual.samples.dtype == expected.samples.dtype
    assert actual.samples.tobytes() == expected.samples.tobytes()
    assert actual.dq_mask.tolist() == expected.dq_mask.tolist()
    for name in ("detector", "channel", "gps_ns", "sample_rate_hz", "sequence", "sent_ns"):
        assert getattr(actual, name) == getattr(expected, name)


@given(strain_blocks())
def test_strain_round_trip_is_exact(block: StrainBlock) -> None:
    assert_same_strain(block, decode_strain(encode_strain(block)))


def test_comparison_of_strain_can_fail() -> None:
    block = StrainBlock("H1", "H1:STRAIN", 0, 16, np.zeros(1), np.zeros(1, np.uint32))
    other = StrainBlock("H1", "H1:STRAIN", 0, 16, np.full(1, -0.0), np.zeros(1, np.uint32))
    with pytest.raises(AssertionError):
        assert_same_strain(block, other)


@given(witness_blocks())
def test_witness_round_trip_is_exact(block: WitnessBlock) -> None:
    actual = decode_witness(encode_witness(block))
    assert (actual.detector, actual.gps_ns, actual.duration_ns) == (block.detector, block.gps_ns, block.duration_ns)
    assert (actual.sequence, actual.sent_ns) == (block.sequence, block.sent_ns)
    assert [g.channels for g in actual.groups] == [g.channels for g in block.groups]
    assert [g.sample_rate_hz for g in actual.groups] == [g.sample_rate_hz for g in block.groups]
    assert [g.samples.tobytes() for g in actual.groups] == [g.samples.tobytes() for g in block.groups]
    assert [g.samples.shape for g in actual.groups] == [g.samples.shape for g in block.groups]


@given(EXTERNALS)
def test_external_event_round_trip_is_exact(event: ExternalEvent) -> None:
    assert decode_external(encode_external(event)) == event


@given(HEARTBEATS)
def test_heartbeat_round_trip_is_exact(heartbeat: Heartbeat) -> None:
    assert decode_heartbeat(encode_heartbeat(heartbeat)) == heartbeat


@given(strain_blocks())
def test_arrow_round_trip_keeps_all_but_sequence_and_sending_time(block: StrainBlock) -> None:
    (actual,) = decode_arrow(encode_arrow([block]), detector=block.detector)
    assert np.array_equal(actual.samples, block.samples, equal_nan=True)
    assert actual.dq_mask.tolist() == block.dq_mask.tolist()
    assert (actual.channel, actual.gps_ns, actual.sample_rate_hz) == (block.channel, block.gps_ns, block.sample_rate_hz)


FORMATS = {name: decoder(name) for name in ("strain", "witness", "external", "heartbeat", "alert", "gwf", "arrow")}


def survives(name: str, payload: bytes) -> None:
    """Decode, and let nothing pass but a record or an error that names the cause."""
    try:
        FORMATS[name][0](payload)
    except (CodecError, SchemaError) as error:
        assert len(str(error)) > 20


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_random_bytes_raise_only_data_errors(name: str, data: st.DataObject) -> None:
    head = FORMATS[name][1][: data.draw(st.sampled_from([0, 2, 4, 10, 40]))]
    survives(name, head + data.draw(st.binary(max_size=200)))


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_truncated_messages_raise_only_data_errors(name: str, data: st.DataObject) -> None:
    whole = FORMATS[name][1]
    survives(name, whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_messages_with_flipped_bits_raise_only_data_errors(name: str, data: st.DataObject) -> None:
    payload = bytearray(FORMATS[name][1])
    for bit in data.draw(st.lists(st.integers(0, 8 * len(payload) - 1), min_size=1, max_size=4)):
        payload[bit // 8] ^= 1 << bit % 8
    survives(name, bytes(payload))


@pytest.mark.parametrize("name", ["strain", "witness", "external", "heartbeat", "gwf"])
def test_no_truncation_is_taken_for_a_whole_message(name: str) -> None:
    decode, whole = FORMATS[name]
    for length in range(0, len(whole), max(1, len(whole) // 200)):
        with pytest.raises((CodecError, SchemaError)):
            decode(whole[:length])
