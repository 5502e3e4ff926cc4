"""The walk agrees with the library: it passes what was written by any schema, to the byte, and nothing shorter."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from stream.codec.alert import decode_alert_json
from stream.codec.json_text import bounded_json
from stream.codec.walk import walk
from stream.codec.writer_schema import form_of, writer_schema
from stream.errors import CodecError, DataError, SchemaError

PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=40),
    "string": st.text(max_size=20),
}
Pair = tuple[Any, st.SearchStrategy[Any]]


@st.composite
def kinds(draw: st.DrawFn, depth: int = 3, nullable: bool = True) -> Pair:  # noqa: PLR0911 - one kind each
    """Return a schema, and a strategy of what it may hold."""
    names = [name for name in PRIMITIVES if nullable or name != "null"]
    choice = draw(st.sampled_from(names + (["array", "map", "union", "record", "enum", "fixed"] if depth else [])))
    if choice in PRIMITIVES:
        return choice, PRIMITIVES[choice]
    if choice == "enum":
        return {"type": "enum", "name": "unnumbered", "symbols": ["A", "B"]}, st.sampled_from(["A", "B"])
    if choice == "fixed":
        return {"type": "fixed", "name": "unnumbered", "size": 5}, st.binary(min_size=5, max_size=5)
    if choice == "record":
        fields = [draw(kinds(depth=depth - 1, nullable=nullable or k > 0)) for k in range(draw(st.integers(1, 4)))]
        listed = [{"name": f"f{k}", "type": kind} for k, (kind, _) in enumerate(fields)]
        held = st.fixed_dictionaries({f"f{k}": values for k, (_, values) in enumerate(fields)})
        return {"type": "record", "name": "unnumbered", "fields": listed}, held
    if choice == "union":
        kind, values = draw(kinds(depth=0, nullable=False))
        return ["null", kind], st.none() | values
    kind, values = draw(kinds(depth=depth - 1, nullable=False))
    if choice == "array":
        return {"type": "array", "items": kind}, st.lists(values, max_size=5)
    return {"type": "map", "values": kind}, st.dictionaries(st.text(max_size=5), values, max_size=4)


def numbered(kind: Any, number: Iterator[int]) -> Any:
    """Return a schema with a name of its own for each named type: two of one name are no schema."""
    if isinstance(kind, list):
        return [numbered(one, number) for one in kind]
    if not isinstance(kind, dict):
        return kind
    own = {"name": f"N{next(number)}"} if "name" in kind else {}
    inner = {key: numbered(kind[key], number) for key in ("items", "values") if key in kind}
    fields = [field | {"type": numbered(field["type"], number)} for field in kind.get("fields", ())]
    return kind | own | inner | ({"fields": fields} if "fields" in kind else {})


@given(st.data())
def test_what_a_schema_wrote_is_walked_to_its_end(data: st.DataObject) -> None:
    """Whole: passed, and read back the same with the cleaned schema. Cut or lengthened by any bytes: refused."""
    number = itertools.count()
    drawn = [data.draw(kinds()) for _ in range(data.draw(st.integers(1, 4)))]
    fields = [(numbered(kind, number), values) for kind, values in drawn]
    schema = {
        "type": "record", "name": "tocsin.Whole", "doc": "left out",
        "fields": [{"name": f"f{k}", "type": kind, "doc": "left out"} for k, (kind, _) in enumerate(fields)],
    }  # fmt: skip
    record = {f"f{k}": data.draw(values) for k, (_, values) in enumerate(fields)}
    out = BytesIO()
    schemaless_writer(out, schema, record)
    written, body = writer_schema(json.dumps(schema).encode()), out.getvalue()
    walk(written.form, body)
    assert schemaless_reader(BytesIO(body), written.parsed, None) == record
    with pytest.raises(CodecError):
        walk(written.form, body + b"\0")
    if body:
        with pytest.raises(CodecError):
            walk(written.form, body[: data.draw(st.integers(0, len(body) - 1))])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["record", "array", "map", "enum", "fixed", "int", "null", "R"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["type", "name", "namespace", "fields", "items", "values", "symbols", "size"]),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_any_json_is_a_schema_or_a_schema_error(value: object) -> None:
    """No shape of JSON escapes the reading of schemas."""
    try:
        form_of(value)
        writer_schema(json.dumps(value).encode())
    except SchemaError as error:
        assert str(error).isprintable()


@given(JSON | st.dictionaries(st.sampled_from(["superevent_id", "alert_type", "event", "tocsin", "urls"]), JSON))
def test_any_json_is_an_alert_or_a_data_error(value: object) -> None:
    """No shape of JSON escapes the reading of alerts."""
    with pytest.raises(DataError) as caught:
        decode_alert_json(json.dumps(value).encode())
    assert str(caught.value).isprintable()


@given(JSON)
def test_json_within_bounds_is_read_as_it_is(value: object) -> None:
    """The bounds change nothing of what lies within them."""
    assert bounded_json(json.dumps(value).encode(), 1 << 20) == value
