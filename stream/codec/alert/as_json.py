"""Alerts as JSON, as GCN sends them: a stranger's text, brought into the same typed record as an Avro alert.

Our alert schema decides: every field is there or takes its default, is of its type, and a sky map is bytes; what the
schema does not know is left out, but for the object ``tocsin``, which is handed on beside the record.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import schemas
from stream.codec.json_text import bounded_json
from stream.codec.limits import MAX_BYTES, check_size
from stream.errors import CodecError, SchemaError

_MAX_INT = 2**31 - 1
_EXPECTED = {
    "string": "a string",
    "double": "a finite number",
    "int": "an integer of 32 bits",
    "boolean": "true or false",
    "bytes": "base64",
    "null": "null",
}


def encode_alert_json(alert: Mapping[str, Any], extra: Mapping[str, Any]) -> bytes:
    """Return an alert as GCN sends it: JSON, sky maps as base64; ``extra`` as the object ``tocsin``."""
    event, external = _text(alert["event"], "skymap"), _text(alert["external_coinc"], "combined_skymap")
    return json.dumps({**alert, "event": event, "external_coinc": external, "tocsin": dict(extra)}).encode()


def _text(part: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    """Return a part of an alert with its map as text."""
    if part is None or part[name] is None:
        return part
    return {**part, name: base64.b64encode(part[name]).decode()}


def decode_alert_json(payload: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the alert of a JSON text, and its object ``tocsin``, empty where there is none.

    Raises
    ------
    CodecError
        If the bytes are no JSON, or beyond the bounds.
    SchemaError
        If a field is missing or of another type; the message names it.
    """
    check_size("alert", payload)
    try:
        value = bounded_json(payload, MAX_BYTES["alert"])
    except CodecError as error:
        raise CodecError(f"neither an Avro nor a JSON alert: {error}") from error
    if not isinstance(value, dict):
        raise SchemaError(f"JSON alert is a {type(value).__name__}: expected an object")
    record = alert_of(value)
    extra = value.get("tocsin", {})
    if not isinstance(extra, dict):
        raise SchemaError(f"tocsin is a {type(extra).__name__}: expected an object")
    return record, extra


def alert_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a stranger's values say as an alert of our schema; raises as :func:`decode_alert_json`."""
    return _record(schemas.load("alert"), value, "alert")


def _record(schema: Mapping[str, Any], value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SchemaError(f"{where} is a {type(value).__name__}: expected an object")
    found: dict[str, Any] = {}
    for field in schema["fields"]:
        name, kind = field["name"], field["type"]
        if name in value:
            found[name] = _typed(kind, value[name], f"{where}.{name}")
        elif "default" in field:
            found[name] = _typed(kind, field["default"], f"{where}.{name}")
        elif isinstance(kind, list) and "null" in kind:
            found[name] = None  # JSON writers leave out what is null
        else:
            raise SchemaError(f"JSON alert lacks {where}.{name}")
    return found


def _typed(schema: Any, value: Any, where: str) -> Any:
    """Return a value as the type that the schema says."""
    if isinstance(schema, str):
        return _primitive(schema, value, where)
    if isinstance(schema, list):
        return _of_union(schema, value, where)
    if schema["type"] == "record":
        return _record(schema, value, where)
    if schema["type"] == "array" and isinstance(value, list):
        return [_typed(schema["items"], item, where) for item in value]
    if schema["type"] == "map" and isinstance(value, dict):
        return {key: _typed(schema["values"], item, where) for key, item in value.items()}
    if schema["type"] == "enum" and isinstance(value, str) and value in schema["symbols"]:
        return value
    expected = " or ".join(schema["symbols"]) if schema["type"] == "enum" else f"of type {schema['type']}"
    raise SchemaError(f"{where} is {_shown(value)}: expected {expected}")


def _of_union(branches: list[Any], value: Any, where: str) -> Any:
    """Take the branch that fits; of several the first."""
    if value is None and "null" in branches:
        return None
    kinds = [branch for branch in branches if branch != "null"]
    for kind in kinds[:-1]:
        try:
            return _typed(kind, value, where)
        except SchemaError:
            continue
    return _typed(kinds[-1], value, where)


def _primitive(kind: str, value: Any, where: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "double" and number and math.isfinite(value):
        return float(value)
    if kind == "int" and number and isinstance(value, int) and -_MAX_INT - 1 <= value <= _MAX_INT:
        return value
    if (kind == "string" and isinstance(value, str)) or (kind == "boolean" and isinstance(value, bool)):
        return value
    if kind == "bytes" and isinstance(value, str):
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except ValueError as error:
            raise CodecError(f"{where} is no base64: {error}") from error
    raise SchemaError(f"{where} is {_shown(value)}: expected {_EXPECTED[kind]}")


def _shown(value: Any) -> str:
    """Name a foreign value without repeating more than a word of it."""
    return repr(value)[:64] if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
