"""The cluster that the fault tests stand on: who is who is found, and a lost node's work goes to another."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from broker.apache_kafka import KafkaCluster

from stream.kafka.producer import TransactionalProducer
from stream.settings import KafkaSettings

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def eventually(there: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if there():
            return True
        time.sleep(0.1)
    return False


def test_a_killed_leader_is_followed_by_another_and_comes_back(cluster: KafkaCluster, fresh: str) -> None:
    cluster.create_topic(fresh)
    first = cluster.leader(fresh)
    assert first in cluster.brokers
    cluster.kill(first)
    assert eventually(lambda: cluster.leader(fresh) not in (first, None))
    assert first not in cluster.in_sync(fresh)
    cluster.start(first)
    cluster.wait_until_healed()
    assert set(cluster.brokers) == cluster.in_sync(fresh)


def test_a_paused_controller_is_followed_by_another(cluster: KafkaCluster) -> None:
    first = cluster.controller()
    assert first is not None
    cluster.pause(first)
    assert eventually(lambda: cluster.controller() not in (first, None))
    cluster.resume(first)
    cluster.wait_until_healed()


def test_the_transaction_coordinator_is_the_one_that_kafka_chose(cluster: KafkaCluster, fresh: str) -> None:
    """The broker itself says who coordinates a transactional id."""
    producer = TransactionalProducer(KafkaSettings(bootstrap_servers=cluster.bootstrap_servers), fresh)
    producer.close()
    coordinator = cluster.transaction_coordinator(fresh)
    assert coordinator in cluster.brokers
    state = cluster.nodes[coordinator].folder / "data"
    assert any(p.name.startswith("__transaction_state") for p in state.iterdir())
