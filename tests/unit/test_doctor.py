"""The doctor names each fault and its remedy, and does not stop at the first."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.live import doctor
from pipelines.live.doctor import as_dict, examine
from stream.configuration import load_settings
from stream.infer import open_model
from stream.kafka.embedded import EmbeddedBroker


def findings(**overrides: dict[str, object]) -> dict[str, doctor.Finding]:
    settings = load_settings(
        None, {"kafka": {"operation_timeout_s": 1, "bootstrap_servers": "127.0.0.1:1"}} | overrides
    )
    return {finding.name: finding for finding in examine(settings)}


def test_without_a_broker_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    found = findings(daemon={"state_dir": tmp_path}, publish={"outbox": tmp_path / "outbox"})
    assert not found["broker"].ok
    assert "127.0.0.1:1" in found["broker"].detail
    assert found["broker"].remedy
    assert found["schemas"].ok
    assert found["model"].ok
    assert found["state folder"].ok
    assert found["accelerator"].ok
    assert as_dict(list(found.values()))["ok"] is False


def test_an_accelerator_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    """ONNX Runtime lists a provider that it was built with, whether there is a GPU or not: only opening it tells."""
    found = findings(infer={"provider": "cuda"}, daemon={"state_dir": tmp_path})
    if found["model"].ok:
        pytest.skip("there is a GPU here")
    assert "cuda" in found["model"].detail.lower()


def test_a_model_with_an_altered_background_is_named_with_the_remedy(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(open_model("first").folder, tmp_path / "altered"))
    (folder / "background.json").write_text("{}")
    found = findings(infer={"model": f"{folder}/"}, daemon={"state_dir": tmp_path})
    assert not found["model"].ok
    assert "background.json" in found["model"].detail
    assert "evaluate background --measure" in found["model"].detail


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = findings(infer={"model": "none-such"}, daemon={"state_dir": tmp_path})
    assert not found["model"].ok
    assert "none-such" in found["model"].detail


def test_little_disk_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_MIN_FREE_BYTES", 1 << 60)
    found = findings(daemon={"state_dir": tmp_path}, publish={"outbox": tmp_path})
    assert found["state folder"].remedy == "free some disk"


@pytest.mark.kafka
def test_missing_topics_are_named_with_their_remedy(embedded: EmbeddedBroker, tmp_path: Path) -> None:
    settings = {"bootstrap_servers": embedded.bootstrap_servers, "operation_timeout_s": 5}
    found = findings(kafka=settings, daemon={"state_dir": tmp_path})
    assert found["broker"].ok
    assert "topics" not in found
    for name in ("strain.H1", "strain.L1", "alerts.gw", "status.heartbeat"):
        assert found[f"topic {name}"] == doctor.Finding(f"topic {name}", False, "missing", "tocsin topics create")


def test_looking_changes_nothing_in_the_outbox_and_the_state_folder(tmp_path: Path) -> None:
    """A daemon may be at work there: its half-written files, damaged entries and missing folders are not ours."""
    box = tmp_path / "outbox"
    box.mkdir()
    for name in ("TS150914a-1.77.writing", "TS150914a-2.alert", "old.writing"):
        (box / name).write_bytes(b"half")
    found = findings(daemon={"state_dir": tmp_path / "none"}, publish={"outbox": box})
    assert "1 alerts in the outbox" in found["state folder"].detail
    assert sorted(p.name for p in box.iterdir()) == ["TS150914a-1.77.writing", "TS150914a-2.alert", "old.writing"]
    assert not (tmp_path / "none").exists()


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return all that is known of a folder: kinds, times of change and contents."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        state = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (state.st_mode, state.st_mtime_ns, content)
    return found


def test_all_that_lies_below_the_folders_is_byte_for_byte_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the command stands, and where its folders are yet to be made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state/outbox").mkdir(parents=True)
    names = ("checkpoint.npz", "checkpoint.tmp", ".lock", "outbox/a.alert", "outbox/b.1.writing", "outbox/c.damaged")
    for name in names:
        (tmp_path / "state" / name).write_bytes(b"half")
    before = tree(tmp_path)
    found = findings()
    assert found["state folder"].ok
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("state", "maxerror_us", "said", "level"),
    [
        (0, 1500, "synchronised, error below 1.5 ms", "ok"),
        (5, 16_000_000, "the kernel knows of nobody who holds it", "warning"),
        (0, 500_000, "the kernel knows of nobody who holds it", "warning"),
        (-1, 0, "unknown: the kernel does not let us ask", "warning"),
        (None, 0, "unknown: this system cannot be asked", "warning"),
    ],
)
def test_a_clock_that_nobody_holds_or_that_cannot_be_asked_is_a_warning(
    state: int | None, maxerror_us: int, said: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ntp_gettime(value: Any) -> int:
        value._obj.maxerror_us = maxerror_us
        assert state is not None
        return state

    library = SimpleNamespace() if state is None else SimpleNamespace(ntp_gettime=ntp_gettime)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    finding = doctor._clock(load_settings())
    assert finding.detail.startswith(said)
    assert (finding.level, finding.ok) == (level, True)
    assert (finding.remedy is None) == (level == "ok")
    assert as_dict([finding])["ok"] is True


def test_a_file_in_the_place_of_the_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    found = findings(daemon={"state_dir": tmp_path / "state"}, publish={"outbox": tmp_path / "outbox"})
    assert found["state folder"].detail == f"{tmp_path / 'state'} is no folder"


def test_credentials_of_the_registry_are_not_told(tmp_path: Path) -> None:
    away = {"schema_registry_url": "http://me:hunter2@127.0.0.1:1", "operation_timeout_s": 1}
    found = findings(kafka=away | {"bootstrap_servers": "127.0.0.1:1"}, daemon={"state_dir": tmp_path})
    assert not found["registry"].ok
    assert "hunter2" not in str(found)
