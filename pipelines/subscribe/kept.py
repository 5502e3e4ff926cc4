"""Alerts that somebody kept: files of `--out`, LVK's examples, files of several alerts; a source of what is past."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from pipelines.sources.message import SourceMessage
from pipelines.subscribe.database import Database
from pipelines.subscribe.delivery import Delivery
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.identity import identity_of
from pipelines.subscribe.judging import RuleOptions
from pipelines.subscribe.maps import FITS
from pipelines.subscribe.received import ReceivedAlert, receive
from pipelines.subscribe.routes import Judge, Judged
from pipelines.subscribe.state import State
from pipelines.subscribe.written import Options, routes_of
from stream.codec.alert import CONTAINER_MAGIC, encode_alert, read_alerts
from stream.codec.container import headers_of
from stream.codec.limits import MAX_SKYMAP_BYTES
from stream.errors import ConfigurationError, DataError, NoticeRefused
from stream.kafka.consumer import Message
from stream.notices import read_notice
from stream.text import clean

log = structlog.get_logger()
_ENDINGS = (".avro", ".json", ".voevent.xml")
"""Of what was kept. Other XML in a folder may be anything; named itself it is read."""
_CIRCULAR, _SKYMAP = "a circular", "a sky map"
_READ_BY = {_CIRCULAR: "", _SKYMAP: ": `tocsin skymap` reads it"}
_BY_LISTEN = ": `tocsin listen --files` reads it"


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return files, and of folders those that may be alerts.

    Raises
    ------
    ConfigurationError
        If one is not there.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                p for p in path.rglob("*") if p.name.endswith(_ENDINGS) and p.is_file() and not p.is_symlink()
            )
        elif path.is_file():
            found.append(path)
        else:
            raise ConfigurationError(f"{path}: there is no such file or folder")
    return found


def read_file(path: Path) -> list[ReceivedAlert]:
    """Return the alerts of a file: one, or several in one Avro file.

    Raises
    ------
    DataError
        If it holds none.
    """
    if path.stat().st_size > MAX_SKYMAP_BYTES["file"]:
        raise DataError(f"{path} is longer than {MAX_SKYMAP_BYTES['file']} bytes: no alert is")
    payload = path.read_bytes()
    try:
        return [_of_file(value, path) for value in _values(payload)]
    except DataError as error:
        what = _other(payload)
        raise DataError(f"{what}, and no alert{_READ_BY.get(what, _BY_LISTEN)}" if what else str(error)) from error


def _values(payload: bytes) -> list[bytes]:
    """Return the messages of a file: itself, or each of its records as one."""
    if payload[:4] != CONTAINER_MAGIC:
        return [payload]
    records = read_alerts(payload)
    if not records:
        raise DataError("Avro file that holds no alert")
    return [payload] if len(records) == 1 else [encode_alert(record) for record in records]


def _other(payload: bytes) -> str:
    """Return what else a file is: a notice, a circular, a sky map; empty where it is none that is known."""
    if payload.startswith(FITS):
        return _SKYMAP
    try:
        return f"a notice of {read_notice(payload, _EVER_NS)[0].source}"
    except NoticeRefused as refused:
        return _CIRCULAR if refused.kind == "circular" else ""
    except DataError:
        return ""


def read_files(paths: Iterable[Path]) -> Iterator[tuple[Path, list[ReceivedAlert] | DataError]]:
    """Yield each file's alerts, or why it holds none."""
    for path in paths:
        try:
            yield path, read_file(path)
        except DataError as error:
            yield path, error


class KeptSource:
    """Alerts of files as they were sent: by the time at which they were made.

    Parameters
    ----------
    alerts : sequence of ReceivedAlert
    """

    name = "files"

    def __init__(self, alerts: Sequence[ReceivedAlert]) -> None:
        self._left = sorted(alerts, key=made_at)
        self.ended = False

    def poll(self, timeout_s: float) -> list[SourceMessage]:
        """Return all."""
        left, self._left, self.ended = self._left, [], True
        return [SourceMessage(alert.raw, self.name, "", alert.place, 0, alert.headers) for alert in left]

    def hold(self) -> None:
        """Nothing to keep alive."""

    def done(self, messages: Sequence[SourceMessage]) -> None:
        """Files stay where they are."""

    def close(self) -> None:
        """Nothing is open."""


def made_at(alert: ReceivedAlert) -> tuple[int, int]:
    """Return the place of an alert among others: when it was made, Unix, and its revision."""
    return identity_of(alert, _EVER_NS).place


_EVER_NS = 1 << 62


def replay(paths: Iterable[Path], rules: RuleOptions) -> Iterator[Delivery]:
    """Yield alerts of files as rules see them, in the order in which they were made, each once.

    Those that no rule asks for are yielded too; what was overtaken or withdrawn is not. Nothing is done about any.

    Raises
    ------
    ConfigurationError
        If a file is not there, or a rule cannot be read.
    """
    alerts: list[ReceivedAlert] = []
    for path, found in read_files(files_of(paths)):
        if isinstance(found, DataError):
            log.warning("not_an_alert", file=clean(str(path)), error=str(found))
        else:
            alerts += found
    now_ns = 0

    def at(alert: ReceivedAlert, judge: Judge) -> Judged:
        nonlocal now_ns
        now_ns = made_at(alert)[0]
        return judge(alert)

    past = tuple(
        replace(route, judge=partial(at, judge=route.judge), actions=())
        for route in routes_of(Options(rules), lambda: now_ns)
    )
    database = Database(None)
    try:
        engine = Engine([KeptSource(alerts)], State(database), Subscription(past, all_alerts=True))
        yield from engine.deliveries(threading.Event())
    finally:
        database.close()


def _of_file(value: bytes, path: Path) -> ReceivedAlert:
    headers = headers_of(value) if value[:4] == CONTAINER_MAGIC else ()
    alert = receive(Message("", 0, 0, None, value, headers, 0))
    return ReceivedAlert(alert.record, alert.extra, value, "", 0, 0, headers, "files", clean(str(path)))
