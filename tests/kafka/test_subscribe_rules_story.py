"""LVK's example event from early warning to retraction, through rules: what it must cause, and what not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from told import STORY

from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.producer import Producer
from stream.settings import KafkaSettings

pytestmark = pytest.mark.kafka

RULES = """
name = "story"

[[rule]]
name = "gold"
where = "far < 1/month and p(BNS) + p(NSBH) > 0.5 and area90 < 500 and distance < 200"
types = ["initial"]
actions = ["slew"]

[[rule]]
name = "burst"
where = "joint and joint_far < 1/year and messenger = gamma"
actions = ["note"]

[[rule]]
name = "black-holes"
where = "p(BBH) > 0.5"
actions = ["never"]

[actions.slew]
file = "{folder}/slew"
[actions.note]
file = "{folder}/note"
[actions.never]
file = "{folder}/never"
"""


def sent(broker: EmbeddedBroker, data_dir: Path, *names: str) -> None:
    broker.create_topic("alerts.gw")
    producer = Producer(KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
    for name in names:
        file = data_dir / f"alerts/lvk_userguide/MS181101ab-{name}.avro"
        producer.send("alerts.gw", "MS181101ab", file.read_bytes(), ())
    producer.flush()
    producer.close()


def subscribed(broker: EmbeddedBroker, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return what `tocsin subscribe --json` printed."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pipelines.cli", "subscribe", "--broker", broker.bootstrap_servers, "--json",
            "--from", "earliest", "--state", str(folder / "state"), *arguments,
        ],
        capture_output=True, text=True, timeout=100, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_rule_causes_its_own_actions_and_hears_the_retraction(
    embedded: EmbeddedBroker, data_dir: Path, tmp_path: Path
) -> None:
    sent(embedded, data_dir, *STORY)
    (tmp_path / "story.toml").write_text(RULES.format(folder=tmp_path))
    lines = subscribed(embedded, tmp_path, "--preset", str(tmp_path / "story.toml"), "-n", "4", "--timeout", "60")
    told = [(line["alert_type"], line["subscription"]["actions"], "event" in line) for line in lines]
    assert told == [
        ("INITIAL", ["slew"], True), ("UPDATE", ["slew"], True), ("UPDATE", ["slew", "note"], True),
        ("RETRACTION", ["slew", "note"], True),
    ]  # fmt: skip
    gold, burst, holes = lines[2]["subscription"]["rules"]
    assert (gold["matched"], gold["followed"], burst["matched"]) == (False, True, True)
    assert (holes["matched"], holes["because"]) == (False, ["no: p(BBH) (0.03) > 0.5"])
    retraction = lines[3]["subscription"]["rules"]
    assert [rule["because"] for rule in retraction[:2]] == [["withdraws the event"]] * 2
    assert len(list((tmp_path / "slew").iterdir())) == 4
    assert len(list((tmp_path / "note").iterdir())) == 2
    assert not (tmp_path / "never").exists()


def test_what_is_unknown_is_accepted_where_it_is_asked_for(
    embedded: EmbeddedBroker, data_dir: Path, tmp_path: Path
) -> None:
    sent(embedded, data_dir, "initial", "retraction")
    where = ("--where", "mchirp < 5 and test", "-n", "1", "--timeout", "60")
    (line,) = subscribed(embedded, tmp_path, *where, "--unknown", "accept")
    (rule,) = line["subscription"]["rules"]
    assert (line["alert_type"], rule["matched"], rule["unknown"]) == ("INITIAL", True, ["mchirp"])
