"""The matched-filter network as a stream: what the FFT filter says, whatever the cuts, gaps and spectra do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from filterbank_scene import (
    PARAMETERS,
    START_NS,
    Conditioned,
    add_signal,
    condition,
    joined,
    loudest,
    noise,
    run_stage,
    small_bank,
)

from stream.condition.whitening import minimum_phase_fir
from stream.errors import ModelError
from stream.infer.filterbank.bank import read_bank
from stream.infer.filterbank.build import build
from stream.infer.filterbank.follow import Follower, FollowerState, LossModel
from stream.infer.filterbank.reference import autocorrelations, filter_strain, triggers_of
from stream.infer.filterbank.stage import LATENCY_NS, FilterBank, FilterBankStage
from stream.infer.filterbank.waveforms import waveforms
from stream.infer.filterbank.whitened import response, whiten
from stream.infer.model import CARILLON, GRAPH
from stream.records import Triggers, WhitenedSegment
from stream.simulate.psds import Psd, psd
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S

STRAIN = noise(40)
MERGER_S = 30.3


@pytest.fixture(scope="module")
def shared() -> Iterator[FilterBank]:
    bank = small_bank()
    yield bank
    bank.close()


def oracle(heard: Conditioned) -> Triggers:
    """The FFT filter's triggers, with templates whitened by the filter in force at the end."""
    templates = whiten(waveforms(PARAMETERS), response(heard.taps))
    z = filter_strain(heard.samples, templates)
    return triggers_of(z, "H1", START_NS, np.ones(len(heard.valid), np.bool_), autocorrelations(templates))


def taps_of(spectrum: Psd) -> np.ndarray:
    """The whitening filter that a spectrum calls for."""
    frequency = np.arange(1025.0)
    return minimum_phase_fir(spectrum.at(frequency) * 1e42, 2048, 20.0)


def moved(factor: float) -> Psd:
    """aLIGO_O4 with its amplitude raised and lowered by a factor, octave by octave, and a line that was not there."""
    base = psd("aLIGO_O4")
    wave = np.sin(np.pi * np.log2(base.frequencies_hz / 20.0))
    line = 1.0 + 300.0 * (factor > 1.0) / (1.0 + (base.frequencies_hz - 97.0) ** 2)
    return Psd(base.frequencies_hz, base.values_per_hz * factor ** (2.0 * wave) * line)


@pytest.mark.parametrize("k", range(len(PARAMETERS)))
def test_a_signal_has_the_snr_time_and_phase_that_the_fft_filter_gives_it(shared: FilterBank, k: int) -> None:
    strain = STRAIN.copy()
    arrival_ns = add_signal(strain, PARAMETERS[k], MERGER_S, 16.0)
    heard = condition(strain)
    expected, actual = oracle(heard), joined(run_stage(FilterBankStage("H1", shared), heard, [16]))
    best, same = loudest(actual, k), loudest(expected, k)
    assert abs(actual.snr[best]) == pytest.approx(abs(expected.snr[same]), rel=0.03)
    assert abs(actual.time_ns[best] - expected.time_ns[same]) < 200_000
    assert abs(np.angle(actual.snr[best] / expected.snr[same])) < 0.06
    assert abs(actual.time_ns[best] - arrival_ns) < 1_000_000
    assert actual.chisq[best, 0] < 2.5
    assert not actual.chisq[best, 1] > 3.0


def test_templates_keep_their_snr_through_slices_and_bases() -> None:
    weights = build(waveforms(read_bank().parameters[::8]), taps_of(psd("aLIGO_O4")))
    assert weights.kept.mean() > 0.99
    assert weights.kept.min() > 0.97
    np.testing.assert_allclose(weights.share.sum(axis=1), 1.0, rtol=1e-5)


