"""``tocsin listen`` as it is typed: real notices read and refused by name, and one line where something is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cli import entry
from stream.codec.external_file import read_external_file

Tocsin = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tocsin(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Tocsin:
    for name in ("GCN_CLIENT_ID", "GCN_CLIENT_SECRET", "HOP_USERNAME", "HOP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["tocsin", *arguments])
        with pytest.raises(SystemExit) as ended:
            entry.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_every_real_notice_is_an_event_or_a_refusal_with_its_name(
    tocsin: Tocsin, data_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "external.avro"
    code, shown, err = tocsin("listen", "--files", str(data_dir / "alerts"), "--out", str(out), "--json")
    assert code == 0, err
    *lines, last = [json.loads(line) for line in shown.splitlines()]
    summary = last["summary"]
    events = list(read_external_file(out))
    files = [p for p in (data_dir / "alerts").rglob("*") if p.is_file()]
    assert summary["messages"] == len(files) == summary["read"] + sum(summary["refused"].values())
    assert summary["events"] == len(events) == len(lines)
    assert [line["event_id"] for line in lines] == [event.event_id for event in events]
    assert summary["refused"]["circular"] >= 1
    refused = [json.loads(line) for line in err.splitlines() if "notice_refused" in line]
    assert len(refused) == sum(summary["refused"].values())
    assert {"IceCube", "Fermi-GBM", "Swift-BAT"} <= {event.source for event in events}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source", "gcn"], "set GCN_CLIENT_ID and GCN_CLIENT_SECRET"),
        (["--source", "scimma"], "set HOP_USERNAME and HOP_PASSWORD"),
        (["--source", "local"], "--topic"),
        (["--source", "moon"], "'moon' is no source: choose from gcn, scimma, local"),
        (["--source", "local", "--topic", "external.events"], "again and again"),
        (["--files", "gone"], "no such file"),
        (["--files", ".", "--source", "gcn"], "leave out --source"),
        (["--source", "local", "--topic", "a", "--from", "yesterday"], "--from 'yesterday': use latest, earliest, or"),
    ],
    ids=" ".join,
)
def test_what_is_missing_or_wrong_is_one_line_and_2(arguments: list[str], words: str, tocsin: Tocsin) -> None:
    code, out, err = tocsin("listen", *arguments, "--check") if "gone" in arguments else tocsin("listen", *arguments)
    assert (code, out) == (2, ""), err
    assert words in err
    assert err.count("\n") == 1
