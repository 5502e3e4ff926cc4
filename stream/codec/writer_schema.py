"""Schemas that come with a message or from a registry: read node by node, never handed on as they came.

What stays is what Avro needs to read bytes: types, names, fields, symbols, sizes. Texts, defaults, aliases and logical
types go; a schema that contains itself, is too deep or too large, or has arrays whose items take no bytes (so that a
few bytes stand for any number of them), is refused.
Source: Apache Avro 1.11 specification, "Schema Declaration" and "Names".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from fastavro import parse_schema
from fastavro.schema import SchemaParseException, UnknownType, fingerprint, to_parsing_canonical_form

from stream.codec.json_text import bounded_json
from stream.codec.limits import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_SCHEMA_BYTES
from stream.codec.walk import (
    Form,
    skip_array,
    skip_bytes,
    skip_enum,
    skip_exactly,
    skip_long,
    skip_map,
    skip_record,
    skip_union,
)
from stream.errors import CodecError, SchemaError

_PRIMITIVES = {
    "null": Form("null", 0, True, 1, skip_exactly(0)),
    "boolean": Form("boolean", 1, True, 1, skip_exactly(1)),
    "int": Form("int", 1, False, 1, skip_long),
    "long": Form("long", 1, False, 1, skip_long),
    "float": Form("float", 4, True, 1, skip_exactly(4)),
    "double": Form("double", 8, True, 1, skip_exactly(8)),
    "bytes": Form("bytes", 1, False, 1, skip_bytes),
    "string": Form("string", 1, False, 1, skip_bytes),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_MAX_FIXED = max(MAX_BYTES.values())


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A record's schema, checked.

    Attributes
    ----------
    name : str
        Full name of the record.
    parsed : dict
        As fastavro takes it.
    form : Form
        For the walk over what it wrote.
    mark : bytes
        CRC-64-AVRO fingerprint of its canonical form, 8 bytes.
    canonical : str
        That form: the same of schemas that write the same.
    """

    name: str
    parsed: dict[str, Any]
    form: Form
    mark: bytes
    canonical: str


@lru_cache(maxsize=64)
def writer_schema(text: bytes) -> WriterSchema:
    """Return the schema of a text that a stranger sent.

    Raises
    ------
    SchemaError
        If it is too long, deep or large, contains itself, is no record, or no Avro schema at all.
    """
    try:
        source = bounded_json(text, MAX_SCHEMA_BYTES)
    except CodecError as error:
        raise SchemaError(f"schema is not read: {error}") from error
    form = form_of(source)
    if not isinstance(form.schema, dict) or form.schema.get("type") != "record":
        raise SchemaError("schema is of no record: messages are records")
    try:
        parsed = parse_schema(form.schema)
        canonical = to_parsing_canonical_form(form.schema)
        mark = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
    except (SchemaParseException, UnknownType, ValueError, TypeError, LookupError, AttributeError) as error:
        raise SchemaError(f"schema is no Avro schema: {error!r}") from error
    assert isinstance(parsed, dict), "a record's schema stays one"
    name = ".".join(filter(None, (form.schema["namespace"], form.schema["name"])))
    return WriterSchema(name, parsed, form, mark, canonical)


def form_of(schema: Any) -> Form:
    """Return a schema, as JSON gives it, made ready to be walked.

    Raises
    ------
    SchemaError
        If it is none, or breaks the bounds.
    """
    return _Reader().form(schema, "", 0)


