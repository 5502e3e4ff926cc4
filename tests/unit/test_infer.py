"""The shipped model: verified when opened, the same frames for any cutting, the provider asked for or a failure."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect import Head, HeadStage
from stream.errors import ModelError, ProviderError
from stream.infer import EncoderStage, model_names, open_model
from stream.infer.encoder import HEARING_HOPS
from stream.records import WhitenedSegment
from stream.settings import InferSettings
from stream.timebase import HOP_NS, NS_PER_S

START_NS = 1_000_000_000 * NS_PER_S
N_HOPS = 64
CARD = open_model("first")
CPU = InferSettings(threads=1)
HEAD = Head(CARD, CPU)
NOISE = np.random.default_rng(5).standard_normal((2, N_HOPS * 128)).astype(np.float32)


def run(cuts: list[int], valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    encoder, rank = EncoderStage(CARD, CPU), HeadStage(HEAD)
    statistics, heard = [], []
    start, k = 0, 0
    while start < N_HOPS:
        stop = min(N_HOPS, start + cuts[k % len(cuts)])
        segments = [
            WhitenedSegment(
                name, START_NS + start * HOP_NS, 2048,
                NOISE[d, start * 128 : stop * 128] * np.repeat(valid[d, start:stop], 128), valid[d, start:stop],
            )
            for d, name in enumerate(("H1", "L1"))
        ]  # fmt: skip
        ranked = rank.step(encoder.step(segments))
        statistics.append(ranked.statistic)
        heard.append(ranked.heard)
        start, k = stop, k + 1
    return np.concatenate(statistics), np.concatenate(heard, axis=1)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=5), gap=st.tuples(st.integers(0, 60), st.integers(0, 20)))
def test_any_cutting_gives_the_same_statistic(cuts: list[int], gap: tuple[int, int]) -> None:
    valid = np.ones((2, N_HOPS), np.bool_)
    valid[0, gap[0] : gap[0] + gap[1]] = False
    expected, expected_heard = run([1], valid)
    actual, actual_heard = run(cuts, valid)
    np.testing.assert_array_equal(actual_heard, expected_heard)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_detector_is_heard_half_a_second_after_its_gap_and_the_other_goes_on() -> None:
    valid = np.ones((2, N_HOPS), np.bool_)
    valid[0, 30:34] = False
    _, heard = run([1], valid)
    context = CARD.encoder.head_context_frames
    first = (34 + HEARING_HOPS - 1) * 8 + context
    assert not heard[0, 30 * 8 : first].any()
    assert heard[0, first:].all()
    assert heard[1, (HEARING_HOPS - 1) * 8 + context :].all()


def test_exchanging_the_detectors_changes_nothing() -> None:
    a, b = NOISE[0, :240].reshape(1, -1, CARD.encoder.embedding), NOISE[1, :240].reshape(1, -1, CARD.encoder.embedding)
    np.testing.assert_allclose(HEAD.coincidence(a, b), HEAD.coincidence(b, a), atol=1e-5)


def test_an_altered_model_is_refused_by_name(tmp_path: Path) -> None:
    folder = shutil.copytree(CARD.folder, tmp_path / "altered")
    (folder / "head.onnx").write_bytes(b"not this")
    with pytest.raises(ModelError, match=r"head\.onnx"):
        open_model(str(folder))


def test_an_unknown_model_names_those_that_ship() -> None:
    assert "first" in model_names()
    with pytest.raises(ModelError, match="first"):
        open_model("none-such")


def test_a_provider_that_does_not_load_is_a_failure_not_the_cpu() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers() and Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU: the provider would load")
    with pytest.raises(ProviderError, match="CUDAExecutionProvider"):
        EncoderStage(CARD, InferSettings(provider="cuda"))
