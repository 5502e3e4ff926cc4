"""A disk that takes nothing ends neither the search nor the sending of alerts, and is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import disk_child

from pipelines.subscribe import receive
from stream.configuration import load_settings, render_settings
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.reading import read_all
from stream.kafka.topics import required_topics
from stream.settings import Settings

pytestmark = pytest.mark.kafka


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system without a free byte; only root may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        (folder / "outbox").mkdir()
        with (folder / "filling").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 512)
            except OSError:
                pass
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def run_daemon(
    broker: EmbeddedBroker, fault: str, state: Path, config: Path, outbox: Path | None = None
) -> tuple[dict[str, float], set[str]]:
    """Run a daemon to its end; return what it counted and the log events."""
    settings = load_settings(
        None,
        {
            "kafka": {"bootstrap_servers": broker.bootstrap_servers, "session_timeout_s": 3.0},
            "publish": {"outbox": outbox or state / "outbox", "transactions": False},
            "daemon": {"state_dir": state, "http_port": 0, "checkpoint_s": 0.2},
        },
    )
    for topic in required_topics(settings):
        broker.create_topic(topic.name)
    config.write_text(render_settings(settings))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.run(
        [sys.executable, disk_child.__file__, fault, str(config)],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    events = {json.loads(line)["event"] for line in child.stderr.splitlines() if line.startswith("{")}
    assert "stopped" in events
    assert sent(settings) == ["TS240517a"]
    counted: dict[str, float] = json.loads(child.stdout)
    return counted, events


def sent(settings: Settings) -> list[str]:
    return [receive(m).superevent_id for m in read_all(settings.kafka, settings.topics.alerts)]


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_takes_nothing_is_seen_and_the_alert_is_sent(
    fault: str, embedded: EmbeddedBroker, tmp_path: Path
) -> None:
    """``full``: every write fails; ``read-only``: no file can be made, by a process without root's privileges."""
    outbox = tmp_path / "state/outbox"
    outbox.mkdir(parents=True)
    for folder in (outbox, outbox.parent) if fault == "read-only" else ():
        folder.chmod(0o555)
    counted, events = run_daemon(embedded, fault, outbox.parent, tmp_path / "tocsin.toml")
    assert counted["outbox"] >= 1
    assert counted["checkpoint"] >= 1
    assert {"outbox_failed", "checkpoint_not_written", "alert_published"} <= events
    assert list(outbox.iterdir()) in ([], [outbox / ".lock"])
    assert {p.name for p in outbox.parent.iterdir()} <= {"outbox", ".lock"}


def test_a_file_system_without_a_free_byte(full_disk: Path, embedded: EmbeddedBroker, tmp_path: Path) -> None:
    counted, events = run_daemon(embedded, "none", full_disk, tmp_path / "tocsin.toml")
    assert min(counted.values()) >= 1
    assert {"outbox_failed", "checkpoint_not_written", "alert_published"} <= events


def test_a_state_folder_that_is_a_file(embedded: EmbeddedBroker, tmp_path: Path) -> None:
    """The checkpoint has no place; the outbox, elsewhere, is well."""
    state = tmp_path / "state"
    state.touch()
    counted, events = run_daemon(embedded, "none", state, tmp_path / "tocsin.toml", tmp_path / "outbox")
    assert counted["outbox"] == 0
    assert counted["checkpoint"] >= 1
    assert "checkpoint_not_written" in events
