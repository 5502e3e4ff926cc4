"""One daemon has a folder; the second is told who has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.live.folders import own_folders
from stream.configuration import load_settings
from stream.errors import ConfigurationError
from stream.lock import FolderLock
from stream.settings import Settings

HOLD = "import sys, time, pathlib; from stream.lock import FolderLock; "
HOLD += "lock = FolderLock(pathlib.Path(sys.argv[1]), 'x'); print('held', flush=True); time.sleep(600)"


def settings(state: Path, outbox: Path) -> Settings:
    return load_settings(None, {"daemon": {"state_dir": state}, "publish": {"outbox": outbox}})


def test_a_second_process_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    """And has it as soon as the first is gone, killed or not."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigurationError, match=f"daemon.state_dir={tmp_path}.*process {other.pid}:"):
            FolderLock(tmp_path, "daemon.state_dir")
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    with FolderLock(tmp_path, "daemon.state_dir") as lock:
        assert lock.held
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_daemons_may_share_neither_state_nor_outbox(tmp_path: Path) -> None:
    with own_folders(settings(tmp_path / "a", tmp_path / "box")):
        for state, outbox, named in [("a", "other", "daemon.state_dir"), ("b", "box", "publish.outbox")]:
            with (
                pytest.raises(ConfigurationError, match=f"{named}=.*{os.getpid()}"),
                own_folders(settings(tmp_path / state, tmp_path / outbox)),
            ):
                pass
    with own_folders(settings(tmp_path / "a", tmp_path / "box")):
        pass


def test_one_folder_may_be_both(tmp_path: Path) -> None:
    with own_folders(settings(tmp_path, tmp_path / ".")):
        assert (tmp_path / ".lock").exists()


def test_what_a_killed_daemon_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint.npz.77").write_bytes(b"half")
    (tmp_path / "TS150914a-1.77.writing").write_bytes(b"half")
    (tmp_path / "checkpoint.npz").write_bytes(b"whole")
    with own_folders(settings(tmp_path, tmp_path)):
        assert {p.name for p in tmp_path.iterdir()} == {".lock", "checkpoint.npz"}


def test_a_folder_that_cannot_be_written_gets_no_lock_and_does_not_stop_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with FolderLock(tmp_path / "file", "daemon.state_dir") as lock:
        assert not lock.held
