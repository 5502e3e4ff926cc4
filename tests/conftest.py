"""Fixtures for all tests: where the real data are, which brokers there are, and the settings that reach them."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import structlog

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as pipelines does, before NumPy loads
sys.path.insert(0, str(Path(__file__).parent / "contract"))
sys.path.insert(0, str(Path(__file__).parent))

from broker import apache_kafka
from hypothesis import settings

from stream.kafka.embedded import EmbeddedBroker

# The same examples on every machine, and no deadline: a slow machine is not a failure.
settings.register_profile("ci", deadline=None, derandomize=True)
# To hunt for new failures: HYPOTHESIS_PROFILE=explore pytest tests/property
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Who is told to end takes its brokers along; and what a test starts hears Ctrl-C, which a shell's background does not.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _plain_log() -> Iterator[None]:
    """A command that a test ran has set the log to a stream that ends with it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real strain, alerts and spectra; the test is skipped where there is none."""
    stated = os.environ.get("TOCSIN_TEST_DATA")
    if not stated:
        pytest.skip("TOCSIN_TEST_DATA is not set: it names the folder of real data")
    folder = Path(stated)
    if not folder.is_dir():
        pytest.fail(f"TOCSIN_TEST_DATA is {folder}, which is no folder: correct or unset it")
    return folder


class Broker(Protocol):
    """What both brokers can do."""

    @property
    def bootstrap_servers(self) -> str: ...
    def create_topic(self, name: str, partitions: int = 1) -> None: ...
    def down(self) -> None: ...
    def up(self) -> None: ...


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apache_kafka.ApacheKafka]:
    """Apache Kafka, one for the whole run; skipped where it is not there, unless TOCSIN_REQUIRE_KAFKA is set."""
    _need_apache_kafka()
    broker = apache_kafka.ApacheKafka(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apache_kafka.KafkaCluster]:
    """Three brokers for the whole run, quicker than Kafka's default to call one dead; use ``cluster``."""
    _need_apache_kafka()
    with apache_kafka.KafkaCluster(tmp_path_factory.mktemp("cluster"), session_timeout_ms=3000) as cluster:
        yield cluster


@pytest.fixture
def cluster(three_brokers: apache_kafka.KafkaCluster) -> Iterator[apache_kafka.KafkaCluster]:
    """Three brokers in good health, whatever the test before did to them."""
    three_brokers.heal()
    yield three_brokers
    three_brokers.heal()


def _need_apache_kafka() -> None:
    reason = apache_kafka.missing()
    if reason is not None:
        if os.environ.get("TOCSIN_REQUIRE_KAFKA"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    """A fresh embedded broker."""
    with EmbeddedBroker() as broker:
        yield broker


_APACHE = pytest.param("kafka", marks=pytest.mark.broker, id="apache")


@pytest.fixture(params=[pytest.param("embedded", marks=pytest.mark.kafka), _APACHE])
def any_broker(request: pytest.FixtureRequest) -> Broker:
    """Each broker in turn: the same behaviour is asked of both."""
    broker: Broker = request.getfixturevalue(request.param)
    return broker


on_apache = pytest.mark.parametrize("any_broker", [_APACHE], indirect=True)
"""For what takes long and is not about the broker: on the real one alone."""


@pytest.fixture
def fresh() -> str:
    """A name that no other test uses: tests share Apache Kafka, not its topics."""
    return uuid.uuid4().hex[:10]