def test_noise_has_unit_variance_and_chi_squared_of_one(shared: FilterBank) -> None:
    stage = FilterBankStage("H1", shared, floor=1.5)
    triggers = joined(run_stage(stage, condition(STRAIN), [16]))
    late = np.abs(triggers.snr) < 2.5
    assert late.sum() > 1000
    # Maxima stand above their surroundings, so that the ratio is not quite that of any sample.
    assert np.nanmean(triggers.chisq[late], axis=0) == pytest.approx([1.0, 1.0], abs=0.25)
    assert stage.weights is not None
    parts, _ = stage._run(condition(STRAIN).samples, stage.weights)
    assert (parts[:, 128:] ** 2).mean() == pytest.approx(1.0, rel=0.06)


def test_any_cut_gives_the_same_triggers_though_weights_change_on_the_way(shared: FilterBank) -> None:
    seconds = 28
    strain = noise(seconds)
    loud = noise(seconds, 6, moved(1.8))
    fade = np.clip(np.arange(len(strain)) / 4096 - 10.0, 0.0, 1.0)
    heard = condition(np.sqrt(1.0 - fade) * strain + np.sqrt(fade) * loud)
    runs = []
    for cuts in ([1], [7, 3, 16, 40], [1000]):
        stage = FilterBankStage("H1", shared)
        pieces = run_stage(stage, heard, cuts)
        assert all(a.gps_ns + a.duration_ns == b.gps_ns for a, b in pairwise(pieces))
        assert stage.weights is not None
        runs.append((joined(pieces), stage.weights.taps))
    expected, taps = runs[0]
    assert taps is not heard.filters[0].taps  # weights changed more than once
    assert len(expected.snr) > 50
    for actual, other in runs[1:]:
        assert other is taps
        assert actual.gps_ns == expected.gps_ns == START_NS - LATENCY_NS
        np.testing.assert_array_equal(actual.valid, expected.valid)
        near, far = ([np.abs(t.snr) > 4.001 for t in pair] for pair in ((expected, actual), (actual, expected)))
        for name in ("template", "time_ns", "snr", "chisq"):
            mine, theirs = getattr(expected, name)[near[0]], getattr(actual, name)[far[0]]
            tolerance = 2_000 if name == "time_ns" else 1e-3 if name == "chisq" else 1e-4
            np.testing.assert_allclose(theirs, mine, rtol=1e-4 if name != "time_ns" else 0, atol=tolerance)


def test_a_gap_is_not_heard_and_half_a_second_after_whitened_strain_is_back_all_is(shared: FilterBank) -> None:
    valid = np.ones(40 * HOPS_PER_S, np.bool_)
    valid[24 * HOPS_PER_S : 24 * HOPS_PER_S + 5] = False
    heard = condition(STRAIN * np.repeat(valid, 256), valid)
    triggers = joined(run_stage(FilterBankStage("H1", shared), heard, [3]))
    expected = np.lib.stride_tricks.sliding_window_view(np.concatenate((np.zeros(7, np.bool_), heard.valid)), 8)
    start = int(np.argmax(triggers.valid))
    np.testing.assert_array_equal(triggers.valid[start:], expected.min(axis=1)[start:])
    hop = (triggers.time_ns - triggers.gps_ns) // HOP_NS
    assert triggers.valid[np.clip(hop, 0, len(triggers.valid) - 1)].all()
    assert not triggers.valid[24 * HOPS_PER_S : 25 * HOPS_PER_S].any()


@pytest.mark.parametrize("value", [1e26, np.inf, np.nan])
def test_what_no_noise_can_bring_is_a_gap_though_it_is_said_to_be_valid(shared: FilterBank, value: float) -> None:
    """A filter made while strain stood still makes it that loud when it moves; templates hear it for 8 s more."""
    heard = condition(STRAIN[: 26 * 4096])
    impossible, gap = heard.samples.copy(), heard.samples.copy()
    impossible[20 * 2048 : 21 * 2048 : 64], gap[20 * 2048 : 21 * 2048] = value, 0.0
    valid = heard.valid.copy()
    valid[20 * 16 : 21 * 16] = False
    given = Conditioned(impossible, heard.valid, heard.taps, heard.filters)
    expected = joined(
        run_stage(FilterBankStage("H1", shared), Conditioned(gap, valid, heard.taps, heard.filters), [16])
    )
    actual = joined(run_stage(FilterBankStage("H1", shared), given, [7]))
    assert list(actual.valid) == list(expected.valid)
    assert list(actual.time_ns) == list(expected.time_ns)
    assert 0 < np.abs(actual.snr).max() < 8


