"""A lock on a folder: what is in it belongs to one process, until that ends, however it ends.

An advisory lock (``flock``) on a file in the folder; the kernel lets go of it when the process is gone. The file names
the process for whoever comes second, and stays.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

import structlog

from stream.errors import ConfigurationError

log = structlog.get_logger()
_NAME = ".lock"


class FolderLock:
    """Hold a folder until closed; a context manager.

    A folder that cannot be written gets no lock, which is logged: nobody else can write there either, and the search
    must go on.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    setting : str
        What set it, for the error.

    Raises
    ------
    ConfigurationError
        If another process holds it.
    """

    def __init__(self, folder: Path, setting: str) -> None:
        self._descriptor: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            log.warning("folder_not_locked", folder=str(folder), error=str(error), remedy=f"make {setting} writable")
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ConfigurationError(
                f"{setting}={folder} is in use by process {holder}: end that daemon, or give this one its own folder"
            ) from None
        except OSError as error:  # a file system without locks
            log.warning("folder_not_locked", folder=str(folder), error=str(error), remedy="run one daemon on it")
        self._descriptor = descriptor
        self._name_holder(descriptor)

    @property
    def held(self) -> bool:
        """Whether the folder is locked and not closed yet."""
        return self._descriptor is not None

    def close(self) -> None:
        """Let go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @staticmethod
    def _name_holder(descriptor: int) -> None:
        """Write the process id; on a full disk the lock holds all the same."""
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            log.warning("lock_without_a_name", error=str(error), remedy="free the disk")
