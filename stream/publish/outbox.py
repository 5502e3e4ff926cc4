"""The outbox: an alert stands on disk from the moment it exists until Kafka has it, and leaves in the order it came.

One checksummed file an alert, written aside, synced and renamed, so that a crash leaves either all of it or nothing.
Its name begins with a number that counts up, so that the order survives a restart: revision n of an event is never sent
before n - 1. What is damaged all the same is set aside under a name that says so, and never sent.

A disk that is full or read-only is logged and counted; the alert is then kept in memory and sent all the same, for
Kafka is the truth. :attr:`Outbox.on_disk` says whether a crash now would lose one.

The folder may be looked at while a daemon writes in it (:func:`count_waiting`); what a killed one left half written is
removed only by who holds the folder's lock (:meth:`Outbox.sweep`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from stream import metrics
from stream.codec.alert import Outgoing
from stream.errors import PublishError
from stream.lock import FolderLock

log = structlog.get_logger()
_SUFFIX = ".alert"
_WRITING = ".writing"
_NUMBERED = re.compile(r"([0-9]{10})-")
_COPIES = 64
"""So many alerts are kept in memory, each a megabyte or two with its map; those behind them are read from disk when
their turn comes."""
_REMEDY = "free the disk of publish.outbox, or make it writable"


def count_waiting(folder: Path) -> int:
    """Return how many alerts stand in an outbox; only looks, and a folder that is not there holds none."""
    return sum(1 for _ in folder.glob(f"*{_SUFFIX}"))


@dataclass(frozen=True, slots=True)
class _Entry:
    """An alert that waits: its file, whether that is written, and what is in it unless that must be read again."""

    path: Path
    written: bool
    alert: Outgoing | None


def oldest_entry_ns(folder: Path) -> int | None:
    """Return when the oldest alert of an outbox was written, Unix; None where none waits."""
    written = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # it has just left
            written.append(path.stat().st_mtime_ns)
    return min(written, default=None)


class Outbox:
    """A folder of alerts that are not yet known to be on the topic; a queue that many fill and one thread drains.

    Parameters
    ----------
    folder : Path
        Made if it is not there.

    Raises
    ------
    PublishError
        If the folder cannot be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}  # by message id, oldest first
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._last = max((_number(path) for path in folder.iterdir()), default=0)
        except OSError as error:
            raise PublishError(
                f"outbox {folder} cannot be made or read ({error}): set publish.outbox to a writable folder"
            ) from error

    def __len__(self) -> int:
        """Return how many alerts wait: those put, and those taken up from disk."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Outgoing]:
        """Yield the alerts that wait, oldest first; one that can no longer be read is set aside, and named."""
        with self._lock:
            waiting = list(self._entries)
        for alert_id in waiting:
            alert = self.find(alert_id)
            if alert is not None:
                yield alert

    @property
    def on_disk(self) -> bool:
        """Whether each alert that waits would survive a crash."""
        with self._lock:
            return all(entry.written for entry in self._entries.values())

    def put(self, alert: Outgoing) -> None:
        """Write an alert behind those that wait; it is on disk when this returns, unless the disk does not take it.

        To be called by one at a time: the order of calls is the order of sending.

        Raises
        ------
        PublishError
            If the disk takes nothing and as many alerts stand in memory alone as may.
        """
        self._last += 1
        path = self._folder / f"{self._last:010d}-{alert.superevent_id}-{alert.alert_id}{_SUFFIX}"
        try:
            self._write(path, _encode(alert))
        except OSError as error:
            self._keep(alert, _Entry(path, False, alert))
            metrics.OUTBOX_ERRORS.inc()
            log.error("outbox_failed", superevent_id=alert.superevent_id, error=str(error), remedy=_REMEDY)
        else:
            self._keep(alert, _Entry(path, True, alert if len(self._entries) < _COPIES else None))

    def _keep(self, alert: Outgoing, entry: _Entry) -> None:
        with self._lock:
            if not entry.written and sum(not e.written for e in self._entries.values()) >= _COPIES:
                raise PublishError(
                    f"outbox {self._folder} takes nothing and {_COPIES} alerts stand in memory alone: {_REMEDY}"
                )
            self._entries[alert.alert_id] = entry

    def take_up(self) -> None:
        """Let the alerts that a process before this one left here wait again; to be called before anything is put.

        Damaged ones are set aside and named in the log.
        """
        for path in sorted(self._folder.glob(f"*{_SUFFIX}"), key=_age):
            alert = self._read(path)
            if alert is not None:
                self._keep(alert, _Entry(path, True, alert if len(self) < _COPIES else None))

    def oldest(self) -> Outgoing | None:
        """Return the alert whose turn it is, or None."""
        return next(iter(self), None)

    def find(self, alert_id: str) -> Outgoing | None:
        """Return the alert of this id, if it waits."""
        with self._lock:
            entry = self._entries.get(alert_id)
        if entry is None or entry.alert is not None:
            return None if entry is None else entry.alert
        alert = self._read(entry.path)
        if alert is None:
            with self._lock:
                self._entries.pop(alert_id, None)
        return alert

    def acknowledge(self, alert_id: str) -> None:
        """Forget an alert that Kafka has; a file that cannot be removed is known to be sent at the next start."""
        with self._lock:
            entry = self._entries.pop(alert_id, None)
        if entry is None:
            return
        try:
            entry.path.unlink(missing_ok=True)
        except OSError as error:
            metrics.OUTBOX_ERRORS.inc()
            log.error("outbox_not_cleared", path=str(entry.path), error=str(error), remedy=_REMEDY)

    def set_aside(self, alert_id: str, why: str) -> None:
        """Take an alert out of the queue that must not be sent; its file stays, under a name that says so."""
        with self._lock:
            entry = self._entries.pop(alert_id, None)
        if entry is not None:
            _aside(entry.path, ".refused", why)

    def sweep(self, lock: FolderLock) -> None:
        """Remove what a process that was killed left half written; without the lock nothing is done."""
        if not lock.held:
            return
        for left in self._folder.glob(f"*{_WRITING}"):
            with contextlib.suppress(OSError):
                left.unlink()

    def _write(self, path: Path, body: bytes) -> None:
        temporary = path.with_suffix(f".{os.getpid()}{_WRITING}")
        try:
            with temporary.open("wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync(self._folder)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    def _read(self, path: Path) -> Outgoing | None:
        try:
            digest, _, body = path.read_bytes().partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != digest:
                raise ValueError("its checksum does not match")
            return _decode(body)
        except (OSError, ValueError, KeyError) as error:
            _aside(path, ".damaged", str(error))
            return None


def _number(path: Path) -> int:
    found = _NUMBERED.match(path.name)
    return int(found[1]) if found else 0


def _age(path: Path) -> tuple[int, int, str]:
    """Order by number; what was written before there were numbers comes first, by its time."""
    number = _number(path)
    return number, 0 if number else path.stat().st_mtime_ns, path.name


def _aside(path: Path, suffix: str, why: str) -> None:
    with contextlib.suppress(OSError):
        path.replace(path.with_suffix(suffix))
    log.error("outbox_entry_set_aside", path=str(path.with_suffix(suffix)), error=why, remedy="look at it by hand")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(alert: Outgoing) -> bytes:
    return json.dumps(
        {
            "alert_id": alert.alert_id,
            "superevent_id": alert.superevent_id,
            "gps_ns": alert.gps_ns,
            "avro": base64.b64encode(alert.avro).decode(),
            "json": alert.json.decode(),
            "headers": [[name, base64.b64encode(value).decode()] for name, value in alert.headers],
        }
    ).encode()


def _decode(body: bytes) -> Outgoing:
    values = json.loads(body)
    return Outgoing(
        alert_id=values["alert_id"],
        superevent_id=values["superevent_id"],
        gps_ns=values["gps_ns"],
        avro=base64.b64decode(values["avro"], validate=True),
        json=values["json"].encode(),
        headers=tuple((name, base64.b64decode(value)) for name, value in values["headers"]),
    )
