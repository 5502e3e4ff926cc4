"""Notices to events: counted, passed on once, acknowledged before they are done with, and never a flood in the log."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from external import GPS_NS, Heard, event, notice, read_plain

from pipelines.listen import Wanted, as_dict, as_line, run
from pipelines.listen.loop import Listening, listen
from pipelines.listen.reader import NoticeReader, mark_of
from pipelines.listen.sinks import NoSink, fitted
from pipelines.listen.tally import Tally
from pipelines.sources import SourceMessage
from stream.codec.avro import decode_external
from stream.codec.external_file import read_external_file
from stream.errors import ConfigurationError
from stream.metrics import NOTICES_REFUSED
from stream.records import ExternalEvent
from stream.settings import Settings
from stream.timebase import SystemClock


def message(payload: bytes, topic: str = "notices", received_ns: int = GPS_NS) -> SourceMessage:
    return SourceMessage(payload, "local", topic, f"{topic}[0]@0", received_ns)


def reader() -> tuple[NoticeReader, Tally]:
    tally = Tally()
    return NoticeReader(read_plain, tally, {"alerts.gw"}), tally


def test_what_tells_of_nothing_is_counted_by_its_kind() -> None:
    each, tally = reader()
    before = NOTICES_REFUSED.labels("circular")._value.get()
    payloads = [notice(), notice(refuse="circular"), notice(refuse="circular"), b"\xff", notice(dec_deg=91.0)]
    found = [event for payload in payloads for event in each.events(message(payload), 0.0)]
    assert [e.event_id for e in found] == ["524666471"]
    assert tally.as_dict() == {
        "messages": 5, "read": 1, "events": 1, "repeated": 0, "refused": {"circular": 2, "unreadable": 2},
    }  # fmt: skip
    assert tally.as_text() == "read 1, events 1, refused 4: circular 2, unreadable 2"
    assert NOTICES_REFUSED.labels("circular")._value.get() - before == 2


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("alerts.gw", "own_alert"), ("igwn.gwalert", "gravitational_wave"),
        ("gcn.classic.voevent.LVC_UPDATE", "gravitational_wave"),
    ],
)  # fmt: skip
def test_gravitational_waves_are_refused_by_the_topics_name(topic: str, kind: str) -> None:
    each, tally = reader()
    assert each.events(message(notice(), topic), 0.0) == []
    assert tally.refused == {kind: 1}


def test_what_is_said_again_is_passed_over_and_what_is_said_anew_is_not() -> None:
    """Received later it is the same; with another word in it it is not."""
    each, tally = reader()
    first = each.events(message(notice()), 0.0)
    assert each.events(message(notice(), received_ns=GPS_NS + 5), 0.0) == []
    assert len(each.events(message(notice(alert_type="update")), 0.0)) == 1
    assert tally.repeated == 1
    assert not each.is_latest(first[0])


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.listen.reader._REMEMBERED", 3)
    each, _ = reader()
    assert [len(each.events(message(notice(name)), 0.0)) for name in ("a", "b", "c", "d", "d", "a")] == [
        1,
        1,
        1,
        1,
        0,
        1,
    ]


def test_a_flood_of_refusals_is_a_line_a_kind_and_a_line_a_minute() -> None:
    each, tally = reader()
    with structlog.testing.capture_logs() as logs:
        for k in range(10_000):
            each.events(message(notice(refuse="circular")), k * 0.01)
            each.events(message(b"\x1b[2J" + bytes([k % 256])), k * 0.01)
    said = [(entry["kind"], entry["not_shown"]) for entry in logs]
    assert said == [("circular", 0), ("unreadable", 0), ("circular", 5999), ("unreadable", 5999)]
    assert all(str(entry["reason"]).isprintable() for entry in logs)
    assert tally.refused == {"circular": 10_000, "unreadable": 10_000}


def test_kinds_beyond_a_number_are_counted_together() -> None:
    each, tally = reader()
    for k in range(500):
        each.events(message(notice(refuse=f"kind {k}")), 0.0)
    assert len(tally.refused) == 65
    assert tally.refused["other"] == 436


def test_a_notice_that_a_reader_stumbles_over_is_counted_as_a_fault_and_silences_nobody() -> None:
    def stumbles(payload: bytes, received_ns: int, topic: str) -> tuple[ExternalEvent, ...]:
        raise RecursionError("too deep")

    tally = Tally()
    assert NoticeReader(stumbles, tally).events(message(b""), 0.0) == []
    assert tally.refused == {"fault": 1}


def test_a_crowd_in_one_notice_is_refused() -> None:
    tally = Tally()
    each = NoticeReader(lambda payload, received_ns, topic: (event(),) * 1001, tally)
    assert each.events(message(b""), 0.0) == []
    assert tally.refused == {"crowded": 1}


def test_an_event_that_is_too_large_goes_without_its_notice_then_without_its_map() -> None:
    whole = event(raw=bytes(1 << 20), skymap=b"x" * (1 << 20))
    assert decode_external(fitted(whole)) == whole
    large = replace(whole, raw=bytes(7 << 20))
    assert decode_external(fitted(large)) == replace(large, raw=b"")
    largest = replace(large, skymap=bytes(8 << 20))
    assert decode_external(fitted(largest)) == replace(largest, raw=b"", skymap=None)


def test_an_event_is_shown_without_what_could_move_a_cursor() -> None:
    evil = event("\x1b]0;owned\x07", names=("\n",), far_hz=1e-6)
    assert as_line(evil).isprintable()
    shown = json.loads(json.dumps(as_dict(evil)))
    assert (shown["raw_bytes"], shown["skymap_bytes"], shown["far_hz"]) == (2, None, 1e-6)
    assert as_line(event(ra_deg=None, dec_deg=None, tense="test")).endswith("GRB  place unknown  test")


class Script:
    """A source that hands out batches, and says what became of them."""

    name, ended = "script", False

    def __init__(self, *batches: Sequence[bytes]) -> None:
        self.batches = list(batches)
        self.finished: list[bytes] = []
        self.held = 0

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        batch = self.batches.pop(0) if self.batches else []
        self.ended = not self.batches
        return [message(payload) for payload in batch]

    def hold(self) -> None:
        self.held += 1

    def done(self, messages: Sequence[SourceMessage]) -> None:
        self.finished += [m.payload for m in messages]

    def close(self) -> None: ...


class Slow(NoSink):
    """A sink whose broker is away for some turns."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.kept: list[ExternalEvent] = []

    def put(self, event: ExternalEvent) -> None:
        self.kept.append(event)

    def acknowledged(self, meanwhile: Callable[[], bool]) -> bool:
        while self.turns and meanwhile():
            self.turns -= 1
        return self.turns == 0


