"""The state file of a subscription: one SQLite database, written by one process, in transactions that survive its end.

Kafka's place stands in the same transaction as what was delivered (:mod:`pipelines.subscribe.state`), so that the two
cannot differ; ``synchronous`` is NORMAL therefore: after a loss of power the file may lack its last second, place and
alerts alike, and these are read again.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from stream.errors import ConfigurationError, StateError
from stream.lock import FolderLock

_VERSION = 2
_FILE = "state.sqlite"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOLD_ACTION = """
CREATE TABLE told_action (
    superevent TEXT NOT NULL, action TEXT NOT NULL, PRIMARY KEY (superevent, action)
) WITHOUT ROWID;
"""
_SCHEMA = f"""{_TOLD_ACTION}
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE seen (key TEXT PRIMARY KEY, seen_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX seen_age ON seen (seen_ns);
CREATE TABLE event (
    superevent TEXT PRIMARY KEY, created_ns INTEGER NOT NULL, revision INTEGER NOT NULL,
    withdrawn_ns INTEGER, withdrawn_revision INTEGER, seen_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX event_age ON event (seen_ns);
CREATE TABLE told (
    superevent TEXT NOT NULL, rule TEXT NOT NULL, told_ns INTEGER NOT NULL, PRIMARY KEY (superevent, rule)
) WITHOUT ROWID;
CREATE TABLE place (
    source TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (source, topic, partition)
) WITHOUT ROWID;
CREATE TABLE body (
    id INTEGER PRIMARY KEY, raw BLOB NOT NULL, told TEXT NOT NULL
);
CREATE TABLE job (
    id INTEGER PRIMARY KEY, action TEXT NOT NULL, key TEXT NOT NULL, superevent TEXT NOT NULL,
    retraction INTEGER NOT NULL, body INTEGER NOT NULL REFERENCES body (id),
    attempts INTEGER NOT NULL DEFAULT 0, first_ns INTEGER NOT NULL, next_ns INTEGER NOT NULL,
    error TEXT NOT NULL DEFAULT '', died_ns INTEGER, UNIQUE (action, key)
);
CREATE INDEX job_due ON job (action, died_ns, id);
CREATE INDEX job_event ON job (action, superevent, died_ns, id);
CREATE INDEX job_body ON job (body);
"""
_FROM_1 = f"{_TOLD_ACTION} INSERT INTO told_action SELECT DISTINCT superevent, action FROM job;"
"""Version 1 did not write down which actions were told of an event: those that still have to be are known."""


def default_folder(environ: dict[str, str]) -> Path:
    """Return where the state of subscriptions stands by default: the user's folder for state, as XDG names it."""
    state = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "/var/tmp")) / ".local/state")
    return Path(state) / "tocsin" / "subscriptions"


def subscriptions(folder: Path) -> list[str]:
    """Return the names of the subscriptions that a folder has the state of."""
    return sorted(file.parent.name for file in folder.glob(f"*/{_FILE}"))


def check_name(name: str) -> str:
    """Return the name of a subscription.

    Raises
    ------
    ConfigurationError
        If it is none: it names a folder and a consumer group.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"--name {name[:64]!r}: use up to 64 letters, digits, '.', '_', '-'")
    return name


class Database:
    """An open state file; one writer at a time, from whatever thread.

    Parameters
    ----------
    folder : Path or None
        Where the file is, in a folder of the subscription's own; None keeps all in memory.
    beside : bool
        Only look, or write a little, beside the process that has it.

    Raises
    ------
    ConfigurationError
        If another process has it, it cannot be written, or a later version wrote it.
    """

    def __init__(self, folder: Path | None, *, beside: bool = False) -> None:
        self._lock = threading.RLock()
        self._folder_lock: FolderLock | None = None
        self.path = None if folder is None else folder / _FILE
        if folder is not None and not beside:
            self._folder_lock = _locked(folder)
        try:
            self._connection = sqlite3.connect(
                ":memory:" if self.path is None else self.path, check_same_thread=False, isolation_level=None
            )
            self._prepare(beside)
        except sqlite3.Error as error:
            self.close()
            raise ConfigurationError(
                f"state file {self.path} cannot be used ({error}): free its disk, or name another --state"
            ) from error

    def _prepare(self, beside: bool) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA wal_autocheckpoint = 16384")  # 64 MiB: some seconds of messages with their maps
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA foreign_keys = ON")
        run("PRAGMA cache_size = -8192")
        run("PRAGMA journal_size_limit = 134217728")
        version = run("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._write_schema(_SCHEMA)
        elif version == 1 and not beside:  # whoever only looks leaves it to the process that has it
            self._write_schema(_FROM_1)
        elif version not in (1, _VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}, this one reads {_VERSION}")

    def _write_schema(self, script: str) -> None:
        self._connection.executescript(f"BEGIN; {script} PRAGMA user_version = {_VERSION}; COMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all that is done within, or nothing of it.

        Raises
        ------
        StateError
            If the file takes nothing, as on a full disk.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def alone(self) -> AbstractContextManager[object]:
        """Let nobody else read or write meanwhile."""
        return self._lock

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read; others wait meanwhile.

        Raises
        ------
        StateError
            If the file cannot be read.
        """
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StateError:
        return StateError(f"state file {self.path} cannot be used ({error}): free its disk, or name another --state")

    def close(self) -> None:
        """Close the file and let go of the folder."""
        with self._lock:
            connection = getattr(self, "_connection", None)
            if connection is not None:
                connection.close()
        if self._folder_lock is not None:
            self._folder_lock.close()
            self._folder_lock = None


def _locked(folder: Path) -> FolderLock:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"--state {folder} cannot be made ({error}): name a folder that can") from error
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"--state {folder} cannot be written: name a folder that can")
    try:
        return FolderLock(folder, "subscription")
    except ConfigurationError:
        raise ConfigurationError(
            f"subscription {folder.name} is in use by another process: end that, or give this one its own --name"
        ) from None
