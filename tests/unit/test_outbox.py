"""The outbox: an alert is there whole or not at all, leaves in the order it came, and outlives the process."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stream.codec.alert import Outgoing
from stream.errors import PublishError
from stream.lock import FolderLock
from stream.publish import Outbox
from stream.publish import outbox as module
from stream.publish.outbox import count_waiting

MERGER_NS = 1_126_259_462_420_000_000


def entry(number: int = 1, name: str = "TS150914a") -> Outgoing:
    alert_id = f"00000000-0000-4000-8000-{number:012d}"
    return Outgoing(alert_id, name, MERGER_NS, b"Obj\x01avro", b'{"a": 1}', (("_id", b"\x00\xff"), ("_test", b"true")))


def taken_up(folder: Path) -> Outbox:
    """The outbox as a process after the one that filled it finds it."""
    box = Outbox(folder)
    box.take_up()
    return box


def drained(box: Outbox) -> list[Outgoing]:
    """What comes out, each acknowledged before the next is asked for."""
    out = []
    while (alert := box.oldest()) is not None:
        out.append(alert)
        box.acknowledge(alert.alert_id)
    return out


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_alert_stands_there_until_it_is_acknowledged(tmp_path: Path) -> None:
    Outbox(tmp_path / "box").put(entry())
    after_a_crash = taken_up(tmp_path / "box")
    assert list(after_a_crash) == [entry()]
    assert (after_a_crash.oldest(), after_a_crash.find(entry().alert_id), len(after_a_crash)) == (entry(), entry(), 1)
    after_a_crash.acknowledge(entry().alert_id)
    after_a_crash.acknowledge(entry().alert_id)
    assert (after_a_crash.oldest(), after_a_crash.find(entry().alert_id)) == (None, None)
    assert list(taken_up(tmp_path / "box")) == []


def test_alerts_leave_in_the_order_they_came_through_restarts_and_whatever_the_clock_did(tmp_path: Path) -> None:
    """Revision n of an event is never sent before n - 1."""
    numbers = [7, 3, 9, 1, 8]
    first = Outbox(tmp_path)
    for number in numbers[:3]:
        first.put(entry(number))
    second = taken_up(tmp_path)
    assert list(second) == [entry(number) for number in numbers[:3]]
    second.acknowledge(entry(7).alert_id)
    for number in numbers[3:]:
        second.put(entry(number))
    for age, path in enumerate(sorted(tmp_path.glob("*.alert"))):
        os.utime(path, (1e9 - age, 1e9 - age))
    third = taken_up(tmp_path)
    assert list(third) == drained(third) == [entry(number) for number in numbers[1:]]


def test_what_was_written_before_alerts_were_numbered_leaves_first(tmp_path: Path) -> None:
    Outbox(tmp_path).put(entry(1))
    [path] = tmp_path.glob("*.alert")
    path.rename(tmp_path / f"TS150914a-{entry(1).alert_id}.alert")
    box = taken_up(tmp_path)
    assert list(box) == [entry(1)]
    box.put(entry(2))
    after = taken_up(tmp_path)
    assert list(after) == drained(after) == [entry(1), entry(2)]


def test_more_than_memory_holds_is_read_from_disk_when_its_turn_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COPIES", 2)
    box = Outbox(tmp_path)
    for number in range(5):
        box.put(entry(number))
    assert sum(e.alert is not None for e in box._entries.values()) == 2
    assert drained(box) == [entry(number) for number in range(5)]
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_entry_is_set_aside_and_the_others_are_sent(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.put(entry(1))
    box.put(entry(2, "TS150914b"))
    path = min(tmp_path.glob("*.alert"))
    path.write_bytes(path.read_bytes().replace(b"TS150914a", b"TS150914x"))
    with capture_logs() as logged:
        after = taken_up(tmp_path)
        assert list(after) == drained(after) == [entry(2, "TS150914b")]
    assert [e["event"] for e in logged] == ["outbox_entry_set_aside"]
    assert [p.suffix for p in tmp_path.iterdir()] == [".damaged"]


def test_one_damaged_while_it_waits_is_set_aside_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COPIES", 0)
    box = Outbox(tmp_path)
    box.put(entry(1))
    box.put(entry(2))
    min(tmp_path.glob("*.alert")).write_bytes(b"")
    assert drained(box) == [entry(2)]


def test_what_must_not_be_sent_leaves_the_queue_and_stays_for_whoever_looks(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.put(entry())
    box.set_aside(entry().alert_id, "its id is another merger's")
    assert (box.oldest(), [p.suffix for p in tmp_path.iterdir()]) == (None, [".refused"])


def test_half_a_write_is_no_alert_and_is_left_to_who_writes_it(tmp_path: Path) -> None:
    """Opening and reading an outbox changes nothing in it: a daemon may be writing there at this moment."""
    (tmp_path / "TS150914a-1.77.writing").write_bytes(b"half")
    assert list(taken_up(tmp_path)) == []
    assert count_waiting(tmp_path) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["TS150914a-1.77.writing"]


def test_who_holds_the_lock_removes_what_was_half_written(tmp_path: Path) -> None:
    half = tmp_path / "TS150914a-1.77.writing"
    half.write_bytes(b"half")
    lock = FolderLock(tmp_path, "publish.outbox")
    lock.close()
    Outbox(tmp_path).sweep(lock)
    assert half.exists()
    with FolderLock(tmp_path, "publish.outbox") as held:
        Outbox(tmp_path).sweep(held)
    assert not half.exists()


def test_an_entry_that_cannot_be_removed_is_logged_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic has the alert: that its file stays is no reason to stop."""
    box = Outbox(tmp_path)
    box.put(entry())

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", read_only)
    with capture_logs() as logged:
        box.acknowledge(entry().alert_id)
    assert [e["event"] for e in logged] == ["outbox_not_cleared"]
    assert box.oldest() is None


def test_an_alert_that_the_disk_does_not_take_waits_in_memory_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent all the same; the outbox says that a crash would lose it."""
    box = Outbox(tmp_path)
    box.put(entry(1))
    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr("os.fsync", full)
        box.put(entry(2))
    box.put(entry(3))
    assert [(e["event"], e["remedy"]) for e in logged] == [("outbox_failed", module._REMEDY)]
    assert len(list(tmp_path.iterdir())) == 2
    assert not box.on_disk
    assert drained(box) == [entry(1), entry(2), entry(3)]
    assert box.on_disk


def test_memory_alone_takes_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COPIES", 2)
    monkeypatch.setattr("os.fsync", full)
    box = Outbox(tmp_path)
    for number in range(2):
        box.put(entry(number))
    with pytest.raises(PublishError, match="free the disk"):
        box.put(entry(3))
    assert drained(box) == [entry(0), entry(1)]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match=r"set publish\.outbox"):
        Outbox(tmp_path / "file" / "box")
