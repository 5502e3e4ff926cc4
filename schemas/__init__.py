"""Avro schemas of every message, one immutable folder per version (rules: ``schemas/README.md``).

``schemas/<name>/<version>/`` holds one ``*.avsc`` and ``example.avro``, a message exactly as it is on the wire,
which decodes for ever.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from fastavro import parse_schema
from fastavro.schema import fingerprint, to_parsing_canonical_form

from stream.errors import SchemaError

__all__ = ["example", "fingerprint_of", "load", "names", "source", "versions"]


def names() -> tuple[str, ...]:
    """Return the names of the schemas: ``alert``, ``decision``, ``external`` and so on."""
    return tuple(sorted(entry.name for entry in files(__name__).iterdir() if entry.is_dir() and _version_dirs(entry)))


def versions(name: str) -> tuple[str, ...]:
    """Return the versions of a schema, oldest first.

    Raises
    ------
    SchemaError
        If there is no schema of that name.
    """
    return tuple(version for version, _ in _folders(name))


def source(name: str, version: str | None = None) -> str:
    """Return the text of a schema; without a version, of its newest.

    Raises
    ------
    SchemaError
        If there is no such schema or version.
    """
    return next(e for e in _folder(name, version).iterdir() if e.name.endswith(".avsc")).read_text(encoding="utf-8")


@cache
def load(name: str, version: str | None = None) -> dict[str, Any]:
    """Return a schema as fastavro parses it; without a version, its newest. Cached: do not change it.

    Raises
    ------
    SchemaError
        If there is no such schema or version.
    """
    # fastavro orders keys by their hash, which differs from process to process, and writes them so into containers.
    parsed = _sorted(parse_schema(json.loads(source(name, version))))
    assert isinstance(parsed, dict), "every schema of ours is one record"
    return parsed


@cache
def fingerprint_of(name: str, version: str | None = None) -> bytes:
    """Return the 8-byte CRC-64-AVRO fingerprint of a schema's canonical form, as single-object encoding carries it."""
    canonical = to_parsing_canonical_form(json.loads(source(name, version)))
    return bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


def example(name: str, version: str) -> bytes:
    """Return the example message of a version, exactly as it is on the wire."""
    return (_folder(name, version) / "example.avro").read_bytes()


def _sorted(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _sorted(schema[key]) for key in sorted(schema)}
    return [_sorted(item) for item in schema] if isinstance(schema, list) else schema


def _version_dirs(folder: Traversable) -> list[tuple[str, Traversable]]:
    dirs = [(entry.name, entry) for entry in folder.iterdir() if entry.is_dir() and entry.name[0].isdigit()]
    return sorted(dirs, key=lambda pair: tuple(int(part) for part in pair[0].split(".")))


@cache
def _folders(name: str) -> tuple[tuple[str, Traversable], ...]:
    if name not in names():
        raise SchemaError(f"no schema named {name!r}: there are {', '.join(names())}")
    return tuple(_version_dirs(files(__name__) / name))


def _folder(name: str, version: str | None) -> Traversable:
    folders = _folders(name)
    if version is None:
        return folders[-1][1]
    for known, folder in folders:
        if known == version:
            return folder
    raise SchemaError(f"no version {version!r} of schema {name!r}: there are {', '.join(versions(name))}")
