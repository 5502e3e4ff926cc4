"""``tocsin subscribe`` with a memory, as a process: killed and started anew it loses nothing, does nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

import schemas
from stream.codec.alert import decode_alert, encode_alert
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.settings import KafkaSettings

pytestmark = pytest.mark.kafka


class Subscriber:
    """A subscription in a folder: its state, its command, what that noted."""

    def __init__(self, folder: Path, broker: EmbeddedBroker) -> None:
        self.folder, self.broker = folder, broker
        self.program = folder / "slew.sh"
        self.program.write_text(
            f'#!/bin/sh\necho "$TOCSIN_KEY $TOCSIN_ALERT_TYPE $TOCSIN_SUPEREVENT_ID" >> {folder}/noted\n'
        )
        self.program.chmod(0o755)
        self.processes: list[subprocess.Popen[str]] = []
        self.errors: list[TextIO] = []
        self._producer = Producer(KafkaSettings(bootstrap_servers=broker.bootstrap_servers))

    def start(self, *arguments: str, command: str | None = None) -> subprocess.Popen[str]:
        self.errors.append((self.folder / f"err-{len(self.errors)}").open("w+"))
        process = subprocess.Popen(
            [
                sys.executable, "-m", "pipelines.cli", "subscribe", "--broker", self.broker.bootstrap_servers, "--json",
                "--name", "scope", "--state", str(self.folder / "state"), "--on-alert", command or str(self.program),
                *arguments,
            ],
            stdout=subprocess.PIPE, stderr=self.errors[-1], text=True,
            # The embedded broker does not know a member by its fixed name; it waits until the killed one is missed.
            env=os.environ | {"TOCSIN_KAFKA__OPERATION_TIMEOUT_S": "10", "TOCSIN_KAFKA__SESSION_TIMEOUT_S": "2"},
        )  # fmt: skip
        self.processes.append(process)
        return process

    def send(self, *events: str, kind: str = "PRELIMINARY") -> None:
        for number, event in enumerate(events):
            alert: dict[str, Any] = decode_alert(schemas.example("alert", schemas.versions("alert")[-1]))
            alert |= {"superevent_id": event, "alert_type": kind, "time_created": f"2026-11-22T00:00:{number:02d}Z"}
            if kind == "RETRACTION":
                alert |= {"event": None, "time_created": "2026-11-22T00:01:00Z"}
            self._producer.send("alerts.gw", event, encode_alert(alert))
        self._producer.flush()

    def noted(self, at_least: int) -> list[list[str]]:
        """Return what the command noted, once there is so much."""
        for _ in range(1200):
            lines = (self.folder / "noted").read_text().splitlines() if (self.folder / "noted").exists() else []
            if len(lines) >= at_least:
                return [line.split() for line in lines]
            time.sleep(0.05)
        raise AssertionError(f"{len(lines)} of {at_least}: {self.said(-1)}")

    def said(self, number: int) -> str:
        """Return what a process wrote on standard error."""
        self.errors[number].seek(0)
        return self.errors[number].read()

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        for file in self.errors:
            file.close()
        self._producer.close()


@pytest.fixture
def subscriber(tmp_path: Path) -> Iterator[Subscriber]:
    with EmbeddedBroker() as broker:
        broker.create_topic("alerts.gw")
        made = Subscriber(tmp_path, broker)
        yield made
        made.close()


def test_killed_between_alerts_it_goes_on_where_it_was_and_a_retraction_reaches_the_command(
    subscriber: Subscriber,
) -> None:
    """What comes while it is away is not missed, though it began with what was yet to come."""
    process = subscriber.start("--from", "earliest")
    subscriber.send("TS261122a", "TS261122b")
    subscriber.noted(2)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())["subscription"]
    assert (told["name"], told["actions"], told["rules"][0]["matched"]) == ("scope", ["command"], True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subscriber.send("TS261122a", "TS261122c")
    subscriber.send("TS261122a", kind="RETRACTION")
    subscriber.start()
    noted = subscriber.noted(4)
    time.sleep(0.5)
    assert subscriber.noted(4) == noted
    assert len({key for key, *_ in noted}) == 4
    assert [kind for _, kind, event in noted if event == "TS261122a"] == ["PRELIMINARY", "RETRACTION"]
    assert sorted({event for *_, event in noted}) == ["TS261122a", "TS261122b", "TS261122c"]


def test_what_a_killed_one_could_not_do_is_done_by_the_next(subscriber: Subscriber) -> None:
    first = subscriber.start("--from", "earliest", command="/bin/sleep 1000")
    subscriber.send("TS261122a")
    assert first.stdout is not None
    assert json.loads(first.stdout.readline())["superevent_id"] == "TS261122a"
    time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    first.wait()
    subscriber.start()
    assert [event for *_, event in subscriber.noted(1)] == ["TS261122a"]


def test_two_with_the_same_name_are_not_started(subscriber: Subscriber) -> None:
    first = subscriber.start("--from", "earliest")
    subscriber.send("TS261122a")
    assert first.stdout is not None
    first.stdout.readline()
    assert subscriber.start().wait(timeout=60) == 2
    assert "in use by another process" in subscriber.said(1)
