"""Avro messages of this project: strain, witnesses, external events, heartbeats and decisions, each a single object.

Samples travel as Avro ``bytes``, little-endian, so that a block is one copy and not a call per sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from stream.blocks import check_rate, check_strain_block, check_witness_block, witness_shape
from stream.codec import single_object
from stream.codec.decision import check_decision
from stream.codec.external import check_external, external_from_record
from stream.errors import CodecError, SchemaError
from stream.records import Decision, DetectorStatus, ExternalEvent, Heartbeat, StrainBlock, WitnessBlock, WitnessGroup
from stream.types import AnyFloatArray

_DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float64": np.dtype("<f8")}


def encode_strain(block: StrainBlock) -> bytes:
    """Return a strain block as one Avro single object.

    Raises
    ------
    SchemaError
        If the block is off the grid, of a rate that is not read, or inconsistent.
    """
    return single_object.encode("strain", strain_to_record(block))


def decode_strain(payload: bytes) -> StrainBlock:
    """Return the strain block of a message; its arrays are read-only views of the payload.

    Raises
    ------
    CodecError, SchemaError
        If the bytes are malformed, of another schema, or break the rules of blocks.
    """
    return strain_from_record(single_object.decode("strain", payload))


def encode_witness(block: WitnessBlock) -> bytes:
    """Return a witness block as one Avro single object; raises SchemaError as :func:`encode_strain`."""
    return single_object.encode("witness", witness_to_record(block))


def decode_witness(payload: bytes) -> WitnessBlock:
    """Return the witness block of a message; raises as :func:`decode_strain`."""
    return witness_from_record(single_object.decode("witness", payload))


def encode_external(event: ExternalEvent) -> bytes:
    """Return an external event as one Avro single object; raises SchemaError as :func:`decode_external`."""
    check_external(event)
    return single_object.encode("external", asdict(event))


def decode_external(payload: bytes) -> ExternalEvent:
    """Return the external event of a message.

    Raises
    ------
    CodecError, SchemaError
        If the bytes are malformed, of another schema, or a value is not what it must be.
    """
    event = external_from_record(single_object.decode("external", payload))
    check_external(event)
    return event


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Return a heartbeat as one Avro single object."""
    return single_object.encode("heartbeat", asdict(heartbeat))


def decode_heartbeat(payload: bytes) -> Heartbeat:
    """Return the heartbeat of a message; raises as :func:`decode_strain`."""
    record = single_object.decode("heartbeat", payload)
    return Heartbeat(**(record | {"detectors": tuple(DetectorStatus(**status) for status in record["detectors"])}))


def encode_decision(decision: Decision) -> bytes:
    """Return a person's decision as one Avro single object; raises SchemaError as :func:`decode_decision`."""
    check_decision(decision)
    return single_object.encode("decision", asdict(decision))


def decode_decision(payload: bytes) -> Decision:
    """Return the decision of a message.

    Raises
    ------
    CodecError, SchemaError
        If the bytes are malformed, or an id, the kind or a length is not what it must be.
    """
    decision = Decision(**single_object.decode("decision", payload))
    check_decision(decision)
    return decision


def strain_to_record(block: StrainBlock) -> dict[str, Any]:
    """Return the fields of schema ``strain``, checked."""
    check_strain_block(block)
    name = block.samples.dtype.name
    if name not in _DTYPES:
        raise SchemaError(f"samples of {block.detector} are {name}: convert them to float32 or float64")
    return {
        "detector": block.detector,
        "channel": block.channel,
        "gps_ns": block.gps_ns,
        "sample_rate_hz": block.sample_rate_hz,
        "dtype": name,
        "samples": np.ascontiguousarray(block.samples, dtype=_DTYPES[name]).tobytes(),
        "dq_mask": np.ascontiguousarray(block.dq_mask, dtype="<u4").tobytes(),
        "sequence": block.sequence,
        "sent_ns": block.sent_ns,
    }


def strain_from_record(record: Mapping[str, Any]) -> StrainBlock:
    """Return the block of a decoded record of schema ``strain``, checked."""
    dq_bytes: bytes = record["dq_mask"]
    if len(dq_bytes) % 4:
        raise CodecError(f"dq_mask has {len(dq_bytes)} bytes, not a multiple of 4: send one uint32 per 1/16 s")
    block = StrainBlock(
        detector=record["detector"],
        channel=record["channel"],
        gps_ns=record["gps_ns"],
        sample_rate_hz=record["sample_rate_hz"],
        samples=_numbers(record["samples"], _DTYPES[record["dtype"]]),
        dq_mask=np.frombuffer(dq_bytes, "<u4"),
        sequence=record["sequence"],
        sent_ns=record["sent_ns"],
    )
    check_strain_block(block)
    return block


def witness_to_record(block: WitnessBlock) -> dict[str, Any]:
    """Return the fields of schema ``witness``, checked."""
    check_witness_block(block)
    groups = [
        {
            "sample_rate_hz": group.sample_rate_hz,
            "channels": list(group.channels),
            "samples": np.ascontiguousarray(group.samples, dtype="<f4").tobytes(),
        }
        for group in block.groups
    ]
    return {
        "detector": block.detector,
        "gps_ns": block.gps_ns,
        "duration_ns": block.duration_ns,
        "groups": groups,
        "sequence": block.sequence,
        "sent_ns": block.sent_ns,
    }


def witness_from_record(record: Mapping[str, Any]) -> WitnessBlock:
    """Return the block of a decoded record of schema ``witness``, checked."""
    duration_ns: int = record["duration_ns"]
    block = WitnessBlock(
        detector=record["detector"],
        gps_ns=record["gps_ns"],
        duration_ns=duration_ns,
        groups=tuple(_witness_group(group, duration_ns) for group in record["groups"]),
        sequence=record["sequence"],
        sent_ns=record["sent_ns"],
    )
    check_witness_block(block)
    return block


def _witness_group(record: Mapping[str, Any], duration_ns: int) -> WitnessGroup:
    rate_hz: int = record["sample_rate_hz"]
    check_rate(rate_hz, "witness group")
    channels = tuple(record["channels"])
    samples = _numbers(record["samples"], _DTYPES["float32"])
    shape = witness_shape(rate_hz, len(channels), duration_ns)
    if samples.size != shape[0] * shape[1]:
        raise CodecError(
            f"witness group at {rate_hz} Hz has {samples.size} samples for {len(channels)} channels over "
            f"{duration_ns} ns: send {shape[0] * shape[1]}, row after row"
        )
    return WitnessGroup(rate_hz, channels, samples.reshape(shape).astype(np.float32, copy=False))


def _numbers(raw: bytes, dtype: np.dtype[Any]) -> AnyFloatArray:
    if len(raw) % dtype.itemsize:
        raise CodecError(f"samples have {len(raw)} bytes, not a multiple of {dtype.itemsize}: send whole {dtype.name}")
    return np.frombuffer(raw, dtype)
