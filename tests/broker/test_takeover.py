"""Two daemons with one transactional id and groups of their own: the older ends and leaves the younger alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from broker import child
from broker.apache_kafka import ApacheKafka
from broker.daemons import Running, daemon_settings, wait

from pipelines.subscribe import receive
from stream.configuration import render_settings
from stream.errors import Fenced
from stream.kafka.producer import TransactionalProducer
from stream.kafka.reading import read_all
from stream.kafka.topics import create
from stream.settings import Settings

pytestmark = pytest.mark.broker


Start = Callable[[str], Running]


@pytest.fixture
def start(kafka: ApacheKafka, fresh: str, tmp_path: Path) -> Iterator[Start]:
    running: list[Running] = []

    def begin(name: str) -> Running:
        settings = daemon_settings(kafka, fresh, tmp_path / name, fresh + name)
        create(settings)
        running.append(Running(settings))
        return running[-1]

    yield begin
    for each in running:
        each.close()


def alerts(settings: Settings) -> list[str]:
    return [receive(m).superevent_id for m in read_all(settings.kafka, settings.topics.alerts)]


def test_the_older_ends_though_it_has_nothing_to_send_and_each_event_is_one_alert(start: Start, fresh: str) -> None:
    older = start("older")
    wait(lambda: older.publisher.ready)
    younger = start("younger")
    wait(older.fenced)
    with pytest.raises(Fenced, match=f"this daemon ends.*publish.transactional_id={fresh}: stop one of the two"):
        older.publisher.check()
    younger.publisher.publish(child.candidate())
    wait(lambda: younger.publisher.ready and younger.publisher.waiting == 0)
    assert alerts(younger.settings) == ["TS240517a"]
    assert not younger.fenced()


def test_the_older_does_not_take_the_id_back_when_the_broker_returns(start: Start, kafka: ApacheKafka) -> None:
    """Both have an alert to send and lose their producers in the outage; to make one anew fences who has it."""
    older = start("older")
    wait(lambda: older.publisher.ready)
    younger = start("younger")
    wait(lambda: younger.publisher.ready)
    kafka.kill()
    try:
        for each in (older, younger):
            with suppress(Fenced):
                each.publisher.publish(child.candidate())
    finally:
        kafka.up()
    wait(older.fenced)
    wait(lambda: younger.publisher.safe and younger.publisher.waiting == 0)
    assert not younger.fenced()
    assert alerts(younger.settings) == ["TS240517a"]


def test_to_be_fenced_is_not_the_end_while_nobody_has_taken_over(start: Start, fresh: str) -> None:
    """A broker fences a producer, too, whose transaction was open too long."""
    alone = start("alone")
    wait(lambda: alone.publisher.ready)
    TransactionalProducer(alone.settings.kafka, fresh).close()
    alone.publisher.publish(child.candidate())
    wait(lambda: alone.publisher.safe and alone.publisher.waiting == 0)
    assert not alone.fenced()
    assert alerts(alone.settings) == ["TS240517a"]


def test_a_start_after_an_end_has_the_name_at_once(start: Start) -> None:
    """The name of who has ended is kept until its session is over; its next start does not wait for that."""
    first = start("first")
    wait(lambda: first.publisher.ready)
    first.close()
    began_s = time.monotonic()
    second = start("first")
    wait(lambda: second.publisher.ready)
    assert time.monotonic() - began_s < second.settings.kafka.session_timeout_s / 2


def test_the_older_daemon_ends_with_an_exit_code_of_its_own_and_says_why(start: Start, tmp_path: Path) -> None:
    """The whole process: its search, without strain, does not keep it from ending."""
    settings = start("first").settings
    config, log = tmp_path / "older.toml", tmp_path / "older.log"
    older = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"group_id": settings.kafka.group_id + "-older"}),
            "publish": settings.publish.model_copy(update={"outbox": tmp_path / "older"}),
        }
    )
    config.write_text(render_settings(older))
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "run", "--config", str(config)],
            stdout=file, stderr=file, cwd=tmp_path,
            env=os.environ | {"TOCSIN_DAEMON__HTTP_PORT": "0", "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
    try:
        wait(lambda: "alert_topic_read" in log.read_text())
        start("youngest")
        assert process.wait(60) == 4
    finally:
        process.kill()
    last = log.read_text().splitlines()[-1]
    assert f"publish.transactional_id={settings.publish.transactional_id}: stop one of the two daemons" in last
