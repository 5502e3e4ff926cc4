"""The outbox: an alert stands on disk from the moment it exists until Kafka has it.

One checksummed file an alert, written aside, synced and renamed, so that a crash leaves either all of it or nothing.
What is damaged all the same is set aside under a name that says so, and never sent. A disk that is full or read-only is
logged and counted; it does not end the publisher, for Kafka is the truth.

The folder may be looked at while a daemon writes in it (:func:`count_waiting`); what a killed one left half written is
removed only by who holds the folder's lock (:meth:`Outbox.sweep`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from stream import metrics
from stream.errors import PublishError
from stream.lock import FolderLock
from stream.publish.alert import Outgoing

log = structlog.get_logger()
_SUFFIX = ".alert"
_WRITING = ".writing"
_REMEDY = "free the disk of publish.outbox, or make it writable"


def count_waiting(folder: Path) -> int:
    """Return how many alerts stand in an outbox; only looks, and a folder that is not there holds none."""
    return sum(1 for _ in folder.glob(f"*{_SUFFIX}"))


class Outbox:
    """A folder of alerts that are not yet known to be on the topic.

    Parameters
    ----------
    folder : Path
        Made if it is not there.

    Raises
    ------
    PublishError
        If the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PublishError(
                f"outbox {folder} cannot be made ({error}): set publish.outbox to a writable folder"
            ) from error

    def put(self, alert: Outgoing) -> None:
        """Write an alert; it is on disk when this returns.

        Raises
        ------
        PublishError
            If the disk is full or the folder not writable.
        """
        body = _encode(alert)
        path = self._path(alert)
        temporary = path.with_suffix(f".{os.getpid()}{_WRITING}")
        try:
            with temporary.open("wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            self._sync_folder()
        except OSError as error:
            metrics.OUTBOX_ERRORS.inc()
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise PublishError(
                f"outbox {self._folder} did not take {alert.superevent_id} ({error}): free the disk; "
                "until then a crash could lose an alert that the broker has not taken"
            ) from error

    def acknowledge(self, alert: Outgoing) -> None:
        """Forget an alert that Kafka has; one that cannot be removed is known to be on the topic at the next start."""
        try:
            self._path(alert).unlink(missing_ok=True)
        except OSError as error:
            metrics.OUTBOX_ERRORS.inc()
            log.error("outbox_not_cleared", superevent_id=alert.superevent_id, error=str(error), remedy=_REMEDY)

    def sweep(self, lock: FolderLock) -> None:
        """Remove what a process that was killed left half written; without the lock nothing is done."""
        if not lock.held:
            return
        for left in self._folder.glob(f"*{_WRITING}"):
            with contextlib.suppress(OSError):
                left.unlink()

    def pending(self) -> Iterator[Outgoing]:
        """Yield the alerts that stand here, oldest first; damaged ones are set aside and named in the log."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda p: (p.stat().st_mtime_ns, p.name)):
            try:
                digest, _, body = path.read_bytes().partition(b"\n")
                if hashlib.sha256(body).hexdigest().encode() != digest:
                    raise ValueError("its checksum does not match")
                alert = _decode(body)
            except (OSError, ValueError, KeyError) as error:
                aside = path.with_suffix(".damaged")
                with contextlib.suppress(OSError):
                    path.replace(aside)
                log.error("outbox_entry_damaged", path=str(aside), error=str(error), remedy="look at it by hand")
                continue
            yield alert

    def _path(self, alert: Outgoing) -> Path:
        return self._folder / f"{alert.superevent_id}-{alert.alert_id}{_SUFFIX}"

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
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