def test_nothing_is_heard_before_the_first_weights_which_come_four_seconds_after_the_filter(
    shared: FilterBank,
) -> None:
    heard = condition(STRAIN[: 16 * 4096])
    triggers = joined(run_stage(FilterBankStage("H1", shared), heard, [16]))
    first_ns = triggers.gps_ns + int(np.argmax(triggers.valid)) * HOP_NS + LATENCY_NS
    assert first_ns == heard.filters[0].gps_ns + 4 * NS_PER_S
    assert (triggers.time_ns >= first_ns - LATENCY_NS - HOP_NS).all()


def test_weights_follow_a_spectrum_that_moves_by_a_third_and_lines_that_come(shared: FilterBank) -> None:
    seconds, merger_s = 150, 140.3
    strain, later = noise(seconds), noise(seconds, 6, moved(1.3))
    fade = np.clip((np.arange(len(strain)) / 4096 - 24.0) / 40.0, 0.0, 1.0)
    strain = np.sqrt(1.0 - fade) * strain + np.sqrt(fade) * later
    add_signal(strain, PARAMETERS[0], merger_s, 20.0)
    heard = condition(strain)
    stage = FilterBankStage("H1", shared)
    actual, expected = joined(run_stage(stage, heard, [16])), oracle(heard)
    kept = abs(actual.snr[loudest(actual, 0)] / expected.snr[loudest(expected, 0)])
    assert kept > 0.97
    assert LossModel(shared.waveforms).mean_loss(heard.filters[8].taps, heard.taps) > 0.1


def test_new_weights_raise_no_trigger_of_their_own(shared: FilterBank) -> None:
    heard = condition(STRAIN)
    stage = FilterBankStage("H1", shared)
    triggers = joined(run_stage(stage, heard, [16]))
    assert stage.weights is not None
    assert stage.weights.taps is not heard.filters[0].taps
    assert len(triggers.snr) > 10
    assert np.abs(triggers.snr).max() < 5.6


def test_a_filter_of_another_spectrum_is_known_to_lose_and_its_own_to_lose_nothing() -> None:
    losses = LossModel(waveforms(PARAMETERS))
    before, after = taps_of(psd("aLIGO_O4")), taps_of(moved(1.3))
    assert losses.mean_loss(before, before) == pytest.approx(0.0, abs=1e-5)
    assert losses.mean_loss(before, after) > 0.01


def test_a_checkpoint_brings_back_the_weights_and_those_being_made() -> None:
    waves = waveforms(PARAMETERS)
    before, after = taps_of(psd("aLIGO_O4")), taps_of(moved(1.5))
    with ThreadPoolExecutor(1) as executor:
        first = Follower(waves, LossModel(waves), executor)
        first.at_second(START_NS, before)
        assert first.at_second(START_NS + 4 * NS_PER_S, after)
        second = Follower(waves, LossModel(waves), executor)
        second.restore(first.state())
        for follower in (first, second):
            assert follower.weights is not None
            assert follower.weights.taps is before
            assert not follower.at_second(START_NS + 7 * NS_PER_S, after)
            assert follower.at_second(START_NS + 8 * NS_PER_S, after)
            assert follower.weights.taps is after
        assert first.state() == FollowerState(after)


STILL = np.eye(1, 2048)[0]
"""Times 1e148: a filter for strain of zeros; times 1e26 and 1e5: of a constant, in double and in single precision;
times 1e-20: of strain in other units."""


