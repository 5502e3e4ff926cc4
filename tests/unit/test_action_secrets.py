"""Where a webhook's URL and its secret are written, and that nobody is shown them, whatever goes wrong."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from delivering import an_alert, queued
from prometheus_client import generate_latest
from typer.testing import CliRunner

import schemas
from pipelines.cli import entry
from pipelines.subscribe.actions import ActionSettings, Call
from pipelines.subscribe.actions.secret import look_up
from pipelines.subscribe.actions.worker import Worker
from pipelines.subscribe.database import Database
from pipelines.subscribe.queue import Queue
from pipelines.subscribe.written import Options, doings_of, written
from stream.errors import ConfigurationError

CANARY = "hunter2canary"
PATH = f"/services/T0/{CANARY}?token={CANARY}#{CANARY}"
URL = f"http://localhost:1{PATH}"


def test_a_url_is_named_by_a_variable_or_a_file(tmp_path: Path) -> None:
    """White space around it is not part of it: editors end a file with a line."""
    (tmp_path / "hook").write_text(f" {URL}\n")
    for text in (URL, "env:HOOK", f"file:{tmp_path / 'hook'}"):
        assert look_up(text, {"HOOK": f"{URL} "}) == URL


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * 20_000, None])
def test_a_file_that_holds_none_is_named(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "hook").write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"file:{tmp_path}/hook"):
        look_up(f"file:{tmp_path}/hook", {})


@pytest.mark.parametrize("environ", [{}, {"HOOK": ""}, {"HOOK": " "}])
def test_a_variable_that_is_not_set_is_named(environ: dict[str, str]) -> None:
    for options in (Options(webhook="env:HOOK"), Options(slack="env:HOOK")):
        with pytest.raises(ConfigurationError, match="env:HOOK: the variable is not set"):
            written(options, environ)


@pytest.mark.parametrize("where", ["variable", "env", "file", "file of a variable", "here"])
def test_a_webhooks_secret_is_named_in_the_same_ways(where: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    named = {"env": "env:MINE", "file": f"file:{tmp_path}/secret", "here": CANARY}.get(where, "")
    environ = {
        "variable": {"TOCSIN_WEBHOOK_SECRET": CANARY},
        "file of a variable": {"TOCSIN_WEBHOOK_SECRET": f"file:{tmp_path}/secret"},
        "env": {"MINE": CANARY},
    }.get(where, {})
    doings = doings_of({"post": ActionSettings(webhook=URL, secret=named)}, environ)
    assert vars(doings["post"].action)["_secret"] == CANARY.encode()


def test_a_command_finds_no_url_of_another_action(tmp_path: Path) -> None:
    """Whatever the variable is called."""
    program = tmp_path / "act.sh"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/found\n")
    program.chmod(0o755)
    environ = {"HOOK": URL, "CHAT": URL, "SIGN": CANARY, "MORE": "x"}
    asked = {
        "do": ActionSettings(command=(str(program),)),
        "post": ActionSettings(webhook="env:HOOK", secret="env:SIGN"),
        "tell": ActionSettings(slack="env:CHAT"),
    }
    doings_of(asked, environ)["do"].action.run(Call(an_alert(), "k", 1, {}))
    found = (tmp_path / "found").read_text()
    assert "MORE=x" in found and CANARY not in found


def a_rules_file(folder: Path, action: str) -> str:
    file = folder / "mine.toml"
    file.write_text(f'name = "mine"\n[[rule]]\nname = "all"\nwhere = "far < 1"\n{action}\n')
    return str(file)


def ways(folder: Path) -> Iterator[list[str]]:
    """Yield the arguments that name a URL, in all ways."""
    (folder / "hook").write_text(URL)
    for text in (URL, "env:HOOK", f"file:{folder / 'hook'}"):
        for option in ("webhook", "slack"):
            yield [f"--{option}", text]
            yield ["--preset", a_rules_file(folder, f'[actions.it]\n{option} = "{text}"')]


def shown(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["tocsin", *arguments])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    return int(ended.value.code or 0), "".join(capfd.readouterr())


def test_check_shows_the_host_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.subscribe.check.list_topics", lambda settings: {"alerts.gw": 1})
    monkeypatch.setenv("HOOK", URL)
    for arguments in ways(tmp_path):
        for form in ([], ["--json"]):
            code, text = shown(
                ["subscribe", "--check", "--state", str(tmp_path), *arguments, *form], monkeypatch, capfd
            )
            assert (code, CANARY in text) == (1, False), text
            assert "http://localhost:1/" in text and "cannot be reached" in text


MISTAKES = [
    "", "x", f"htps://a/{CANARY}", f"http://example.org/{CANARY}", f"https://u:{CANARY}@a/", f"https://a/ {CANARY}",
    f"https://a:99999/{CANARY}", f"https://[/{CANARY}", f"env:https://a/{CANARY}", f"env: {CANARY}",
    f"file:https://a/{CANARY}", f"https:/a/{CANARY}", f"//a/{CANARY}",
]  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_a_url_that_is_wrong_is_not_shown(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for option in ("webhook", "slack"):
        for arguments in (
            [f"--{option}", text],
            ["--preset", a_rules_file(tmp_path, f'[actions.it]\n{option} = "{text}"')],
        ):
            code, told = shown(["subscribe", "--check", *arguments], monkeypatch, capfd)
            assert (code, CANARY in told, told.count("\n")) == (2, False, 1), told


@pytest.mark.parametrize(
    "action",
    [
        f'[actions.it]\nwebhook = "{URL}',
        f"[actions.it]\nwebhook = {URL}",
        f'[actions.it]\nwebhook = ["{URL}"]',
        f'[actions.it]\nwebhok = "{URL}"',
        f'[actions.it]\nwebhook = "{URL}"\nslack = "{URL}"',
        f'[actions.it]\nwebhook = "{URL}"\nwebhook = "{URL}"',
        f'[actions.it]\nwebhook = "{URL}"\ntimeout_s = "{URL}"',
        f'[actions.it]\n"{URL}" = 1',
        f'[actions.it]\n"{URL}" = 1\n"{URL}" = 1',
        f'[actions]\nit = "{URL}"',
        f'[actions]\nit = ["{URL}"]',
        f'[[actions]]\nwebhook = "{URL}"',
        f'[actions."{URL}"]\nwebhook = 3',
        f'[actions."{URL}"]\n[actions."{URL}"]',
        f'[[rule]]\nname = "b"\nwhere = "far < 1"\nactions = ["{URL}"]',
        f'webhook = "{URL}"',
        f'[webhook]\nurl = "{URL}"',
    ],
)
def test_no_mistake_in_a_rules_file_shows_a_url(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, told = shown(["subscribe", "--check", "--preset", a_rules_file(tmp_path, action)], monkeypatch, capfd)
    assert (code, CANARY in told) == (2, False), told


@pytest.fixture
def parrot() -> Iterator[int]:
    """The port of a server that answers with what it was asked, which is no HTTP."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.sendall(connection.recv(1 << 16))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(10)


