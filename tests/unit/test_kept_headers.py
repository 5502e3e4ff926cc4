"""What a message's headers say is kept with it: of Avro as the file's metadata, which any reader reads."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import fastavro
import pytest
from delivering import run_until_ended
from findings import heard
from hypothesis import given
from hypothesis import strategies as st

import schemas
from pipelines.offline.archived import Refusals, read_archived_alerts
from pipelines.sources.message import SourceMessage
from pipelines.subscribe.actions import ActionSettings
from pipelines.subscribe.actions.worker import Worker
from pipelines.subscribe.database import Database
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.judging import RuleOptions
from pipelines.subscribe.kept import KeptSource, read_file, replay
from pipelines.subscribe.maps import read_kept
from pipelines.subscribe.queue import Queue
from pipelines.subscribe.received import keep, received
from pipelines.subscribe.routes import Route
from pipelines.subscribe.state import State
from pipelines.subscribe.written import doings_of
from stream.codec.alert import Outgoing, encode, encode_alert_json
from stream.codec.container import headers_of, read_container, with_headers
from stream.errors import DataError
from stream.kafka.consumer import Message
from stream.settings import PublishSettings, SignificanceSettings
from stream.superevent import Superevents
from stream.timebase import NS_PER_S

AVRO = schemas.example("alert", schemas.versions("alert")[-1])


def ours() -> Outgoing:
    candidate = replace(heard(0, 12.0, 1e-9), far_is_limit=True)
    [revision] = Superevents("test").step(candidate, candidate.gps_ns + NS_PER_S)
    return encode(revision, PublishSettings(), SignificanceSettings())


def came(alert: Outgoing) -> SourceMessage:
    origin = Message("alerts.gw", 0, 7, None, alert.avro, alert.headers, 0)
    return SourceMessage(alert.avro, "local", "alerts.gw", "alerts.gw[0]@7", 0, alert.headers, origin)


def test_any_reader_reads_the_record_and_the_headers(tmp_path: Path) -> None:
    alert = ours()
    kept = keep(received(came(alert)), tmp_path)
    assert keep(received(came(alert)), tmp_path) == kept
    with kept.open("rb") as file:
        reader = fastavro.reader(file)
        [record] = reader
    assert [record] == list(fastavro.reader(io.BytesIO(alert.avro)))
    told = {name[7:]: value.encode("latin-1") for name, value in reader.metadata.items() if name[:7] == "header."}
    assert {"_id", "_sender", "_test", "_format", "tocsin.gps_ns"} <= told.keys()
    assert told == dict(alert.headers)
    assert kept.read_bytes().endswith(alert.avro[4:]), "the message is as it came"


def test_what_is_kept_says_all_that_the_message_said(tmp_path: Path) -> None:
    """A false-alarm rate that is a limit stays one; the time of the merger is exact; rules find the revision."""
    first = received(came(alert := ours()))
    path = keep(first, tmp_path)
    [back] = read_file(path)
    assert (back.record, back.extra, back.headers) == (first.record, first.extra, alert.headers)
    assert back.as_line() == first.as_line()
    assert "FAR < " in back.as_line()
    assert read_kept(path) == [(first.record, first.extra)]
    [archived] = read_archived_alerts([path], Refusals())
    assert archived.extra == first.extra
    [delivery] = replay([path], RuleOptions(where="revision = 0"))
    assert (delivery.is_delivered, delivery.is_test) == (True, True)


def test_headers_survive_a_restart_before_the_file_is_written(tmp_path: Path) -> None:
    first = received(came(ours()))
    database = Database(tmp_path / "x")
    source = KeptSource([first])
    run_until_ended(Engine([source], State(database), Subscription((Route(actions=("file",)),), "x")))
    database.close()
    doings = doings_of({"file": ActionSettings(file=tmp_path / "kept")}, {})
    Worker("file", doings["file"], Queue(database := Database(tmp_path / "x"))).step()
    database.close()
    [path] = (tmp_path / "kept").iterdir()
    assert read_file(path)[0].extra == first.extra != {}


def test_what_is_no_avro_is_kept_as_it_came(tmp_path: Path) -> None:
    """GCN's JSON has no headers, and ours says all in its text."""
    alert = received(came(ours()))
    as_json = replace(alert, raw=encode_alert_json(alert.record, alert.extra))
    assert keep(as_json, tmp_path).read_bytes() == as_json.raw


Headers = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=300)), max_size=8)


@given(Headers)
def test_headers_of_any_kind_come_back(headers: list[tuple[str, bytes]]) -> None:
    """Names and values are a stranger's; of one that comes twice the last counts, as elsewhere."""
    kept = with_headers(AVRO, headers)
    assert dict(headers_of(kept)) == {name.encode(errors="replace").decode(): value for name, value in headers}
    assert read_container(kept, 1 << 20) == read_container(AVRO, 1 << 20)
    assert list(fastavro.reader(io.BytesIO(kept))) == list(fastavro.reader(io.BytesIO(AVRO)))


def test_many_headers_hide_no_alert(tmp_path: Path) -> None:
    """However many somebody sends."""
    headers = tuple((f"h{k}", b"x" * k) for k in range(2000))
    message = replace(came(ours()), headers=headers)
    [back] = read_file(keep(received(message), tmp_path))
    assert back.headers == headers


@pytest.mark.parametrize("value", ["Ω".encode(), b"\xff\xfe"])
def test_metadata_that_is_no_header_of_ours_hides_no_alert(value: bytes, tmp_path: Path) -> None:
    """Whoever wrote the container may name it so: what was delivered is read again where it was kept."""
    entry = b"".join(bytes([2 * len(part)]) + part for part in (b"header.author", value))
    message = AVRO[:4] + bytes([2]) + entry + AVRO[4:]
    origin = Message("t", 0, 0, None, message, (), 0)
    first = received(SourceMessage(message, "local", "t", "t[0]@0", 0, (), origin))
    [back] = read_file(path := keep(first, tmp_path))
    assert (back.record, back.headers) == (first.record, ())
    assert [record for record, _ in read_kept(path)] == [first.record]


@pytest.mark.parametrize("cut", [*range(4, 400, 7), 4000])
def test_a_file_that_was_cut_short_is_named(cut: int, tmp_path: Path) -> None:
    path = keep(received(came(ours())), tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError):
        read_file(path)
    with pytest.raises(DataError):
        read_kept(path)