class _Reader:
    """Reads one schema; remembers its names, with None for those whose definition has not ended."""

    def __init__(self) -> None:
        self._named: dict[str, Form | None] = {}

    def form(self, schema: Any, namespace: str, depth: int) -> Form:
        """Return the form of any node."""
        if depth > MAX_DEPTH:
            raise SchemaError(f"schema is nested deeper than {MAX_DEPTH}")
        if isinstance(schema, str):
            return _PRIMITIVES.get(schema) or self._reference(schema, namespace)
        if isinstance(schema, list):
            return self._union(schema, namespace, depth)
        if not isinstance(schema, dict):
            raise SchemaError(f"schema has a {type(schema).__name__} where a type is expected")
        kind = schema.get("type")
        if kind in ("record", "enum", "fixed"):
            return self._definition(kind, schema, namespace, depth)
        if kind == "array":
            return self._array(schema, namespace, depth)
        if kind == "map":
            values = self.form(schema.get("values"), namespace, depth + 1)
            return _bounded({"type": "map", "values": values.schema}, 1, False, [values], skip_map(values))
        return self.form(kind, namespace, depth + 1)

    def _union(self, schema: list[Any], namespace: str, depth: int) -> Form:
        branches = [self.form(branch, namespace, depth + 1) for branch in schema]
        if not branches or any(isinstance(branch.schema, list) for branch in branches):
            raise SchemaError("schema has a union of nothing, or directly in another")
        width = 1 + min(branch.width for branch in branches)
        return _bounded([branch.schema for branch in branches], width, False, branches, skip_union(branches))

    def _array(self, schema: Mapping[str, Any], namespace: str, depth: int) -> Form:
        items = self.form(schema.get("items"), namespace, depth + 1)
        if items.width == 0:
            raise SchemaError("schema has an array whose items take no bytes: nothing bounds their number")
        return _bounded({"type": "array", "items": items.schema}, 1, False, [items], skip_array(items))

    def _definition(self, kind: str, schema: Mapping[str, Any], namespace: str, depth: int) -> Form:
        """Read a record, enum or fixed: a type with a name."""
        full = _full_name(schema.get("name"), schema.get("namespace", namespace))
        if full in self._named:
            raise SchemaError(f"schema defines {full!r} twice")
        self._named[full] = None
        space, _, short = full.rpartition(".")
        head = {"type": kind, "namespace": space, "name": short}
        if kind == "record":
            form = self._record(head, schema.get("fields"), space, depth)
        elif kind == "enum":
            form = _enum(head, schema.get("symbols"))
        else:
            form = _fixed(head, schema.get("size"))
        self._named[full] = replace(form, schema=full)
        return form

    def _record(self, head: dict[str, Any], fields: Any, space: str, depth: int) -> Form:
        if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
            raise SchemaError(f"record {head['name']!r} of the schema has no list of fields")
        names = [_simple_name(field.get("name")) for field in fields]
        if len(set(names)) != len(names):
            raise SchemaError(f"record {head['name']!r} of the schema has a field twice")
        forms = [self.form(field.get("type"), space, depth + 1) for field in fields]
        listed = [{"name": name, "type": form.schema} for name, form in zip(names, forms, strict=True)]
        exact, width = all(form.exact for form in forms), sum(form.width for form in forms)
        return _bounded(head | {"fields": listed}, width, exact, forms, skip_record(forms))

    def _reference(self, name: str, namespace: str) -> Form:
        full = _full_name(name, namespace)
        known = full if full in self._named else name
        if known not in self._named:
            raise SchemaError(f"schema uses the type {name!r}, which it does not define")
        found = self._named[known]
        if found is None:
            raise SchemaError(f"schema has the record {known!r} inside itself: its depth has no bound")
        return found


def _bounded(schema: Any, width: int, exact: bool, parts: list[Form], skip: Any) -> Form:
    nodes = 1 + sum(part.nodes for part in parts)
    if nodes > MAX_NODES:
        raise SchemaError(f"schema has more than {MAX_NODES} nodes")
    return Form(schema, width, exact, nodes, skip)


def _enum(head: dict[str, Any], symbols: Any) -> Form:
    if not isinstance(symbols, list) or not 0 < len(symbols) <= MAX_NODES:
        raise SchemaError(f"enum {head['name']!r} of the schema has no list of symbols, or one too long")
    names = [_simple_name(symbol) for symbol in symbols]
    if len(set(names)) != len(names):
        raise SchemaError(f"enum {head['name']!r} of the schema has a symbol twice")
    return Form(head | {"symbols": names}, 1, False, 1, skip_enum(len(names)))


def _fixed(head: dict[str, Any], size: Any) -> Form:
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_FIXED:
        raise SchemaError(f"fixed {head['name']!r} of the schema has the size {size!r}")
    return Form(head | {"size": size}, size, True, 1, skip_exactly(size))


def _simple_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SchemaError(f"schema has the name {name!r}, which is none")
    return name


def _full_name(name: Any, namespace: Any) -> str:
    full = f"{namespace}.{name}" if isinstance(name, str) and "." not in name and namespace else name
    if not isinstance(full, str) or not _FULL_NAME.fullmatch(full):
        raise SchemaError(f"schema has the type {full!r}, which is none")
    return full
