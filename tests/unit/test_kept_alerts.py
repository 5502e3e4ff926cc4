"""Alerts that were kept: LVK's own through a rule, files that hold none named, dead letters listed and let go again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from delivering import queued, run_until_ended
from typer.testing import CliRunner

import schemas
from pipelines.cli.entry import app
from pipelines.subscribe.actions import ActionSettings
from pipelines.subscribe.actions.worker import Worker
from pipelines.subscribe.database import Database
from pipelines.subscribe.engine import Engine, Subscription
from pipelines.subscribe.judging import RuleOptions
from pipelines.subscribe.kept import KeptSource, files_of, read_file, read_files, replay
from pipelines.subscribe.maps import read_map
from pipelines.subscribe.queue import Queue
from pipelines.subscribe.state import State
from pipelines.subscribe.written import Options, doings_of, written
from stream.codec.alert import decode_alert, write_alerts
from stream.errors import ConfigurationError, DataError

RULE = RuleOptions(where="far < 1/year and p(BNS) > 0.5 and area90 < 100 and type = initial")


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("NO_COLOR", "1")
    return CliRunner()


def test_a_merger_from_early_warning_to_retraction_causes_what_its_rule_leads_to(
    tmp_path: Path, data_dir: Path
) -> None:
    """MS181101ab: nothing before INITIAL, which the rule asks for; then all that follows of it, the retraction last."""
    alerts = [
        a
        for _, found in read_files(files_of([data_dir / "alerts/lvk_userguide"]))
        if isinstance(found, list)
        for a in found
    ]
    program = tmp_path / "act.sh"
    program.write_text(f'#!/bin/sh\necho "$TOCSIN_SUPEREVENT_ID $TOCSIN_ALERT_TYPE" >> {tmp_path}/done\n')
    program.chmod(0o755)
    routes, doings = written(Options(RULE, command=(str(program),), out=tmp_path / "kept"), {"PATH": "/bin:/usr/bin"})
    database = Database(tmp_path / "x")
    run_until_ended(Engine([KeptSource(alerts)], State(database), Subscription(routes, "x")))
    for name, doing in doings.items():
        worker = Worker(name, doing, Queue(database))
        while worker.step():
            pass
    done = [line.split() for line in (tmp_path / "done").read_text().splitlines()]
    assert {event for event, _ in done} == {"MS181101ab"}
    assert [kind for _, kind in done] == ["RETRACTION"], "queued and withdrawn before it was acted upon"
    database.close()


def test_acted_upon_as_they_come_each_kind_causes_its_action_once(tmp_path: Path, data_dir: Path) -> None:
    alerts = [
        a
        for _, found in read_files(files_of([data_dir / "alerts/lvk_userguide"]))
        if isinstance(found, list)
        for a in found
    ]
    routes, doings = written(Options(RULE, out=tmp_path / "kept"), {})
    database = Database(tmp_path / "x")
    worker = Worker("file", doings["file"], Queue(database))
    acted: list[str] = []
    engine = Engine([KeptSource(alerts)], State(database), Subscription(routes, "x"), each=True)
    for delivery in run_until_ended(engine, worker.step):
        acted.append(delivery.alert.record["alert_type"])
    assert acted == ["INITIAL", "UPDATE", "RETRACTION"]
    assert worker.done == 3
    database.close()


REFUSED = {
    "example_avro.avro": "container of 'auto_record2': expected igwn.alerts.Alert",
    "example_blob.txt": "neither an Avro nor a JSON alert",
    "example_gcn.gcn3": "a circular, and no alert",
    "example_gcn.txt": "a notice of IceCube, and no alert: `tocsin listen --files` reads it",
    "example_json.json": "JSON alert lacks alert.alert_type",
    "bayestar.multiorder.fits": "a sky map, and no alert: `tocsin skymap` reads it",
    "combined-ext.multiorder.fits": "a sky map, and no alert: `tocsin skymap` reads it",
    "GW170817_prelim.fits.gz": "a sky map, and no alert: `tocsin skymap` reads it",
}


def test_every_file_of_lvk_and_hop_is_read_or_refused_by_name(data_dir: Path, runner: CliRunner) -> None:
    """Alerts as alerts; the rest by what it is, and what reads it; nothing else is raised."""
    folders = [data_dir / "alerts" / name for name in ("lvk_userguide", "skymaps", "hop_client_tests")]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    for path in files:
        shown = runner.invoke(app, ["alerts", "show", str(path)])
        if path.name in REFUSED:
            assert (shown.exit_code, shown.stdout) == (1, ""), path
            assert shown.stderr.startswith(f"{path}: {REFUSED[path.name]}")
        else:
            assert (shown.exit_code, shown.stderr) == (0, ""), path
            assert shown.stdout.startswith("S200302c  " if "example" in path.name else "MS181101ab  ")
    assert REFUSED.keys() <= {path.name for path in files}
    assert len(files) >= 27
    assert all(read_map(path).skymap.uniq.size for path in files if ".fits" in path.name)


@pytest.mark.parametrize(
    "payload", [b"", b"<", b"<a/>", b"SIMPLE", b"\x1f\x8b", b"TITLE: GCN", b"\x00" * 99, b"[" * 9999]
)
def test_what_is_damaged_has_a_reason(payload: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(payload)
    with pytest.raises(DataError, match=r".{8}"):
        read_file(tmp_path / "x")


def test_a_rule_is_run_over_the_past(data_dir: Path, runner: CliRunner) -> None:
    folder = str(data_dir / "alerts/lvk_userguide")
    result = runner.invoke(app, ["alerts", "replay", folder, "--where", RULE.where, "--json"])
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["alert_type"] for line in lines] == ["INITIAL", "UPDATE", "RETRACTION"]
    assert [line["subscription"]["rules"][0]["matched"] for line in lines] == [True, False, False]
    assert "3 of 6 alerts" in result.stderr
    told = [d.is_delivered for d in replay([Path(folder)], RULE)]
    assert told.count(True) == 3


def test_a_file_that_holds_no_alert_is_named(tmp_path: Path, runner: CliRunner) -> None:
    (tmp_path / "good.avro").write_bytes(schemas.example("alert", "1.3"))
    (tmp_path / "bad.json").write_text("{}")
    shown = runner.invoke(app, ["alerts", "show", str(tmp_path)])
    assert shown.exit_code == 1
    assert "bad.json" in shown.stderr
    assert shown.stdout.startswith("TS150914a")
    listed = runner.invoke(app, ["alerts", "list", str(tmp_path), "--json"])
    assert json.loads(listed.stdout)["superevent_id"] == "TS150914a"
    with pytest.raises(ConfigurationError, match="no such file"):
        files_of([tmp_path / "missing"])


def test_a_file_of_several_alerts_is_read_one_by_one(tmp_path: Path) -> None:
    record = decode_alert(schemas.example("alert", "1.3"))
    write_alerts(tmp_path / "two.avro", [record, record | {"superevent_id": "TS150914b"}])
    assert [alert.superevent_id for alert in read_file(tmp_path / "two.avro")] == ["TS150914a", "TS150914b"]


def test_dead_letters_are_listed_and_wait_again(tmp_path: Path, runner: CliRunner) -> None:
    queued(database := Database(tmp_path / "scope"), "a")
    doings = doings_of({"act": ActionSettings(command=("/nowhere/slew.sh",), give_up_s=0)}, {})
    Worker("act", doings["act"], Queue(database)).step()
    database.close()
    listed = runner.invoke(app, ["alerts", "dead", "--state", str(tmp_path)])
    assert "scope  act  S1a" in listed.stdout
    assert "1 attempts  /nowhere/slew.sh cannot be started" in listed.stdout
    again = runner.invoke(app, ["alerts", "dead", "--name", "scope", "--state", str(tmp_path), "--again", "--json"])
    assert json.loads(again.stdout)["action"] == "act"
    assert "1 wait again" in again.stderr
    assert runner.invoke(app, ["alerts", "dead", "--state", str(tmp_path)]).stdout == ""
    assert runner.invoke(app, ["alerts", "dead", "--name", "other", "--state", str(tmp_path)]).exit_code != 0


def test_check_says_what_works_and_what_not(tmp_path: Path, runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each thing; the exit code tells whether all is well."""
    monkeypatch.setattr("pipelines.subscribe.check.list_topics", lambda settings: {"alerts.gw": 1})
    monkeypatch.delenv("HOP_USERNAME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    asked = ["subscribe", "--check", "--state", str(tmp_path), "--on-alert", "/bin/true", "--where", "far < 1/month"]
    well = runner.invoke(app, asked)
    assert well.exit_code == 0, well.output
    assert [line.split("  ")[0] for line in well.stdout.splitlines()] == ["ok"] * 5
    assert "far < 1/month → command" in well.stdout
    several = runner.invoke(app, [*asked, "--preset", "rubin-silver"]).stdout
    assert "\\n" not in several and "area90 < 500 and has_ns >= 0.5" in several, "a rule of several lines is one"
    bad = runner.invoke(
        app, [*asked, "--source", "scimma", "--source", "local", "--topic", "none", "--webhook", "http://localhost:1/x"]
    )
    assert bad.exit_code == 1
    failed = [line.split(":")[0].removeprefix("FAIL  ") for line in bad.stdout.splitlines() if line.startswith("FAIL")]
    assert failed == ["source scimma", "topic local", "action webhook"]
