"""Arrow streams made to harm: what its format allows beyond lists of numbers is refused before it grows."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import make_schema_examples as made
import numpy as np
import pyarrow as pa
import pytest
from confined import troubles

from stream.codec.arrow import decode_arrow, encode_arrow
from stream.codec.limits import MAX_BLOCKS, MAX_BYTES
from stream.errors import DataError
from stream.timebase import HOP_NS

GPS_NS = made.STRAIN.gps_ns
NAME = "H1:GDS-CALIB_STRAIN"
HUGE = 2**31 - 1


def stream(strain: Any, times: Any = None, rate: bytes | None = None, **options: Any) -> bytes:
    times = pa.array([GPS_NS], pa.int64()) if times is None else times
    metadata = None if rate is None else {"rate": rate}
    shape = pa.schema([pa.field("time", times.type), pa.field(NAME, strain.type, metadata=metadata)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, shape, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(pa.record_batch([times, strain], schema=shape))
    raw: bytes = sink.getvalue().to_pybytes()
    return raw


def one(values: Any) -> Any:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def zeros() -> Any:
    return one(pa.array(np.zeros(1 << 24, np.float32)))


def claiming(size: int) -> bytes:
    """A compressed buffer whose stated size is another."""
    raw = bytearray(stream(one(pa.array(np.zeros(4096, np.float32))), compression="zstd"))
    at = raw.find(struct.pack("<q", 4096 * 4), raw.find(b"\x28\xb5\x2f\xfd") - 8)
    raw[at : at + 8] = struct.pack("<q", size)
    return bytes(raw)


def run_ends() -> Any:
    return pa.RunEndEncodedArray.from_arrays(pa.array([HUGE], pa.int32()), pa.array([0.0], pa.float32()))


def dictionary() -> Any:
    return one(pa.DictionaryArray.from_arrays(pa.array([0] * 256, pa.int8()), pa.array([0.0])))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "compressed zeros": lambda: stream(zeros(), compression="zstd"),
    "compressed zeros, LZ4": lambda: stream(zeros(), compression="lz4"),
    "a compressed buffer that claims 2^40 bytes": lambda: claiming(2**40),
    "a list of 2^31 nulls": lambda: stream(one(pa.nulls(HUGE))),
    "a list of 2^31 in one run": lambda: stream(one(run_ends())),
    "a list of entries of a dictionary": lambda: stream(dictionary()),
    "a list of texts": lambda: stream(one(pa.array(["x"] * 256))),
    "a list of booleans": lambda: stream(one(pa.array([True] * 256))),
    "a column of nulls": lambda: stream(pa.nulls(1)),
    "a time that is none": lambda: stream(one(pa.array([0.0] * 256)), pa.array(["now"])),
    "a time that is null": lambda: stream(one(pa.array([0.0] * 256)), pa.array([None], pa.int64())),
    "a time off the grid": lambda: stream(one(pa.array([0.0] * 256)), pa.array([GPS_NS + 1], pa.int64())),
    "a time before all": lambda: stream(one(pa.array([0.0] * 256)), pa.array([-(2**63)], pa.int64())),
    "a time at the end of all": lambda: stream(one(pa.array([0.0] * 256)), pa.array([2**63 - 1], pa.int64())),
    "a rate of a million digits": lambda: stream(one(pa.array([0.0] * 256)), rate=b"1e9999999"),
    "a rate that divides by nothing": lambda: stream(one(pa.array([0.0] * 256)), rate=b"16/0"),
    "a rate of nothing": lambda: stream(one(pa.array([0.0] * 256)), rate=b"0"),
    "a rate that is no number": lambda: stream(one(pa.array([0.0] * 256)), rate=b"\x1b[2J"),
    "no samples": lambda: stream(one(pa.array([], pa.float32())), rate=b"4096"),
    "too long": lambda: bytes(MAX_BYTES["strain"] + 1),
}


def test_an_arrow_stream_made_to_harm_is_refused_at_once() -> None:
    """Neither crash nor hang nor a gigabyte: a data error, whatever the stream claims."""
    assert troubles({what: ("arrow", make()) for what, make in HOSTILE.items()}, grown_mb=60) == {}


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("compressed zeros", "compressed buffers"),
        ("a compressed buffer that claims 2^40 bytes", "compressed buffers"),
        ("a list of entries of a dictionary", "dictionary"),
        ("a list of 2^31 nulls", "lists of numbers"),
        ("a time off the grid", "off the grid"),
        ("a rate of a million digits", "a number of Hz"),
        ("no samples", "0 hops"),
    ],
)
def test_the_refusal_says_why(what: str, why: str) -> None:
    """The sender can put it right."""
    with pytest.raises(DataError, match=why):
        decode_arrow(HOSTILE[what](), detector="H1")


def test_more_blocks_than_a_message_may_hold_are_refused() -> None:
    """A few bytes a block: their number is bounded, not only their size."""
    count = MAX_BLOCKS + 1
    times = pa.array(GPS_NS + np.arange(count) * HOP_NS, pa.int64())
    cells = pa.ListArray.from_arrays(pa.array(np.arange(count + 1), pa.int32()), pa.array(np.zeros(count, np.float32)))
    with pytest.raises(DataError, match=f"at most {MAX_BLOCKS}"):
        decode_arrow(stream(cells, times, b"16"), detector="H1")


def test_plain_lists_of_integers_are_read() -> None:
    """As before: numbers of any type, a rate with or without a fraction, large and fixed lists."""
    values = pa.array(np.arange(256, dtype=np.int32))
    fixed = pa.FixedSizeListArray.from_arrays(values, 256)
    for strain, rate in ((one(values), b"4096"), (one(values), b"4096.0"), (fixed, b"4096/1"), (one(values), None)):
        (block,) = decode_arrow(stream(strain, rate=rate), detector="H1")
        assert (block.sample_rate_hz, block.samples.tolist()) == (4096, list(range(256)))
    assert len(decode_arrow(encode_arrow([made.STRAIN] * 3), detector="H1")) == 3