def test_messages_are_done_with_when_their_events_are_kept_and_refused_ones_at_once() -> None:
    source, sink = Script([notice("a"), b"rubbish"], [notice("b")]), Slow(3)
    each, _ = reader()
    listen(Listening([source], each, sink))
    assert source.finished == [notice("a"), b"rubbish", notice("b")]
    assert source.held == 3
    assert [e.event_id for e in sink.kept] == ["a", "b"]


def test_what_was_not_acknowledged_at_the_end_is_not_done_with() -> None:
    source, sink, stop = Script([notice("a")], [notice("b")]), Slow(10), threading.Event()
    heard = Heard()
    each, _ = reader()
    parts = Listening([source], each, sink, stop, heard=heard)
    holds = source.hold

    def hold() -> None:
        holds()
        if source.held == 2:
            stop.set()

    source.hold = hold  # type: ignore[method-assign]
    listen(parts)
    assert (source.finished, heard) == ([], [])


def test_notices_that_take_long_to_read_cost_no_membership() -> None:
    """Groups give up a member that has not come by for minutes; a batch may hold two hundred large maps."""
    now_s = [0.0]

    def slow(payload: bytes, received_ns: int, topic: str) -> tuple[ExternalEvent, ...]:
        now_s[0] += 2.0
        return read_plain(payload, received_ns, topic)

    source = Script([notice(str(k)) for k in range(12)])
    parts = Listening([source], NoticeReader(slow, Tally()), NoSink(), monotonic=lambda: now_s[0], turned_s=0.0)
    listen(parts)
    assert source.held == 4
    assert len(source.finished) == 12


def test_whoever_has_heard_enough_ends_it() -> None:
    source, heard = Script([notice("a"), notice("b"), notice("c")], [notice("d")]), list[str]()
    each, _ = reader()

    def enough(event: ExternalEvent) -> bool:
        heard.append(event.event_id)
        return len(heard) < 2

    listen(Listening([source], each, NoSink(), heard=enough))
    assert heard == ["a", "b"]


def folder_of_notices(folder: Path) -> Path:
    for name, payload in {
        "1": notice("a"),
        "2": notice("b", dec_deg=10.0),
        "3": notice(refuse="circular"),
        "4": b"",
    }.items():
        (folder / name).write_bytes(payload)
    return folder


def test_files_become_a_file_of_events_without_a_broker(tmp_path: Path) -> None:
    folder = folder_of_notices(tmp_path)
    heard = Heard()
    out = tmp_path / "made" / "external.avro"
    wanted = Wanted(files=[folder], out=out)
    tally = run(Settings(), wanted, read_plain, SystemClock(), threading.Event(), heard)
    assert tally.as_text() == "read 2, events 2, refused 2: circular 1, unreadable 1"
    assert list(read_external_file(out)) == heard
    assert [(e.event_id, e.raw) for e in heard] == [("a", notice("a")), ("b", notice("b", dec_deg=10.0))]


def test_every_refused_file_is_named(tmp_path: Path) -> None:
    folder = folder_of_notices(tmp_path)
    (folder / "5").write_bytes(notice(refuse="circular"))
    with structlog.testing.capture_logs() as logs:
        wanted = Wanted(files=[folder], only_look=True)
        run(Settings(), wanted, read_plain, SystemClock(), threading.Event(), lambda e: True)
    assert [Path(entry["place"]).name for entry in logs if entry["event"] == "notice_refused"] == ["3", "4", "5"]


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(files=[Path()], sources=["gcn"]),
        Wanted(topics=["a"]),
        Wanted(topics=["a"], sources=["gcn", "scimma"]),
        Wanted(out=Path("a"), sources=["gcn"]),
        Wanted(only_look=True),
    ],
)
def test_what_contradicts_itself_is_refused(wanted: Wanted) -> None:
    with pytest.raises(ConfigurationError):
        run(Settings(), wanted, read_plain, SystemClock(), threading.Event(), lambda e: True)


def test_a_mark_is_of_all_that_is_said_but_when_it_came() -> None:
    assert mark_of(event()) == mark_of(event(received_ns=1))
    assert mark_of(event()) != mark_of(event(raw=b"other"))
