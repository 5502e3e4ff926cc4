"""Arrow IPC streams as Arrakis sends them: 1/16 s a record batch, a ``time`` column and one list column per channel.

``time`` is int64, GPS nanoseconds; each cell of a channel's column is the list of its samples from that time on, null
samples are gaps; a column's metadata states its ``rate`` in Hz.
Source: arrakis-python 0.5 (``SeriesBlock.to_column_batch``), arrakis-server (``schemas.stream``).

Arrow's format has far more than that: compressed buffers, dictionaries, run-end codes, lists of nothing, each of which
lets a few bytes stand for gigabytes. Plain lists of numbers are read, and what is not that is refused by name.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from stream.blocks import MAX_RATE_HZ, check_rate, check_strain_block, split
from stream.codec.arrow_messages import check_messages
from stream.codec.channels import choose
from stream.codec.limits import MAX_BLOCKS, check_size
from stream.codec.quality import quality_of_state, words_per_hop
from stream.errors import CodecError, SchemaError
from stream.records import DataQuality, StrainBlock
from stream.timebase import HOPS_PER_S, samples_per_hop
from stream.types import AnyFloatArray, UIntArray

# All that pyarrow, and the reading of its columns, raise on bytes that are not as they should be.
_MALFORMED = (
    pa.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, AttributeError,
    struct.error,
)  # fmt: skip
_TIME = "time"
_MASK_SUFFIX = "DQMASK"
# The cadence of Arrakis, assumed for a column that states no rate.
_CADENCE_HZ = HOPS_PER_S
# No exponent: Fraction would write out the million zeros of 1e1000000.
_RATE = re.compile(rb"[0-9]{1,9}(\.[0-9]{1,9}|/[1-9][0-9]{0,8})?")


@dataclass(frozen=True, slots=True)
class ArrowChannels:
    """Which columns to read; None takes the detector's only one that ends in ``STRAIN``, and in ``DQMASK``."""

    strain: str | None = None
    state: str | None = None


def decode_arrow(payload: bytes, *, detector: str, channels: ArrowChannels | None = None) -> list[StrainBlock]:
    """Return the strain of an Arrow IPC stream as blocks of at most 4 s; null samples become NaN.

    Raises
    ------
    CodecError
        If the bytes are no sound Arrow stream, or lack the columns.
    SchemaError
        If a block is off the hop grid, or of a rate that is not read.
    """
    check_size("strain", payload)
    wanted = channels or ArrowChannels()
    found: list[StrainBlock] = []
    try:
        check_messages(payload)
        with pa.ipc.open_stream(payload) as reader:
            _check_columns(reader.schema)
            for batch in reader:
                for block in _blocks_of(batch, detector, wanted):
                    found += _checked(block)
                    if len(found) > MAX_BLOCKS:
                        raise CodecError(f"Arrow stream of more than {MAX_BLOCKS} blocks: send fewer in a message")
        return found
    except _MALFORMED as error:
        raise CodecError(f"{len(payload)} bytes are no sound Arrow stream ({error}): check strain.codec") from error


def encode_arrow(blocks: Sequence[StrainBlock]) -> bytes:
    """Return blocks of one channel, rate and type as an Arrow IPC stream, a batch each, with a ``DQMASK`` column."""
    for block in blocks:
        check_strain_block(block)
    first = blocks[0]
    dtype = pa.from_numpy_dtype(first.samples.dtype)
    arrow_schema = pa.schema(
        [
            pa.field(_TIME, pa.int64(), nullable=False),
            pa.field(first.channel, pa.list_(dtype), metadata={"rate": str(first.sample_rate_hz)}),
            pa.field(
                f"{first.detector}:TOCSIN-{_MASK_SUFFIX}", pa.list_(pa.uint32()), metadata={"rate": str(HOPS_PER_S)}
            ),
        ]
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, arrow_schema) as writer:
        for block in blocks:
            writer.write_batch(
                pa.record_batch(
                    [
                        pa.array([block.gps_ns], pa.int64()),
                        _one_list(block.samples, dtype),
                        _one_list(block.dq_mask, pa.uint32()),
                    ],
                    schema=arrow_schema,
                )
            )
    raw: bytes = sink.getvalue().to_pybytes()
    return raw


