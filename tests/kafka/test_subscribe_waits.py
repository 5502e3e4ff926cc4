"""``tocsin subscribe`` as a process: it says what it waits for, and leaves in order when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import schemas
from pipelines.show.reading import an_alert_each
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.settings import KafkaSettings

pytestmark = pytest.mark.kafka

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"TOCSIN_KAFKA__OPERATION_TIMEOUT_S": "10"},
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as made:
        yield made


def send_alert(broker: EmbeddedBroker) -> None:
    producer = Producer(KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
    producer.send("alerts.gw", "key", schemas.example("alert", schemas.versions("alert")[-1]))
    producer.flush()
    producer.close()


def read_until(stream: Any, words: str) -> str:
    for line in stream:
        if words in line:
            return str(line)
    return ""


def test_a_topic_that_is_not_there_is_named_once_and_its_first_alert_is_received(
    broker: EmbeddedBroker, start: Start
) -> None:
    """From latest, too: what comes to a topic that was made after the start is new."""
    process = start("subscribe", "--broker", broker.bootstrap_servers, "-n", "1", "--timeout", "60")
    said = read_until(process.stderr, "waiting for topic alerts.gw")
    assert said == f"tocsin: waiting for topic alerts.gw: it is not there yet at {broker.bootstrap_servers}\n"
    broker.create_topic("alerts.gw")
    send_alert(broker)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.split()[0]) == (0, "TS150914a"), err
    assert "waiting" not in err


def test_a_topic_that_is_there_does_not_begin_anew_because_another_is_not(broker: EmbeddedBroker, start: Start) -> None:
    """What came to it long ago is no alert of now."""
    broker.create_topic("alerts.gw")
    send_alert(broker)
    topics = ("--topic", "alerts.gw", "--topic", "later")
    process = start("subscribe", "--broker", broker.bootstrap_servers, *topics, "--timeout", "60", "-n", "1")
    assert read_until(process.stderr, "partitions_assigned")
    time.sleep(1.0)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert out == "", err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)])
def test_told_to_leave_it_leaves_its_group(
    number: signal.Signals, code: int, broker: EmbeddedBroker, start: Start
) -> None:
    broker.create_topic("alerts.gw")
    process = start("subscribe", "--broker", broker.bootstrap_servers)
    assert read_until(process.stderr, "partitions_assigned")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "partitions_revoked" in err
    assert "Traceback" not in err


def test_it_ends_quietly_when_its_reader_has_gone_and_no_further_alert_comes(
    broker: EmbeddedBroker, start: Start
) -> None:
    """As behind ``| head -1``."""
    broker.create_topic("alerts.gw")
    send_alert(broker)
    process = start("subscribe", "--broker", broker.bootstrap_servers, "--from", "earliest")
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith("TS150914a")
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    err = process.stderr.read()
    assert "partitions_revoked" in err
    assert "Traceback" not in err and "Exception" not in err


def test_a_reader_that_goes_in_the_middle_of_a_line_and_a_full_disk(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """The one ends it quietly, the other is told; an alert longer than a pipe holds is written in several parts."""
    broker.create_topic("alerts.gw", 1)
    producer = Producer(KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
    for event, value in islice(an_alert_each(), 8):
        producer.send("alerts.gw", event, value)
    producer.flush()
    producer.close()
    command = [
        sys.executable, "-m", "pipelines.cli", "subscribe", "--broker", broker.bootstrap_servers, "--json", "--from",
        "earliest", "-n", "8",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as gone:
        assert gone.stdout is not None
        assert gone.stderr is not None
        assert gone.stdout.read(10) == b'{"alert_ty'
        gone.stdout.close()
        assert gone.wait(60) == 0
        assert b"Traceback" not in gone.stderr.read()
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    whole = tmp_path / "lines"
    with whole.open("wb") as file:
        assert subprocess.run(command, stdout=file, timeout=60, check=False).returncode == 0
    assert len({json.loads(line)["superevent_id"] for line in whole.read_bytes().splitlines()}) == 8


def test_time_runs_out_before_the_alerts_have_come(broker: EmbeddedBroker, start: Start) -> None:
    process = start("subscribe", "--broker", broker.bootstrap_servers, "-n", "1", "--timeout", "0.5")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, ""), err
    assert "Traceback" not in err


def test_a_broker_that_is_not_there_is_waited_for_and_said(start: Start) -> None:
    process = start("subscribe", "--broker", "127.0.0.1:1")
    assert "no broker at 127.0.0.1:1" in read_until(process.stderr, "tocsin: waiting")
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [["--help"], ["run", "--print-config"], ["topics", "list", "--help"]], ids=" ".join)
def test_any_command_ends_quietly_when_nobody_reads(command: list[str], start: Start) -> None:
    process = start(*command)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""


def test_a_simulation_told_to_leave_sends_what_waits_and_ends_well(broker: EmbeddedBroker, start: Start) -> None:
    for topic in ("strain.H1", "witness.H1"):
        broker.create_topic(topic)
    process = start("simulate", "-d", "H1", "--inject", "bbh", "--every", "2", "--broker", broker.bootstrap_servers)
    assert read_until(process.stderr, "injected")
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
