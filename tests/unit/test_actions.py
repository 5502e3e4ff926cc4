"""What an action does with an alert: a command, a webhook, a chat; no shell, no redirect, no secret shown."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from delivering import an_alert, script
from pydantic import ValidationError

from pipelines.subscribe.actions import ActionSettings, Call, make_action
from pipelines.subscribe.actions.command import CommandAction, variables
from pipelines.subscribe.actions.http import Poster, Target, target_of
from pipelines.subscribe.actions.settings import WEBHOOK_SECRET
from pipelines.subscribe.actions.webhook import SlackAction, WebhookAction, sign
from stream.environment import read
from stream.errors import ActionFailed, ConfigurationError


def a_call(attempt: int = 1) -> Call:
    return Call(an_alert(), "k" * 64, attempt, {"test": True, "rules": []})


def test_a_command_gets_the_alert_on_its_input_and_few_values_in_its_environment(tmp_path: Path) -> None:
    program = script(tmp_path, f'cat > {tmp_path}/in; env > {tmp_path}/env; printf "%s|" "$@" > {tmp_path}/args')
    environ = {"PATH": os.environ["PATH"], "HOP_PASSWORD": "hidden", "GCN_CLIENT_SECRET": "hidden", "MINE": "yes"}
    CommandAction((program, "--to", "$(touch /tmp/x) `id`;"), 10.0, environ).run(a_call(2))
    assert json.loads((tmp_path / "in").read_bytes())["superevent_id"] == "TS150914a"
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert env["TOCSIN_SUPEREVENT_ID"] == "TS150914a"
    assert (env["TOCSIN_ATTEMPT"], env["TOCSIN_KEY"], env["TOCSIN_TEST"]) == ("2", "k" * 64, "1")
    assert env["MINE"] == "yes"
    assert "hidden" not in env.values()
    assert (tmp_path / "args").read_text() == "--to|$(touch /tmp/x) `id`;|"


def test_what_stands_in_the_environment_for_actions_is_not_taken_for_a_setting() -> None:
    """A webhook is signed, and the command of an alert may itself start ours."""
    assert read(variables(a_call()) | {WEBHOOK_SECRET: "hidden"}, {}) == {}


def test_a_command_that_ends_otherwise_than_with_0_failed(tmp_path: Path) -> None:
    with pytest.raises(ActionFailed, match="exit code 3"):
        CommandAction((script(tmp_path, "exit 3"),), 10.0).run(a_call())
    with pytest.raises(ActionFailed, match="cannot be started"):
        CommandAction((str(tmp_path / "missing"),), 10.0).run(a_call())


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    program = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(ActionFailed, match=r"took longer than 0\.5 s"):
        CommandAction((program,), 0.5).run(a_call())
    child = int((tmp_path / "pid").read_text())
    for _ in range(200):
        if not _lives(child):
            return
        time.sleep(0.01)
    raise AssertionError(f"{child} lives")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_that_does_not_read_its_input_is_fine(tmp_path: Path) -> None:
    CommandAction((script(tmp_path, "exit 0"),), 10.0).run(a_call())


def test_a_strangers_id_is_no_value_of_the_environment(tmp_path: Path) -> None:
    call = a_call()
    call.alert.record["superevent_id"] = "\n$(id)"
    program = script(tmp_path, f'printf "%s" "$TOCSIN_SUPEREVENT_ID" > {tmp_path}/id')
    CommandAction((program,), 10.0).run(call)
    assert (tmp_path / "id").read_text() == ""


def test_check_says_whether_the_program_is_there(tmp_path: Path) -> None:
    assert "is started" in CommandAction((script(tmp_path, "exit 0"),), 1.0).check()
    (tmp_path / "act.sh").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod"):
        CommandAction((str(tmp_path / "act.sh"),), 1.0).check()


class Server:
    """A server of this machine that answers as told and remembers what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.version, self.connections = "HTTP/1.0", 0
        self.open: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                self.protocol_version = outer.version
                outer.connections += 1
                outer.open.append(self.request)
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((dict(self.headers), body))
                self.send_response(outer.answers.pop(0) if outer.answers else 200)
                self.send_header("Location", "http://localhost:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?x=1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def hang_up(self) -> None:
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.mark.kafka
def test_a_webhook_gets_signed_json_under_a_key(server: Server) -> None:
    WebhookAction(server.url, 5.0, b"secret", lambda: 1234.9).run(a_call())
    [(headers, body)] = server.got
    assert json.loads(body)["superevent_id"] == "TS150914a"
    assert headers["Idempotence-Key"] == "k" * 64
    expected = hmac.new(b"secret", b"1234." + body, hashlib.sha256).hexdigest()
    assert headers["X-Tocsin-Signature"] == f"t=1234,v1={expected}" == sign(b"secret", 1234, body)
    WebhookAction(server.url, 5.0).run(a_call())
    assert "X-Tocsin-Signature" not in server.got[1][0]


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("answer", "words"), [(500, "answered 500"), (302, "redirects are not followed"), (404, "404")]
)
def test_a_webhook_that_is_refused_failed(server: Server, answer: int, words: str) -> None:
    server.answers = [answer]
    with pytest.raises(ActionFailed, match=words):
        WebhookAction(server.url, 5.0).run(a_call())
    assert len(server.got) == 1