@pytest.mark.kafka
@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_what_fails_is_told_without_the_url(
    kind: str, parrot: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the log, in dead letters, in the state file and in metrics, though the server repeats it."""
    queued(database := Database(tmp_path / "scope"), "a", action=kind)
    asked = {kind: ActionSettings(**{kind: f"http://127.0.0.1:{parrot}{PATH}", "give_up_s": 0})}
    Worker(kind, doings_of(asked, {})[kind], Queue(database)).step()
    [letter] = Queue(database).dead()
    database.close()
    assert "did not answer" in letter.error
    listed = CliRunner().invoke(entry.app, ["alerts", "dead", "--state", str(tmp_path), "--json"])
    held = b"".join(file.read_bytes() for file in (tmp_path / "scope").iterdir())
    assert "action_given_up" in (told := "".join(capfd.readouterr()))
    assert CANARY not in f"{letter}{listed.stdout}{told}{generate_latest().decode()}"
    assert CANARY.encode() not in held


def test_a_rule_is_run_over_the_past_though_no_variable_is_set(tmp_path: Path) -> None:
    """Nothing is done about what is past."""
    (tmp_path / "one.avro").write_bytes(schemas.example("alert", "1.3"))
    file = a_rules_file(tmp_path, '[actions.it]\nwebhook = "env:HOOK"')
    ran = CliRunner().invoke(entry.app, ["alerts", "replay", str(tmp_path), "--preset", file, "--json"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["subscription"]["actions"] == []