@pytest.mark.parametrize("gain", [1e148, 1e26, 1e5, 1e-20, np.nan])
def test_while_strain_is_no_noise_a_detector_is_deaf_and_then_hears_again(gain: float) -> None:
    """Weights for such a filter would be no numbers, and in its ranking silence every other detector's events."""
    waves, taps = waveforms(PARAMETERS[:1]), taps_of(psd("aLIGO_O4"))
    with ThreadPoolExecutor(1) as executor:
        follower = Follower(waves, LossModel(waves), executor)
        assert not follower.at_second(START_NS, gain * STILL)
        assert not follower.at_second(START_NS + 4 * NS_PER_S, gain * STILL)
        assert follower.weights is None
        follower.at_second(START_NS + 5 * NS_PER_S, taps)
        assert follower.at_second(START_NS + 9 * NS_PER_S, taps)
        assert follower.weights is not None
        assert np.isfinite(follower.weights.sigma).all()
        assert follower.at_second(START_NS + 10 * NS_PER_S, gain * STILL)
        assert follower.weights is None
        follower.at_second(START_NS + 11 * NS_PER_S, taps)
        assert follower.at_second(START_NS + 15 * NS_PER_S, taps)
        assert follower.weights.taps is taps


@pytest.mark.parametrize("is_pending", [False, True])
def test_a_checkpoint_of_no_whitening_filter_is_refused_and_what_was_there_stays(is_pending: bool) -> None:
    waves, taps = waveforms(PARAMETERS[:1]), taps_of(psd("aLIGO_O4"))
    with ThreadPoolExecutor(1) as executor:
        follower = Follower(waves, LossModel(waves), executor)
        follower.restore(FollowerState(taps))
        for wrong in (np.nan * STILL, 1e148 * STILL, np.zeros(2048), np.ones((2, 2048)), np.zeros(0)):
            with pytest.raises(ValueError, match="no detector's noise"):
                follower.restore(FollowerState(taps, wrong) if is_pending else FollowerState(wrong))
        assert follower.state() == FollowerState(taps)


def test_weights_are_of_the_rate_at_which_strain_comes() -> None:
    """Both rates carry the same signal; the front end of the higher one delays it by 0.2 ms more."""
    waves, taps = waveforms(PARAMETERS[:1]), taps_of(psd("aLIGO_O4"))
    with ThreadPoolExecutor(1) as executor:
        follower = Follower(waves, LossModel(waves), executor)
        follower.at_second(START_NS, taps)
        assert follower.at_second(START_NS + 4 * NS_PER_S, taps)
        assert not follower.at_second(START_NS + 5 * NS_PER_S, taps, 16384)
        assert follower.at_second(START_NS + 9 * NS_PER_S, taps, 16384)
    assert follower.weights is not None
    assert follower.weights.input_rate_hz == 16384
    spectra = [whiten(waves, response(taps, input_rate_hz=rate)).spectra[0] for rate in (4096, 16384)]
    z = np.fft.ifft(spectra[1] * np.conj(spectra[0]), 16 * len(spectra[0]))
    delay_s = int(np.argmax(np.abs(z))) * 16.0 / len(z)
    assert delay_s == pytest.approx(0.00018, abs=0.00004)


def test_a_stream_that_jumps_back_does_not_wait_for_weights_of_the_future() -> None:
    waves = waveforms(PARAMETERS[:1])
    with ThreadPoolExecutor(1) as executor:
        follower = Follower(waves, LossModel(waves), executor)
        follower.at_second(START_NS, taps_of(psd("aLIGO_O4")))
        assert not follower.at_second(START_NS + NS_PER_S, None)
        assert follower.at_second(START_NS - 3600 * NS_PER_S, None)
        assert follower.weights is not None


def test_strain_of_another_rate_is_refused_with_the_remedy(shared: FilterBank) -> None:
    segment = WhitenedSegment("H1", START_NS, 1024, np.zeros(64, np.float32), np.ones(1, np.bool_))
    with pytest.raises(ModelError, match=r"hears 2048 Hz, not 1024 Hz: set condition\.sample_rate_hz"):
        FilterBankStage("H1", shared).step(segment)


def test_the_graph_that_ships_is_the_one_that_the_code_makes(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="writing graphs needs the extra 'train'")
    from pipelines.train.filterbank_graph import make_graph  # noqa: PLC0415

    assert (CARILLON / GRAPH).read_bytes() == make_graph().SerializeToString(deterministic=True)
