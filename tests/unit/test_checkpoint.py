"""The checkpoint brings PSDs and live background back; one that cannot be read is set aside."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from pipelines.live import checkpoint, checkpoint_file
from pipelines.networks.embedding import EmbeddingNetwork
from pipelines.offline.report import Report
from pipelines.search import Stages, compose, one_by_one, search
from stream.condition.psd import PsdState
from stream.records import StrainBlock
from stream.settings import InferSettings, Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import NS_PER_S

START_NS = 1_400_000_000 * NS_PER_S
SETTINGS = Settings(infer=InferSettings(model="first"))


def noise(seconds: int) -> Iterator[StrainBlock]:
    network = SyntheticNetwork(NetworkConfig(seed=2, witnesses=False))
    for block in network.blocks(START_NS, START_NS + seconds * NS_PER_S, 16):
        assert isinstance(block, StrainBlock)
        yield block


@pytest.fixture(scope="module")
def run_for_a_while() -> Stages:
    stages = compose(SETTINGS)
    search(one_by_one(noise(16)), stages, Report())
    return stages


def test_a_restored_search_hears_from_its_first_block(run_for_a_while: Stages, tmp_path: Path) -> None:
    checkpoint.save(run_for_a_while, tmp_path)
    fresh = compose(SETTINGS)
    assert not any(c.psd_ready for c in fresh.condition.values())
    assert checkpoint.restore(fresh, tmp_path)
    for name, conditioner in fresh.condition.items():
        assert conditioner.psd_ready
        np.testing.assert_allclose(conditioner.psd(), run_for_a_while.condition[name].psd(), rtol=1e-6)
    kept = {k: c.duration_s for k, c in run_for_a_while.network.slides.counts.items()}
    assert kept
    assert {k: c.duration_s for k, c in fresh.network.slides.counts.items()} == kept


def test_the_live_background_of_another_network_of_that_name_is_not_taken_up(
    run_for_a_while: Stages, tmp_path: Path
) -> None:
    checkpoint.save(run_for_a_while, tmp_path)
    fresh = compose(SETTINGS)
    assert isinstance(fresh.network, EmbeddingNetwork)
    card = fresh.network.card
    fresh.network.card = replace(card, digests={**card.digests, "head.onnx": "0" * 64})
    assert checkpoint.restore(fresh, tmp_path)
    assert all(c.psd_ready for c in fresh.condition.values())
    assert fresh.network.slides.counts == {}


def test_nothing_there_is_no_error(tmp_path: Path) -> None:
    assert not checkpoint.restore(compose(SETTINGS), tmp_path / "none")


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 half a zip"])
def test_an_unreadable_checkpoint_is_set_aside(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.npz").write_bytes(content)
    assert not checkpoint.restore(compose(SETTINGS), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.unreadable"]


def test_a_half_written_checkpoint_is_set_aside(run_for_a_while: Stages, tmp_path: Path) -> None:
    checkpoint.save(run_for_a_while, tmp_path)
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-500])
    assert not checkpoint.restore(compose(SETTINGS), tmp_path)


def test_whatever_bytes_are_damaged_the_search_starts(run_for_a_while: Stages, tmp_path: Path) -> None:
    """With what it can read or from nothing."""
    checkpoint.save(run_for_a_while, tmp_path)
    whole = (tmp_path / "checkpoint.npz").read_bytes()
    rng, fresh = np.random.default_rng(6), compose(SETTINGS)
    tail = len(whole) - 1500  # the archive's directory, where a byte matters most
    for place in [*rng.integers(0, len(whole), 20), *rng.integers(tail, len(whole), 60), *rng.integers(0, 600, 20)]:
        damaged = bytearray(whole)
        damaged[int(place)] ^= int(rng.integers(1, 256))
        (tmp_path / "checkpoint.npz").write_bytes(damaged)
        checkpoint.restore(fresh, tmp_path)
        assert all(np.isfinite(c.psd()).all() for c in fresh.condition.values() if c.psd_ready)


def test_a_full_disk_leaves_the_old_checkpoint(
    run_for_a_while: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(run_for_a_while, tmp_path)
    before = (tmp_path / "checkpoint.npz").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(run_for_a_while, tmp_path)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_an_old_format_is_set_aside(run_for_a_while: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_file, "FORMAT", 1)
    checkpoint.save(run_for_a_while, tmp_path)
    monkeypatch.undo()
    assert not checkpoint.restore(compose(SETTINGS), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.unreadable"]


def test_a_psd_of_another_working_rate_is_refused_and_the_rest_is_taken_up(
    run_for_a_while: Stages, tmp_path: Path
) -> None:
    """A changed setting is no reason for a daemon not to start."""
    kept = checkpoint.take(run_for_a_while)
    (first, *others) = kept.conditioners
    short = replace(first, psd=PsdState(first.psd.periodograms[:, :100], first.psd.times_ns))
    checkpoint.write(replace(kept, conditioners=(short, *others)), tmp_path)
    fresh = compose(SETTINGS)
    with capture_logs() as logged:
        assert checkpoint.restore(fresh, tmp_path)
    assert [e["detector"] for e in logged if e["event"] == "psd_refused"] == [first.detector]
    assert {name: c.psd_ready for name, c in fresh.condition.items()} == {"H1": False, "L1": True}


def test_a_slow_disk_holds_up_nobody_and_the_newest_is_written(
    run_for_a_while: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is being written the next waits, is replaced by a newer one, and is on disk after the end."""
    written: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def slowly(kept: checkpoint_file.Checkpoint, _: Path) -> None:
        begun.set()
        assert go_on.wait(30)
        written.append(kept.model)

    monkeypatch.setattr(checkpoint, "write", slowly)
    writer = checkpoint.Writer(tmp_path, lambda error: pytest.fail(str(error)))
    kept = checkpoint.take(run_for_a_while)
    writer.put(replace(kept, model="first"))
    assert begun.wait(30)
    for name in ("second", "third"):
        writer.put(replace(kept, model=name))
    go_on.set()
    writer.close()
    assert written == ["first", "third"]


def test_what_cannot_be_written_is_told_and_the_next_is_tried(run_for_a_while: Stages, tmp_path: Path) -> None:
    folder, failures = tmp_path / "state", queue.Queue[Exception]()
    folder.touch()
    writer = checkpoint.Writer(folder, failures.put)
    writer.put(checkpoint.take(run_for_a_while))
    assert isinstance(failures.get(timeout=30), FileExistsError)
    folder.unlink()
    writer.put(checkpoint.take(run_for_a_while))
    writer.close()
    assert checkpoint.restore(compose(SETTINGS), folder)
    assert failures.empty()


def test_a_disk_that_hangs_does_not_hold_up_the_end(
    run_for_a_while: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, told = threading.Event(), list[Exception]()
    monkeypatch.setattr(checkpoint, "write", lambda *_: hanging.wait(60))
    writer = checkpoint.Writer(tmp_path, told.append)
    writer.put(checkpoint.take(run_for_a_while))
    writer.close(timeout_s=0.1)
    hanging.set()
    assert [type(error) for error in told] == [TimeoutError]