def _checked(block: StrainBlock) -> list[StrainBlock]:
    parts = split(block)
    for part in parts:
        check_strain_block(part)
    return parts


def _check_columns(columns: Any) -> None:
    """Refuse columns of which a row may stand for more than it weighs."""
    for field in columns:
        kind = field.type
        if field.name == _TIME and pa.types.is_int64(kind):
            continue
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not listed or not (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)):
            raise SchemaError(
                f"column {field.name} is of type {str(kind)[:64]}: send time as int64, channels as lists of numbers"
            )


def _one_list(values: AnyFloatArray | UIntArray, dtype: Any) -> Any:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), pa.array(values, dtype))


def _blocks_of(batch: Any, detector: str, wanted: ArrowChannels) -> Iterator[StrainBlock]:
    batch.validate(full=True)
    if batch.num_rows > MAX_BLOCKS:
        raise CodecError(f"Arrow batch of {batch.num_rows} rows: at most {MAX_BLOCKS} are read")
    names = [name for name in batch.schema.names if name != _TIME]
    strain = choose(names, wanted.strain, "STRAIN", detector, failure=CodecError)
    if strain is None or batch.schema.get_field_index(_TIME) < 0:
        raise CodecError(f"no column {_TIME} or none for {detector} that ends in STRAIN: there are {names}; name one")
    state = choose(names, wanted.state, _MASK_SUFFIX, detector, failure=CodecError)
    times = batch.column(_TIME).to_pylist()
    for row, gps_ns in enumerate(times):
        cell = batch.column(strain)[row]
        if not isinstance(gps_ns, int):
            raise CodecError(f"row {row} has time {gps_ns!r}: send int64 GPS nanoseconds")
        if not cell.is_valid:
            continue
        samples = _samples(cell.values)
        rate_hz = _rate(batch.schema.field(strain), len(samples))
        hops = len(samples) // samples_per_hop(rate_hz)
        block = StrainBlock(
            detector=detector,
            channel=strain,
            gps_ns=gps_ns,
            sample_rate_hz=rate_hz,
            samples=samples,
            dq_mask=_words(batch, state, row, hops),
        )
        if len(samples) != hops * samples_per_hop(rate_hz):
            raise SchemaError(f"column {strain} has {len(samples)} samples at {rate_hz} Hz: send whole hops of 1/16 s")
        yield block


def _samples(values: Any) -> AnyFloatArray:
    """Return a cell's samples as float32 or float64, nulls as NaN."""
    numbers: AnyFloatArray = values.to_numpy(zero_copy_only=False)
    return numbers if numbers.dtype in (np.float32, np.float64) else numbers.astype(np.float64)


def _rate(field: Any, length: int) -> int:
    stated = _stated_rate(field)
    rate = stated if stated is not None else Fraction(length * _CADENCE_HZ)
    if rate.denominator != 1 or not 0 < rate <= MAX_RATE_HZ:
        raise SchemaError(f"column {field.name} has a rate of {float(rate)} Hz: send 4096 or 16384 Hz")
    check_rate(int(rate), f"column {field.name}")
    return int(rate)


def _stated_rate(field: Any) -> Fraction | None:
    stated = (field.metadata or {}).get(b"rate")
    if stated is None:
        return None
    if not _RATE.fullmatch(stated):
        raise SchemaError(f"column {field.name} states the rate {stated[:32]!r}: send a number of Hz")
    return Fraction(stated.decode())


def _words(batch: Any, state: str | None, row: int, hops: int) -> UIntArray:
    if state is None:
        return np.full(hops, DataQuality.all_good(), dtype=np.uint32)
    cell = batch.column(state)[row]
    if not cell.is_valid:
        return np.zeros(hops, dtype=np.uint32)
    # A null word says nothing good.
    values = cell.values.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64).astype(np.uint32)
    words = values if state.endswith(_MASK_SUFFIX) else quality_of_state(values)
    stated = _stated_rate(batch.schema.field(state))
    rate = stated if stated is not None else Fraction(len(words) * HOPS_PER_S, hops or 1)
    found = words_per_hop(words, rate, hops) if rate > 0 else None
    if found is None:
        raise CodecError(f"column {state} has {len(words)} words at {float(rate)} Hz: they do not cover {hops} hops")
    return found
