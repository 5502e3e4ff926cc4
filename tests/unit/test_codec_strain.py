"""Strain codecs: each refuses what breaks the rules, says why, and gives the same blocks from the same strain."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import lal
import lalframe
import numpy as np
import pyarrow as pa
import pytest
from fastavro import schemaless_writer
from gwpy.timeseries import TimeSeries, TimeSeriesDict

import schemas
from stream.codec import StrainCodec, strain_codec
from stream.codec.arrow import encode_arrow
from stream.codec.avro import (
    decode_strain,
    decode_witness,
    encode_heartbeat,
    encode_strain,
    encode_witness,
    strain_to_record,
)
from stream.codec.gwf import GwfChannels, decode_gwf, encode_gwf, posix_cksum
from stream.codec.quality import quality_of_state, words_per_hop
from stream.errors import CodecError, DataError, SchemaError
from stream.records import Heartbeat, StrainBlock, WitnessBlock, WitnessGroup
from stream.settings import StrainSettings
from stream.timebase import HOP_NS, NS_PER_S

GPS_NS = 1126259462 * NS_PER_S


def block(hops: int = 16, rate_hz: int = 4096, **changes: Any) -> StrainBlock:
    samples = np.random.default_rng(1).normal(size=hops * rate_hz // 16) * 1e-21
    made = StrainBlock("H1", "H1:GDS-CALIB_STRAIN", GPS_NS, rate_hz, samples, np.full(hops, 15, np.uint32))
    return replace(made, **changes)


ENCODERS: dict[str, Callable[[StrainBlock], bytes]] = {
    "avro": encode_strain,
    "gwf": encode_gwf,
    "arrow": lambda one: encode_arrow([one]),
}


def codec(name: Any, **settings: Any) -> StrainCodec:
    return strain_codec(StrainSettings(codec=name, **settings))


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(("hops", "rate_hz"), [(1, 4096), (4, 16384), (64, 4096)])
def test_every_codec_gives_back_the_block(name: str, hops: int, rate_hz: int) -> None:
    sent = block(hops, rate_hz)
    (got,) = codec(name).decode(ENCODERS[name](sent), detector="H1")
    assert np.array_equal(got.samples, sent.samples)
    assert got.dq_mask.tolist() == sent.dq_mask.tolist()
    assert (got.detector, got.channel, got.gps_ns, got.sample_rate_hz) == ("H1", sent.channel, GPS_NS, rate_hz)


@pytest.mark.parametrize("name", ENCODERS)
def test_strain_of_another_detector_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="L1"):
        codec(name).decode(ENCODERS[name](block()), detector="L1")


@pytest.mark.parametrize(
    ("sent", "asked", "remedy"),
    [("gwf", "avro", "strain.codec to 'gwf'"), ("arrow", "avro", "strain.codec to 'arrow'"), ("avro", "gwf", "IGWD")],
)
def test_wrong_codec_is_recognised(sent: str, asked: str, remedy: str) -> None:
    with pytest.raises(CodecError, match=remedy):
        codec(asked).decode(ENCODERS[sent](block()), detector="H1")


def test_schema_registry_frame_that_was_not_asked_for_says_what_to_set() -> None:
    framed = b"\0\0\0\0\x07" + encode_strain(block())[10:]
    with pytest.raises(CodecError, match=r"set kafka\.schema_registry_url"):
        codec("avro").decode(framed, detector="H1")


def test_another_schema_and_an_unknown_version_are_refused_by_name() -> None:
    with pytest.raises(SchemaError, match=r"schema heartbeat 1\.0: expected strain"):
        decode_strain(encode_heartbeat(Heartbeat("d", 1, "running", ())))
    with pytest.raises(SchemaError, match=r"fingerprint 0102030405060708: expected strain \(1\.0\)"):
        decode_strain(b"\xc3\x01" + bytes(range(1, 9)) + b"rest")


def test_bytes_after_the_record_are_refused() -> None:
    with pytest.raises(CodecError, match="3 bytes follow a record"):
        decode_strain(encode_strain(block()) + b"abc")


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"gps_ns": GPS_NS + 1}, "off the grid"),
    ({"gps_ns": -HOP_NS}, "off the grid"),
    ({"sample_rate_hz": 4100}, "sample rate of 4100 Hz"),
    ({"sample_rate_hz": 131072}, "sample rate of 131072 Hz"),
    ({"sample_rate_hz": 0}, "sample rate of 0 Hz"),
    ({"samples": np.zeros(4095)}, "4095 samples, not a multiple of 256"),
    ({"samples": np.zeros(0), "dq_mask": np.zeros(0, np.uint32)}, "holds 0 hops"),
    ({"samples": np.zeros(65 * 256), "dq_mask": np.zeros(65, np.uint32)}, "holds 65 hops"),
    ({"dq_mask": np.zeros(15, np.uint32)}, "15 data-quality words for 16 hops"),
    ({"detector": "Hanford"}, "detector 'Hanford'"),
    ({"detector": "h1"}, "detector 'h1'"),
    ({"detector": "X" * 4000}, r"detector 'X{29}\.\.\.'"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[m for _, m in BROKEN])
def test_block_that_breaks_a_rule_is_refused_on_both_sides(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        encode_strain(block(**change))
    with pytest.raises(SchemaError, match=message):
        decode_strain(unchecked(block(), change))


def unchecked(good: StrainBlock, change: dict[str, Any]) -> bytes:
    """Encode as a careless producer would, without looking."""
    arrays = {name: value.tobytes() if isinstance(value, np.ndarray) else value for name, value in change.items()}
    out = BytesIO()
    out.write(b"\xc3\x01" + schemas.fingerprint_of("strain"))
    schemaless_writer(out, schemas.load("strain"), strain_to_record(good) | arrays)
    return out.getvalue()


@pytest.mark.parametrize(("field", "raw"), [("samples", b"\0" * 9), ("dq_mask", b"\0" * 5)])
def test_half_a_number_is_refused(field: str, raw: bytes) -> None:
    with pytest.raises(CodecError, match=f"{field} ha(s|ve) {len(raw)} bytes"):
        decode_strain(unchecked(block(), {field: raw}))


@pytest.mark.parametrize("dtype", [np.int16, np.float16, np.complex128])
def test_samples_of_another_type_are_refused(dtype: Any) -> None:
    with pytest.raises(SchemaError, match="convert them to float32 or float64"):
        encode_strain(block(samples=np.zeros(4096, dtype)))


def test_nan_and_infinity_pass_for_the_aligner_to_judge() -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 0.0] * 1024)
    assert np.array_equal(decode_strain(encode_strain(block(samples=samples))).samples, samples, equal_nan=True)


def test_big_endian_arrays_are_sent_little_endian() -> None:
    sent = block()
    swapped = replace(sent, samples=sent.samples.astype(">f8"), dq_mask=sent.dq_mask.astype(">u4"))
    assert encode_strain(swapped) == encode_strain(sent)


def test_witness_table_of_the_wrong_size_is_refused() -> None:
    group = WitnessGroup(16, ("a", "b"), np.zeros((1, 1), np.float32))
    with pytest.raises(SchemaError, match=r"\(1, 1\) table at 16 Hz: send \(2, 1\)"):
        encode_witness(WitnessBlock("H1", GPS_NS, HOP_NS, (group,)))
    good = encode_witness(
        WitnessBlock("H1", GPS_NS, HOP_NS, (WitnessGroup(16, ("a", "b"), np.zeros((2, 1), np.float32)),))
    )
    with pytest.raises(CodecError, match="witness"):
        decode_witness(good[:-12])


def test_archive_frame_is_cut_into_blocks_of_four_seconds(data_dir: Path) -> None:
    payload = (data_dir / "strain" / "GW200311_115853" / "V-V1_GWOSC_4KHZ_R1-1267963136-32.gwf").read_bytes()
    got = codec("gwf").decode(payload, detector="V1")
    assert [b.duration_ns for b in got] == [4 * NS_PER_S] * 8
    assert [b.gps_ns for b in got[1:]] == [b.end_ns for b in got[:-1]]


def test_configured_channels_are_read_and_missing_ones_named() -> None:
    settings = {"channels": {"H1": "H1:OTHER"}}
    for name in ("gwf", "arrow"):
        sent = ENCODERS[name](block(channel="H1:OTHER"))
        (got,) = codec(name, **settings).decode(sent, detector="H1")
        assert got.channel == "H1:OTHER"
        with pytest.raises(CodecError, match="STRAIN"):
            codec(name).decode(sent, detector="H1")
        with pytest.raises(CodecError, match=r"no (channel|column) H1:OTHER"):
            codec(name, **settings).decode(ENCODERS[name](block()), detector="H1")


@pytest.mark.parametrize("rate_hz", [16, 64])
def test_gwf_state_vector_becomes_quality_words(tmp_path: Path, rate_hz: int) -> None:
    """A state channel that is no DQMASK is read as bit 0: strain good, bit 1: observing, in all of a hop's words."""
    states = np.repeat(np.array([3, 1, 2, 0] * 4, np.uint32), rate_hz // 16)
    path = tmp_path / "H-H1_TEST-1126259462-1.gwf"
    frame = TimeSeriesDict()
    for name, data, rate in (("H1:GDS-CALIB_STRAIN", block().samples, 4096), ("H1:STATE", states, rate_hz)):
        frame[name] = TimeSeries(data, t0=1126259462, sample_rate=rate, name=name, channel=name)
    frame.write(path, format="gwf")
    (got,) = decode_gwf(path.read_bytes(), detector="H1", channels=GwfChannels(state="H1:STATE"))
    assert got.dq_mask.tolist() == [127, 1, 0, 0] * 4
    assert np.array_equal(got.samples, block().samples)


def test_altered_frame_with_a_forged_checksum_is_still_refused() -> None:
    frame = bytearray(encode_gwf(block()))
    frame[len(frame) // 2] ^= 1
    frame[-4:] = posix_cksum(bytes(frame[:-4])).to_bytes(4, "little")
    with pytest.raises(CodecError, match="get it again"):
        decode_gwf(bytes(frame), detector="H1")


def test_frames_in_one_file_are_joined_and_a_gap_between_them_is_refused() -> None:
    """Several frames follow each other in a file; LAL's own writer makes it."""
    for second, works in ((1, True), (2, False)):
        with tempfile.NamedTemporaryFile(suffix=".gwf") as file:
            out = lalframe.FrameUFrFileOpen(file.name, "w")
            for start in (0, second):
                epoch = lal.LIGOTimeGPS(1126259462 + start)
                series = lal.CreateREAL8TimeSeries("H1:X-STRAIN", epoch, 0.0, 1 / 256, lal.StrainUnit, 256)
                series.data.data = np.full(256, float(start))
                frame = lalframe.FrameNew(epoch, 1.0, "Test", 0, start, 0)
                lalframe.FrameAddREAL8TimeSeriesProcData(frame, series)
                lalframe.FrameUFrameHWrite(out, frame)
            del out
            payload = Path(file.name).read_bytes()
        if works:
            (got,) = decode_gwf(payload, detector="H1")
            assert got.samples.tolist() == [0.0] * 256 + [1.0] * 256
        else:
            with pytest.raises(CodecError, match="not contiguous at GPS 1126259463"):
                decode_gwf(payload, detector="H1")


def test_posix_checksum_is_that_of_the_cksum_command() -> None:
    """Values of `printf hello | cksum` and `printf '' | cksum`."""
    assert (posix_cksum(b"hello"), posix_cksum(b"")) == (3287646509, 4294967295)


def test_arrow_nulls_are_gaps() -> None:
    """Null samples become NaN, a null word says nothing good, a null row is no block at all."""
    strain = pa.array([[0.5, None] * 128, None], pa.list_(pa.float32()))
    words = pa.array([[None], [15]], pa.list_(pa.uint32()))
    got = codec("arrow").decode(arrow_stream(strain, words), detector="H1")
    assert len(got) == 1
    assert got[0].samples.dtype == np.float32
    assert np.array_equal(got[0].samples, np.array([0.5, np.nan] * 128, np.float32), equal_nan=True)
    assert got[0].dq_mask.tolist() == [0]


def test_arrow_column_without_a_rate_is_taken_at_the_cadence_of_arrakis() -> None:
    sixteenth = pa.array([[0.0] * 1024], pa.list_(pa.float64()))
    assert codec("arrow").decode(arrow_stream(sixteenth, None, rate=None), detector="H1")[0].sample_rate_hz == 16384


@pytest.mark.parametrize(
    ("rate", "length"), [(b"4096", 255), (b"4096.5", 256), (b"x", 256), (b"1/0", 256), (b"-16", 256)]
)
def test_arrow_column_of_an_impossible_rate_is_refused(rate: bytes, length: int) -> None:
    with pytest.raises(DataError, match=r"H1:GDS-CALIB_STRAIN|Arrow"):
        codec("arrow").decode(arrow_stream(pa.array([[0.0] * length]), None, rate=rate), detector="H1")


@pytest.mark.parametrize("column", [pa.array([1.0]), pa.array(["text"]), pa.array([["a"] * 256])])
def test_arrow_column_of_another_type_is_refused(column: Any) -> None:
    with pytest.raises(DataError):
        codec("arrow").decode(arrow_stream(column, None), detector="H1")


def arrow_stream(strain: Any, words: Any, rate: bytes | None = b"4096") -> bytes:
    """Write columns as Arrakis does, row after row a sixteenth of a second."""
    metadata = {b"rate": rate} if rate is not None else None
    fields = [
        pa.field("time", pa.int64(), nullable=False),
        pa.field("H1:GDS-CALIB_STRAIN", strain.type, metadata=metadata),
    ]
    columns = [pa.array([GPS_NS + row * HOP_NS for row in range(len(strain))], pa.int64()), strain]
    if words is not None:
        fields.append(pa.field("H1:X-DQMASK", words.type, metadata={b"rate": b"16"}))
        columns.append(words)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema(fields)) as writer:
        writer.write_batch(pa.record_batch(columns, schema=pa.schema(fields)))
    raw: bytes = sink.getvalue().to_pybytes()
    return raw


def test_words_of_any_rate_become_one_per_hop() -> None:
    one_hz = np.array([1, 3], np.uint32)
    slower, faster = words_per_hop(one_hz, Fraction(1), 32), words_per_hop(np.array([7, 5], np.uint32), Fraction(32), 1)
    assert slower is not None
    assert faster is not None
    assert (slower.tolist(), faster.tolist()) == ([1] * 16 + [3] * 16, [5])
    assert words_per_hop(one_hz, Fraction(1), 33) is None
    assert words_per_hop(one_hz, Fraction(3), 2) is None


def test_state_vector_must_be_good_before_it_counts_as_observing() -> None:
    assert quality_of_state(np.array([0, 1, 2, 3, 255], np.uint32)).tolist() == [0, 1, 0, 127, 127]


def test_a_channel_name_as_long_as_a_block_is_refused() -> None:
    """Names are kept with their data: their length has a bound too."""
    with pytest.raises(SchemaError, match="channel name of 5000 letters"):
        encode_strain(block(channel="H1:" + "X" * 4997))


@pytest.mark.parametrize(("groups", "channels"), [(65, 0), (2, 4097)])
def test_more_witnesses_than_anyone_sends_are_refused(groups: int, channels: int) -> None:
    """Groups without channels weigh nothing: their number is bounded by itself."""
    group = WitnessGroup(16, ("H1:PEM-X",) * channels, np.zeros((channels, 1), np.float32))
    with pytest.raises(SchemaError, match=f"{groups * channels} channels in {groups} groups"):
        encode_witness(WitnessBlock("H1", GPS_NS, HOP_NS, (group,) * groups))
