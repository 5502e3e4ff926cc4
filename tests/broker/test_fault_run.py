"""The short form of the fault runs: a lost leader and a killed daemon cost no merger."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from broker.apache_kafka import KafkaCluster
from broker.fault_stage import Stage
from broker.faults import finish, run

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_a_killed_leader_and_a_killed_daemon_cost_no_merger(cluster: KafkaCluster, tmp_path: Path, fresh: str) -> None:
    """Nothing is lost, doubled or sent with one detector of two; how late is for the long form to say."""
    with Stage(cluster, tmp_path, seed=5, seconds=300, session_s=3.0, prefix=fresh + ".") as stage:
        report = finish(stage, run(stage, ["strain-leader-kill", "daemon-kill"], 300, Random(5)))
    assert (report["lost"], report["doubled"], report["downgraded"]) == (0, 0, 0), report["offenders"]
    assert report["mergers"] >= 3
    assert report["referee"]["read_all"] is True
