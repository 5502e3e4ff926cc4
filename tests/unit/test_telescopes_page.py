"""The page for telescopes does what it says: its examples run as they stand, with what a light installation has."""

from __future__ import annotations

import ast
import base64
import io
import json
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest
import typer.main
from delivering import run_until_ended

from pipelines.cli.entry import app
from pipelines.subscribe import Alert
from pipelines.subscribe.actions.webhook import sign
from pipelines.subscribe.database import Database
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.judging import RuleOptions
from pipelines.subscribe.kept import KeptSource, files_of, read_file
from pipelines.subscribe.state import State
from pipelines.subscribe.written import Options, written

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "telescopes.md").read_text("utf-8")
RECEIVER, LOOP, SKYPORTAL = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def commands() -> Iterator[str]:
    """Yield the commands of the pages, continued lines joined."""
    for page in (PAGE, (DOCS / "rules.md").read_text("utf-8")):
        for line in page.replace("\\\n", " ").splitlines():
            if line.strip().startswith("tocsin "):
                yield line.strip().partition("  #")[0]


@pytest.mark.parametrize("line", list(commands()))
def test_every_command_of_the_pages_has_these_options(line: str) -> None:
    group, words = typer.main.get_command(app), shlex.split(line)[1:]
    while words and words[0] in getattr(group, "commands", {}):
        group = group.commands[words.pop(0)]  # type: ignore[attr-defined]
    group.make_context("tocsin", words)


def test_the_receiver_of_the_page_knows_our_signature_and_no_other() -> None:
    known: dict[str, Any] = {}
    exec(RECEIVER, known)
    now_s = int(time.time())
    assert known["is_ours"](b"secret", sign(b"secret", now_s, b"body"), b"body")
    assert not known["is_ours"](b"other", sign(b"secret", now_s, b"body"), b"body")
    assert not known["is_ours"](b"secret", sign(b"secret", now_s, b"body"), b"changed")
    assert not known["is_ours"](b"secret", sign(b"secret", now_s - 301, b"body"), b"body")


def test_the_rules_file_of_the_page_leads_to_its_actions(tmp_path: Path) -> None:
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my-telescope.toml").write_text(text)
    rules = RuleOptions(preset=str(tmp_path / "my-telescope.toml"))
    routes, doings = written(Options(rules), {"SLACK_URL": "https://hooks.example.org/x"})
    assert {route.name: route.actions for route in routes} == {"close": ("slew", "tell"), "any": ("tell",)}
    assert [(doing.action.kind, doing.give_up_s) for doing in doings.values()] == [("command", 1800), ("slack", 3600)]


@pytest.fixture
def guide(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """LVK's example, from early warning to retraction, as what a program subscribes to; what it was asked is kept."""
    found = [alert for path in files_of([data_dir / "alerts/lvk_userguide"]) for alert in read_file(path)]
    asked: list[dict[str, Any]] = []

    def subscribe(*sources: str, **options: Any) -> list[Alert]:
        asked.append({"sources": sources, **options})
        return [Alert(d) for d in run_until_ended(Engine([KeptSource(found)], State(Database(None)), Subscription()))]

    monkeypatch.setattr("pipelines.subscribe.subscribe", subscribe)
    return asked


def test_the_loop_of_the_page_points_and_stands_down(guide: list[dict[str, Any]]) -> None:
    done: list[Any] = []
    exec(LOOP, {"point_at": lambda places: done.append(len(places)), "stand_down": done.append})
    assert done == [5, 5, 5, 5, 5, "MS181101ab"]
    assert guide == [{"sources": ("gcn",), "where": "far < 1/month and area90 < 500", "name": "my-telescope"}]


def test_skyportal_is_posted_each_alert_with_its_map(
    guide: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[Request] = []

    def urlopen(request: Request, timeout: float) -> io.BytesIO:
        posted.append(request)
        return io.BytesIO()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setenv("FRITZ_TOKEN", "token")
    exec(SKYPORTAL, {})
    assert {request.full_url for request in posted} == {"https://fritz.science/api/gcn_event"}
    assert {request.headers["Authorization"] for request in posted} == {"token token"}
    bodies = [json.loads(request.data) for request in posted if isinstance(request.data, bytes)]
    kinds = sorted(body["tags"][1] for body in bodies)
    assert kinds == ["EARLYWARNING", "INITIAL", "PRELIMINARY", "UPDATE", "UPDATE"]
    assert all(base64.b64decode(body["skymap"])[:9] == b"SIMPLE  =" for body in bodies)


@pytest.mark.parametrize("text", [RECEIVER, LOOP, SKYPORTAL])
def test_an_example_needs_nothing_that_is_not_installed(text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "pipelines"}
