"""The command line: results on stdout, errors in one line, exit codes that mean something."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fake_kafka import until
from fastavro import reader
from messengers import burst
from typer.testing import CliRunner

from pipelines.cli import app, entry
from pipelines.live import daemon
from stream.codec.external_file import write_external_file
from stream.errors import Fenced

COMMANDS = [
    ["run"], ["demo"], ["simulate"], ["replay"], ["fetch"], ["subscribe"], ["retract"], ["confirm"], ["doctor"],
    ["topics", "create"], ["topics", "list"], ["topics", "check"], ["bench", "latency"], ["bench", "throughput"],
    ["models", "list"], ["models", "show"], ["models", "verify"], ["models", "build"], ["models", "promote"],
]  # fmt: skip


def tocsin(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert f"tocsin {' '.join(command)}" in shown.output


def test_several_detectors_may_follow_one_option() -> None:
    written = ["fetch", "GW150914", "--detectors", "H1", "L1", "--out", "data/"]
    meant = ["fetch", "GW150914", "--detectors", "H1", "--detectors", "L1", "--out", "data/"]
    assert entry._several_detectors(written) == meant
    assert entry._several_detectors(meant) == meant


def test_usage_errors_exit_with_2() -> None:
    assert tocsin("nonsense").returncode == 2
    wrong = tocsin("run", "--config", "none.toml")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("tocsin: configuration file none.toml cannot be read")
    assert tocsin("replay", "--direct").returncode == 2


def test_an_unknown_setting_in_the_environment_exits_with_2() -> None:
    wrong = tocsin("run", "--print-config", TOCSIN_KAFKA__BOOTSTRAP="x")
    assert wrong.returncode == 2
    assert "TOCSIN_KAFKA__BOOTSTRAP" in wrong.stderr


def test_no_broker_exits_with_1_and_says_so() -> None:
    wrong = tocsin("topics", "list", "--broker", "127.0.0.1:1", TOCSIN_KAFKA__OPERATION_TIMEOUT_S="1")
    assert wrong.returncode == 1
    assert "no broker at 127.0.0.1:1" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_daemon_that_another_took_over_from_exits_with_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fenced(*_: object, **__: object) -> None:
        raise Fenced("another producer has publish.transactional_id=x")

    monkeypatch.setattr(daemon, "run", fenced)
    monkeypatch.setattr(sys, "argv", ["tocsin", "run"])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 4
    assert "another producer has publish.transactional_id=x" in capsys.readouterr().err


def test_one_that_is_told_to_wait_stays_until_it_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def fenced(*_: object, **__: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.2)  # the supervisor's signal, a little later
        raise Fenced("another producer has publish.transactional_id=x")

    began_s = time.monotonic()
    monkeypatch.setattr(daemon, "run", fenced)
    monkeypatch.setattr(sys, "argv", ["tocsin", "run"])
    monkeypatch.setenv("TOCSIN_DAEMON__WHEN_FENCED", "wait")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        with pytest.raises(SystemExit) as ended:
            entry.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended.value.code == 4
    assert time.monotonic() - began_s > 0.1


def test_a_damaged_file_is_named_and_exits_with_1(data_dir: Path) -> None:
    (damaged,) = (data_dir / "strain/damaged").glob("*.hdf5")
    wrong = tocsin("replay", str(damaged), "--direct")
    assert wrong.returncode == 1
    assert damaged.name in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_replay_writes_report_and_alerts_and_tells_of_other_messengers(data_dir: Path, tmp_path: Path) -> None:
    """Notices that cannot be read are counted."""
    heard = tmp_path / "heard"
    heard.mkdir()
    nowhere = burst(0.4, tense="archival", ra_deg=None, dec_deg=None, error_radius_deg=None)
    write_external_file(heard / "external.avro", [nowhere])
    (heard / "odd.json").write_text("no notice")
    files = sorted(str(p) for p in (data_dir / "strain").glob("GW150914/*_4_V2*.hdf5"))
    out, report = tmp_path / "out.avro", tmp_path / "out.json"
    done = tocsin(
        "replay", *files, "--direct", "--alerts", str(out), "--report", str(report), "--json", "--events", str(heard)
    )
    assert done.returncode == 0, done.stderr
    assert "--events: notices that could not be read: 1 " in done.stderr
    written = json.loads(report.read_text())
    assert json.loads(done.stdout) == written
    (found,) = written["candidates"]
    assert found["gps"] == pytest.approx(1126259462.42, abs=0.05)
    assert found["detectors"] == ["H1", "L1"]
    assert written["duration_s"] == 32.0
    alert: Any
    with out.open("rb") as file:
        (alert,) = reader(file)
    assert alert["superevent_id"] == found["superevent_id"] == "TS150914a"
    assert alert["event"]["far"] == found["far_hz"]
    assert alert["external_coinc"]["time_difference"] == pytest.approx(0.4, abs=0.05)
    assert found["revisions"][0]["joined"]["names"] == ["GRB 150914A"]


def test_ctrl_c_ends_a_simulation_cleanly(tmp_path: Path) -> None:
    """While it waits for a broker that is not there, too."""
    said = tmp_path / "said"
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "simulate", "--broker", "127.0.0.1:1"],
            stdout=file, stderr=file, env=os.environ | {"TOCSIN_KAFKA__OPERATION_TIMEOUT_S": "1"},
        )  # fmt: skip
    assert until(lambda: "broker_error" in said.read_text(), 60), said.read_text()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130, said.read_text()
    assert "Traceback" not in said.read_text()


def test_printed_configuration_is_toml_that_run_takes(tmp_path: Path) -> None:
    printed = tocsin("run", "--print-config", "--detectors", "H1", "V1")
    file = tmp_path / "tocsin.toml"
    file.write_text(printed.stdout)
    again = tocsin("run", "--print-config", "--config", str(file))
    assert again.returncode == 0, again.stderr
    assert again.stdout == printed.stdout
    assert tomllib.loads(printed.stdout)["strain"]["detectors"] == ["H1", "V1"]
