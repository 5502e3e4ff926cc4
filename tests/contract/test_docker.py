"""The container files: valid, pinned, and their commands are those that the tests run. (No engine is needed.)"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from broker.apache_kafka import version as kafka_version
from prometheus_client.metrics import MetricWrapperBase
from typer.testing import CliRunner

from pipelines.cli import app
from stream import metrics
from stream.configuration import load_settings

ROOT = Path(__file__).parent.parent.parent
DOCKER = ROOT / "docker"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return loaded


def dockerfiles() -> list[Path]:
    return [DOCKER / "Dockerfile", DOCKER / "Dockerfile.gpu"]


@pytest.mark.parametrize("path", dockerfiles(), ids=lambda p: p.name)
def test_image_is_not_root_is_checked_and_is_pinned(path: Path) -> None:
    text = path.read_text()
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert "/healthz" in text
    assert "--require-hashes" in text
    assert 'ENTRYPOINT ["tocsin"]' in text
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        for part in source.split():
            assert (ROOT / part).exists(), part
    assert all(":latest" not in line and ":" in line for line in re.findall(r"^FROM (.*)", text, re.MULTILINE))


def test_the_images_build_tool_is_the_pinned_one() -> None:
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]
    (pinned,) = [p for p in pins if p.startswith("hatchling==")]
    for path in dockerfiles():
        assert pinned in path.read_text()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-gpu.txt"])
def test_requirements_are_exact_hashed_and_name_no_host(name: str) -> None:
    text = (DOCKER / name).read_text()
    assert "://" not in text
    entries = re.findall(r"^([A-Za-z0-9_.\-\[\],]+)==\S+", text, re.MULTILINE)
    assert {"confluent-kafka", "numpy", "fastavro", "scipy", "lalsuite"} <= {e.partition("[")[0] for e in entries}
    blocks = re.split(r"\n(?=\S)", text.split("\n", 1)[1].strip())
    assert all("--hash=sha256:" in block for block in blocks)
    assert ("nvidia-cudnn" in text) == ("gpu" in name)


def test_direct_dependencies_are_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pins = {p.partition("==")[0] for p in project["tool"]["uv"]["constraint-dependencies"]}
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    named = [*project["project"]["dependencies"], *extras["search"], *extras["train"], *groups["dev"]]
    assert {re.split(r"[\[; ]", d)[0].lower() for d in named} - {"tocsin"} <= pins


def test_compose_runs_commands_that_exist(compose: dict[str, Any]) -> None:
    for name in ("topics", "tocsin", "simulator", "listen"):
        command = compose["services"][name]["command"]
        shown = CliRunner().invoke(app, [*command[: 2 if command[0] == "topics" else 1], "--help"])
        assert shown.exit_code == 0, command
        for option in (word for word in command if word.startswith("--")):
            assert option in shown.output


def test_compose_images_are_pinned_and_kafka_is_the_tested_one(compose: dict[str, Any]) -> None:
    images = {name: s["image"] for name, s in compose["services"].items() if "build" not in s}
    assert all(re.fullmatch(r"[\w/.\-]+:v?\d[\w.\-]*", image) for image in images.values())
    assert images["kafka"] == f"apache/kafka:{kafka_version()}"
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (DOCKER / volume.split(":")[0]).exists(), volume


def test_container_settings_load() -> None:
    settings = load_settings(DOCKER / "tocsin.toml")
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.publish.kind == "test"


def test_dashboard_and_rules_ask_for_metrics_that_are_there() -> None:
    dashboard = json.loads((DOCKER / "grafana/dashboards/tocsin.json").read_text())
    rules = yaml.safe_load((DOCKER / "alert-rules.yml").read_text())
    asked = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    asked += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    names = {name for expression in asked for name in re.findall(r"tocsin_\w+", expression)}
    known: set[str] = set()
    for metric in vars(metrics).values():
        for family in metric.describe() if isinstance(metric, MetricWrapperBase) else ():
            known |= {family.name, family.name + "_total", family.name + "_bucket"}
    assert names
    assert names <= known, names - known
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
