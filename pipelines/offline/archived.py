"""What ``tocsin coincide`` reads: alerts as they were kept, and external events or notices as they were received."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.sources.files import FileSource
from stream.codec.alert import CONTAINER_MAGIC, decode_file
from stream.codec.external_file import read_external_file
from stream.errors import ConfigurationError, DataError, NoticeRefused
from stream.notices import read_notice
from stream.records import ExternalEvent, GwEvent
from stream.text import clean
from stream.timebase import Clock, utc_to_gps_ns

_MOST_ALERT_BYTES = 1 << 30
_MOST_SHOWN = 100
_LATEST_NS = 1 << 62


@dataclass(frozen=True, slots=True)
class ArchivedAlert:
    """An alert of whoever's pipeline, and when it was made, GPS."""

    record: Mapping[str, Any]
    extra: Mapping[str, Any]
    told_ns: int

    @property
    def superevent_id(self) -> str:
        """Id of the superevent."""
        return str(self.record["superevent_id"])

    @property
    def revision(self) -> int:
        """Number among the event's alerts, as it says itself; 0 where it does not."""
        number = self.extra.get("revision")
        return number if isinstance(number, int) and 0 <= number < 1 << 31 else 0

    def gw(self) -> GwEvent | None:
        """Return the event as coincidences see it; None of a retraction.

        Raises
        ------
        DataError
            If its time is none.
        """
        event = self.record["event"]
        if event is None:
            return None
        gps_ns = self.extra.get("gps_ns")
        if not isinstance(gps_ns, int) or not 0 <= gps_ns < _LATEST_NS:
            gps_ns = _gps_ns(event["time"], "event.time")
        return GwEvent(self.superevent_id, gps_ns, float(event["far"]), event["group"], event["skymap"])


@dataclass(slots=True)
class Refusals:
    """What could not be read: how many by kind, and the first of them with place and reason."""

    kinds: Counter[str] = field(default_factory=Counter)
    shown: list[dict[str, str]] = field(default_factory=list)

    def add(self, place: str, error: DataError) -> None:
        """Count one."""
        kind = error.kind if isinstance(error, NoticeRefused) else "unreadable"
        self.kinds[kind] += 1
        if len(self.shown) < _MOST_SHOWN:
            self.shown.append({"place": clean(place), "kind": kind, "why": clean(str(error), 400)})


def read_archived_alerts(paths: Iterable[Path], refused: Refusals) -> list[ArchivedAlert]:
    """Return the alerts of files, or of all files of folders; in each an alert (Avro, JSON), or several (Avro).

    Raises
    ------
    ConfigurationError
        If a path is not there, or a file is too large.
    """
    found = []
    for path in _files(paths, "--alerts"):
        if path.stat().st_size > _MOST_ALERT_BYTES:
            raise ConfigurationError(f"--alerts {path} is larger than {_MOST_ALERT_BYTES} bytes: split it")
        payload = path.read_bytes()
        try:
            several = decode_file(payload)
            found += [ArchivedAlert(r, extra, _gps_ns(r["time_created"], "time_created")) for r, extra in several]
        except DataError as error:
            refused.add(str(path), error)
    return found


def read_archived_events(paths: Iterable[Path], refused: Refusals, clock: Clock) -> Iterator[ExternalEvent]:
    """Yield the external events of files: ours as ``tocsin listen --out`` writes them, or notices of any mission.

    A notice in a file does not say when it was received: it counts as received when it was made, or, where it does not
    say that either, when its event was.

    Raises
    ------
    ConfigurationError
        If a path is not there.
    """
    for path in _files(paths, "--events"):
        if _starts_as_container(path):
            yield from _guarded(read_external_file(path), str(path), refused)
        else:
            yield from _notices(path, refused, clock)


def _notices(path: Path, refused: Refusals, clock: Clock) -> Iterator[ExternalEvent]:
    for message in FileSource([path], clock).poll(0.0):
        try:
            events = read_notice(message.payload, message.received_ns, message.topic)
        except DataError as error:
            refused.add(message.place, error)
            continue
        for event in events:
            yield replace(event, received_ns=event.gps_ns if event.issued_ns is None else event.issued_ns)


def _guarded(events: Iterator[ExternalEvent], place: str, refused: Refusals) -> Iterator[ExternalEvent]:
    """Yield what can be read of a file; where it is damaged, it ends."""
    try:
        yield from events
    except DataError as error:
        refused.add(place, error)


def _files(paths: Iterable[Path], option: str) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"{option} {path}: there is no such file or folder")
        yield from sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _starts_as_container(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == CONTAINER_MAGIC


def _gps_ns(text: str, name: str) -> int:
    try:
        utc = datetime.fromisoformat(text)
        return utc_to_gps_ns(utc if utc.tzinfo is not None else utc.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise DataError(f"{name} is {text[:64]!r}: expected a time of the form 2017-08-17T12:41:04Z") from error
