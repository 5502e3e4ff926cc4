"""Schemas keep their promises: immutable, documented, and every version readable for ever."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from typing import Any

import make_schema_examples as made
import numpy as np
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError

import schemas
from stream.codec.alert import decode_alert
from stream.codec.avro import decode_decision, decode_external, decode_heartbeat, decode_strain, decode_witness
from stream.errors import SchemaError

EVERY_VERSION = [(name, version) for name in schemas.names() for version in schemas.versions(name)]
DECODERS = {
    "alert": decode_alert,
    "decision": decode_decision,
    "external": decode_external,
    "heartbeat": decode_heartbeat,
    "strain": decode_strain,
    "witness": decode_witness,
}


def test_every_schema_of_the_design_is_there() -> None:
    assert schemas.names() == ("alert", "decision", "external", "heartbeat", "strain", "witness")


def test_released_files_never_change() -> None:
    assert made.SUMS.read_text().splitlines() == list(made.sums())


@pytest.mark.parametrize(("name", "version"), EVERY_VERSION)
def test_example_of_every_version_decodes_through_the_newest_reader(name: str, version: str) -> None:
    DECODERS[name](schemas.example(name, version))


@pytest.mark.parametrize("name", schemas.names())
def test_newest_example_is_what_the_encoder_makes_today(name: str) -> None:
    assert schemas.example(name, schemas.versions(name)[-1]) == made.messages()[name]


def test_strain_example_holds_its_record_bit_for_bit() -> None:
    block = decode_strain(schemas.example("strain", "1.0"))
    assert np.array_equal(block.samples, made.STRAIN.samples, equal_nan=True)
    assert np.array_equal(block.dq_mask, made.STRAIN.dq_mask)
    assert (block.detector, block.channel, block.gps_ns, block.sample_rate_hz, block.sequence, block.sent_ns) == (
        "H1", "H1:GDS-CALIB_STRAIN", made.GPS_NS, 4096, 42, made.STRAIN.sent_ns,
    )  # fmt: skip


def test_records_without_arrays_come_back_equal() -> None:
    assert decode_decision(schemas.example("decision", "1.0")) == made.DECISION
    assert decode_external(schemas.example("external", "1.1")) == made.EXTERNAL
    assert decode_heartbeat(schemas.example("heartbeat", "1.0")) == made.HEARTBEAT
    assert decode_alert(schemas.example("alert", "1.3")) == made.ALERT


def fields_of(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of a schema, nested ones too, with its path."""
    if isinstance(schema, list):
        for branch in schema:
            yield from fields_of(branch, path)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            yield f"{path}.{field['name']}", field
            yield from fields_of(field["type"], f"{path}.{field['name']}")
        for inner in ("items", "values", "type"):
            yield from fields_of(schema.get(inner), path)


@pytest.mark.parametrize(("name", "version"), EVERY_VERSION)
def test_every_field_is_documented_and_states_its_unit(name: str, version: str) -> None:
    fields = dict(fields_of(json.loads(schemas.source(name, version))))
    assert len(fields) > 5
    assert [path for path, field in fields.items() if not re.search(r"\w.*\[\S+\]$", field.get("doc", ""))] == []


@pytest.mark.parametrize("name", ["strain", "witness"])
def test_samples_are_bytes_and_never_arrays_of_numbers(name: str) -> None:
    numbers = {"float", "double", "int", "long"}
    arrays = [
        path
        for path, field in fields_of(json.loads(schemas.source(name)))
        if isinstance(field["type"], dict) and str(field["type"].get("items")) in numbers
    ]
    assert arrays == []


def assert_neighbours_talk(old: dict[str, Any], new: dict[str, Any], record: dict[str, Any]) -> None:
    """Fail unless each of two versions reads what the other writes."""
    for writer, reader in ((old, new), (new, old)):
        out = BytesIO()
        schemaless_writer(out, parse_schema(copy.deepcopy(writer)), record)
        schemaless_reader(
            BytesIO(out.getvalue()), parse_schema(copy.deepcopy(writer)), parse_schema(copy.deepcopy(reader))
        )


@pytest.mark.parametrize("name", schemas.names())
def test_neighbouring_versions_of_one_major_talk_both_ways(name: str) -> None:
    known = schemas.versions(name)
    pairs = [(a, b) for a, b in pairwise(known) if a.split(".")[0] == b.split(".")[0]]
    for older, newer in [*pairs, (known[-1], known[-1])]:
        record = example_record(name, older)
        assert_neighbours_talk(json.loads(schemas.source(name, older)), json.loads(schemas.source(name, newer)), record)


def example_record(name: str, version: str) -> dict[str, Any]:
    if name == "alert":
        return decode_alert(schemas.example(name, version))
    body = BytesIO(schemas.example(name, version)[10:])
    record = schemaless_reader(body, schemas.load(name, version), None)
    assert isinstance(record, dict)
    return record


def test_rule_on_neighbours_allows_a_new_field_with_a_default() -> None:
    old = json.loads(schemas.source("heartbeat"))
    new = copy.deepcopy(old)
    new["fields"].append({"name": "gpu", "type": "string", "default": "", "doc": "GPU. [text]"})
    assert_neighbours_talk(old, new, example_record("heartbeat", "1.0"))


@pytest.mark.parametrize("change", ["no default", "renamed", "retyped"])
def test_rule_on_neighbours_can_fail(change: str) -> None:
    old = json.loads(schemas.source("heartbeat"))
    new = copy.deepcopy(old)
    if change == "no default":
        new["fields"].append({"name": "gpu", "type": "string", "doc": "GPU. [text]"})
    elif change == "renamed":
        new["fields"][1]["name"] = "time_ns"
    else:
        new["fields"][1]["type"] = "string"
    with pytest.raises((SchemaResolutionError, ValueError, TypeError, AttributeError)):
        assert_neighbours_talk(old, new, {**example_record("heartbeat", "1.0"), "gpu": "H100", "time_ns": 1})


def test_unknown_names_and_versions_are_refused_by_name() -> None:
    with pytest.raises(SchemaError, match=r"no schema named 'strane'.*strain"):
        schemas.load("strane")
    with pytest.raises(SchemaError, match=r"no version '9.9' of schema 'strain'.*1\.0"):
        schemas.load("strain", "9.9")


def test_two_schemas_never_share_a_fingerprint() -> None:
    assert len({schemas.fingerprint_of(*pair) for pair in EVERY_VERSION}) == len(EVERY_VERSION)
