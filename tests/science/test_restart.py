"""What a restart does to whitened strain: with the denoiser's state and the PSD's age kept, nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from pipelines.live import checkpoint
from pipelines.offline.report import Report
from pipelines.search import Stages, compose, one_by_one, search
from stream.configuration import load_settings
from stream.records import Block, Statistic, WhitenedSegment, WitnessBlock
from stream.settings import Settings
from stream.simulate.detector import NetworkConfig, SyntheticNetwork
from stream.timebase import NS_PER_S
from stream.types import BoolArray, Float32Array

START_NS = 1_400_000_000 * NS_PER_S
SETTINGS: dict[str, dict[str, object]] = {
    "strain": {"detectors": ("H1",), "witnesses": True},
    "denoise": {"bilinear": (("*:PEM-MAINS*", "*:ASC-*"),)},
}
BEFORE_S = 100


def blocks(start_s: int, stop_s: int) -> list[Block]:
    """Strain with the mains, its sidebands and beam jitter coupled in, and their witnesses."""
    network = SyntheticNetwork(NetworkConfig(detectors=("H1",), seed=2))
    return list(network.blocks(START_NS + start_s * NS_PER_S, START_NS + stop_s * NS_PER_S, 4))


def changed(**sections: dict[str, object]) -> Settings:
    merged = {name: SETTINGS.get(name, {}) | sections.get(name, {}) for name in SETTINGS | sections}
    return load_settings(None, merged)


def whiten(stages: Stages, given: Iterable[Block]) -> tuple[Float32Array, BoolArray]:
    """Whitened strain of H1, shape (n_hops, 128), and which hops are valid."""
    seen: list[WhitenedSegment] = []

    def tap(whitened: Sequence[WhitenedSegment], _: Statistic) -> None:
        seen.extend(whitened)

    stages.tap = tap
    search(one_by_one(given), stages, Report())
    samples = np.concatenate([w.samples for w in seen])
    return samples.reshape(-1, 128), np.concatenate([w.valid for w in seen])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a search whose denoiser is at work."""
    stages = compose(changed())
    whiten(stages, blocks(0, BEFORE_S))
    assert stages.denoise["H1"].state.active
    made = tmp_path_factory.mktemp("state")
    checkpoint.save(stages, made)
    return made


def restored(folder: Path, **sections: dict[str, object]) -> Stages:
    stages = compose(changed(**sections))
    assert checkpoint.restore(stages, folder)
    return stages


def first_valid_s(valid: BoolArray) -> float:
    return float(np.flatnonzero(valid)[0]) / 16 if valid.any() else np.inf


def test_after_a_restart_with_witnesses_strain_is_white_from_the_first_valid_second(folder: Path) -> None:
    """Heard again within 1.5 s, and of unit variance in that second and in each that follows."""
    stages = restored(folder)
    samples, valid = whiten(stages, blocks(BEFORE_S + 3, BEFORE_S + 17))
    first = int(np.flatnonzero(valid)[0])
    assert first <= 24
    assert valid[first:].all()
    rms = [samples[k : k + 16].std() for k in range(first, len(valid) - 15, 16)]
    assert rms == pytest.approx(np.ones(len(rms)), abs=0.1)
    assert stages.denoise["H1"].state.active


def test_a_denoiser_learned_with_other_settings_is_refused_and_its_psd_with_it(folder: Path) -> None:
    """Then the strain is raw for a while: it is heard with a PSD of its own, not with that of cleaned strain."""
    stages = restored(folder, denoise={"filter_s": 0.125})
    with capture_logs() as logged:
        samples, valid = whiten(stages, blocks(BEFORE_S + 3, BEFORE_S + 15))
    refused = [event for event in logged if event["event"] == "denoiser_state_refused"]
    assert [event["detector"] for event in refused] == ["H1"]
    assert refused[0]["error"] == "its settings are not the present ones"
    assert 8 <= first_valid_s(valid) <= 11
    assert samples[valid].std() == pytest.approx(1.0, abs=0.15)


def test_without_its_witnesses_a_psd_of_cleaned_strain_is_not_used(folder: Path) -> None:
    strain = [b for b in blocks(BEFORE_S + 3, BEFORE_S + 15) if not isinstance(b, WitnessBlock)]
    samples, valid = whiten(restored(folder), strain)
    assert 8 <= first_valid_s(valid) <= 11
    assert samples[valid].std() == pytest.approx(1.0, abs=0.15)


def test_channels_that_have_changed_refuse_the_kept_filters(folder: Path) -> None:
    def without_last(block: Block) -> Block:
        if not isinstance(block, WitnessBlock):
            return block
        groups = tuple(type(g)(g.sample_rate_hz, g.channels[:-1], g.samples[:-1]) for g in block.groups)
        return WitnessBlock(block.detector, block.gps_ns, block.duration_ns, groups, block.sequence, block.sent_ns)

    with capture_logs() as logged:
        _, valid = whiten(restored(folder), [without_last(b) for b in blocks(BEFORE_S + 3, BEFORE_S + 12)])
    assert "its channels or rates are not those of the stream" in [event.get("error") for event in logged]
    assert first_valid_s(valid) >= 8


def test_an_hour_old_state_is_used_and_one_that_is_older_is_not(folder: Path) -> None:
    """Ages are of data time: a checkpoint of last week whitens nothing, and neither does one from the future."""
    for after_s, at_once in ((3500, True), (7 * 86_400, False), (-7 * 86_400, False)):
        _, valid = whiten(restored(folder), blocks(after_s, after_s + 4))
        assert (first_valid_s(valid) < 2) is at_once, after_s


def test_a_psd_of_raw_strain_is_used_at_once_where_there_are_no_witnesses(tmp_path: Path) -> None:
    without: dict[str, object] = {"witnesses": False}
    stages = compose(changed(strain=without))
    whiten(stages, blocks(0, 20))
    checkpoint.save(stages, tmp_path)
    samples, valid = whiten(restored(tmp_path, strain=without), blocks(22, 26))
    assert first_valid_s(valid) == 1.0
    assert samples[valid].std() == pytest.approx(1.0, abs=0.1)