@pytest.mark.kafka
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_connection_is_kept_and_opened_anew_where_the_server_closed_it(server: Server, version: str) -> None:
    server.version = version
    action = WebhookAction(server.url, 5.0)
    for _ in range(3):
        action.run(a_call())
    assert (len(server.got), server.connections) == (3, 3 if version == "HTTP/1.0" else 1)
    server.hang_up()
    action.run(a_call())
    assert len(server.got) == 4


@pytest.mark.kafka
def test_a_chat_gets_a_line_without_mentions(server: Server) -> None:
    call = a_call()
    call.alert.record["event"]["group"] = "<!channel> & <http://x|y> @channel"
    SlackAction(server.url, 5.0).run(call)
    text = json.loads(server.got[0][1])["text"]
    assert text.startswith("TEST  TS150914a")
    assert "&lt;!channel&gt; &amp; &lt;http" in text
    assert "@channel" not in text


@pytest.mark.kafka
def test_a_server_that_is_not_there_failed() -> None:
    with pytest.raises(ActionFailed, match="did not answer"):
        Poster(Target("127.0.0.1", 1, "/", False), 1.0).post(b"", {})


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "ftp://example.org",
        "https://",
        "example.org",
        "https://u:p@example.org/",
        "https://[/",
        "https://a/\r\nX: y",
        "https://a/ b",
    ],
)
def test_a_url_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        target_of(url)
    assert "u:p" not in str(caught.value)


def test_a_url_is_a_secret_of_which_the_host_is_shown() -> None:
    target = target_of("https://hooks.example.org/services/T0/B0/secret")
    assert target.shown == "https://hooks.example.org:443/…"
    settings = ActionSettings(slack="https://hooks.example.org/services/T0/B0/secret")
    assert "T0" not in repr(settings)


def test_an_action_is_exactly_one_thing(tmp_path: Path) -> None:
    for many in ({}, {"file": tmp_path, "command": ("x",)}):
        with pytest.raises(ValidationError):
            ActionSettings(**many)
    kinds = ({"file": tmp_path}, {"command": ("x",)}, {"webhook": "https://a/"}, {"slack": "https://a/"})
    made = [make_action(ActionSettings(**one), {}).kind for one in kinds]
    assert made == ["file", "command", "webhook", "slack"]


def test_a_full_disk_for_temporary_files_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(ActionFailed, match="No space left"):
        CommandAction((script(tmp_path, "exit 0"),), 5.0).run(a_call())
