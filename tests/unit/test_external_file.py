"""A file of external events: what was written is read, and what is no such file is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from external import event

import schemas
from stream.codec.external_file import read_external, read_external_file, write_external_file
from stream.errors import ConfigurationError, DataError, SchemaError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    events = [
        event(str(k), skymap=bytes(1000 * k) or None, names=("GRB",), classification={"GRB": 0.9}) for k in range(50)
    ]
    write_external_file(tmp_path / "new" / "external.avro", events)
    assert list(read_external_file(tmp_path / "new" / "external.avro")) == events


def test_a_file_of_no_events_is_one_too(tmp_path: Path) -> None:
    write_external_file(tmp_path / "none.avro", [])
    assert list(read_external_file(tmp_path / "none.avro")) == []


def test_more_events_than_a_container_has_blocks_are_read_again(tmp_path: Path) -> None:
    """Blocks hold a megabyte each, so that their number stays within the bound."""
    events = [event(str(k), raw=bytes(2000)) for k in range(3000)]
    write_external_file(tmp_path / "many.avro", events)
    assert sum(1 for _ in read_external_file(tmp_path / "many.avro")) == 3000


def test_an_event_that_is_none_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="dec_deg"):
        write_external_file(tmp_path / "external.avro", [replace(event(), dec_deg=91.0)])


def test_any_cut_of_a_file_is_refused_or_read_and_never_crashes(tmp_path: Path) -> None:
    path = tmp_path / "external.avro"
    write_external_file(path, [event(str(k)) for k in range(3)])
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        try:
            assert len(list(read_external(whole[:end]))) in (0, 3)
        except DataError:
            continue


@pytest.mark.parametrize("payload", [b"", b"Obj\x01", b"SIMPLE  =", schemas.example("alert", "1.3")])
def test_what_is_no_file_of_events_is_refused(payload: bytes) -> None:
    with pytest.raises(DataError):
        list(read_external(payload))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.avro cannot be read"):
        list(read_external_file(tmp_path / "gone.avro"))
