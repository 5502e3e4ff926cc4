"""The guard and the statements of the witness regression, and that block lengths do not matter to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stream.denoise import WitnessRegression
from stream.denoise.engine import NOT_PROVEN, WORSE
from stream.denoise.regressors import CONSTANT, MISSING, NOT_FINITE, SATURATED
from stream.denoise.wiener import BAD_RATE, DISABLED, NO_WITNESSES
from stream.records import Segment, WitnessGroup
from stream.settings import DenoiseSettings
from stream.timebase import HOP_NS, HOPS_PER_S

T0 = 1_126_259_440 * HOPS_PER_S + 3
RATE, FAST_HZ = 4096, 512
HOP = RATE // HOPS_PER_S
SETTINGS = DenoiseSettings(bilinear=(("*:MAINS", "*:SLOW"),))


def stream(duration_s: int, *, coupling: Callable[[np.ndarray], np.ndarray] | float = 1.0) -> list[Segment]:
    """One-hop segments of white strain with a 60 Hz line, its mains monitor, and a slow channel."""
    rng = np.random.default_rng(5)
    n = duration_s * RATE
    t = np.arange(n) / RATE
    mains = np.cos(2 * np.pi * 60 * t)
    gain = coupling(t) if callable(coupling) else coupling
    strain = 1e-21 * (rng.standard_normal(n) + gain * mains)
    fast = (mains[:: RATE // FAST_HZ] + 1e-3 * rng.standard_normal(n * FAST_HZ // RATE))[None].astype(np.float32)
    slow = np.sin(2 * np.pi * 0.3 * t[:: RATE // 16])[None].astype(np.float32)
    segments = []
    for hop in range(duration_s * HOPS_PER_S):
        groups = (
            WitnessGroup(FAST_HZ, ("H1:MAINS",), fast[:, hop * 32 : hop * 32 + 32]),
            WitnessGroup(16, ("H1:SLOW",), slow[:, hop : hop + 1]),
        )
        samples = strain[hop * HOP : (hop + 1) * HOP]
        segments.append(Segment("H1", (T0 + hop) * HOP_NS, RATE, samples, np.ones(1, dtype=np.bool_), groups))
    return segments


def join(segments: list[Segment]) -> Segment:
    """One segment of several that follow each other; witnesses missing in some become NaN."""
    template = next((s.witnesses for s in segments if s.witnesses), ())

    def rows(segment: Segment, index: int) -> np.ndarray:
        if segment.witnesses:
            return segment.witnesses[index].samples
        return np.full_like(template[index].samples, np.nan)

    groups = tuple(
        WitnessGroup(g.sample_rate_hz, g.channels, np.concatenate([rows(s, i) for s in segments], axis=1))
        for i, g in enumerate(template)
    )
    samples = np.concatenate([s.samples for s in segments])
    valid = np.concatenate([s.valid for s in segments])
    return replace(segments[0], samples=samples, valid=valid, witnesses=groups)


def chunked(segments: list[Segment], lengths: list[int]) -> list[Segment]:
    made, start, i = [], 0, 0
    while start < len(segments):
        made.append(join(segments[start : start + lengths[i % len(lengths)]]))
        start, i = start + lengths[i % len(lengths)], i + 1
    return made


def run(segments: list[Segment]) -> tuple[np.ndarray, WitnessRegression]:
    denoise = WitnessRegression(SETTINGS)
    return np.concatenate([denoise.step(s).samples for s in segments]), denoise


def replace_witness(segment: Segment, value: float | np.ndarray) -> Segment:
    """The segment with other samples in its first group."""
    first, *rest = segment.witnesses
    samples = np.broadcast_to(np.asarray(value, dtype=np.float32), first.samples.shape)
    return replace(segment, witnesses=(replace(first, samples=samples), *rest))


def test_block_lengths_do_not_change_the_cleaned_strain() -> None:
    """With gaps in strain and in witnesses, any lengths of segments give the same samples."""
    segments = stream(40)
    for hop in (150, 151, 400):
        segments[hop] = replace(segments[hop], samples=np.zeros(HOP), valid=np.zeros(1, dtype=np.bool_))
    for hop in range(300, 325):
        segments[hop] = replace(segments[hop], witnesses=())
    one, denoise = run(segments)
    assert denoise.state.active
    assert denoise.state.fits > 3
    for lengths in ([16], [64], [1, 7, 30, 2]):
        other, denoise_other = run(chunked(segments, lengths))
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-9 * np.abs(one).max())
        assert denoise_other.state.hops == denoise.state.hops


def test_the_line_is_taken_off_once_the_filter_is_proven() -> None:
    """First raw strain, said so; then the line is gone."""
    segments = stream(40)
    denoise = WitnessRegression(SETTINGS)
    raw = denoise.step(segments[0])
    assert raw is segments[0]
    assert denoise.state.reason == NOT_PROVEN
    cleaned, denoise = run(segments)
    tail = cleaned[-16 * RATE :]
    line = 2 * np.mean(tail * np.exp(-2j * np.pi * 60 * np.arange(len(tail)) / RATE))
    assert denoise.state.active
    assert abs(line) < 0.03e-21
    assert denoise.state.power_ratio is not None
    assert denoise.state.power_ratio < 1


def test_the_past_alone_decides() -> None:
    """What comes later changes nothing of what was put out."""
    segments = stream(30)
    cleaned, _ = run(segments[:400])
    other = [replace(s, samples=-5 * s.samples) for s in segments[400:]]
    changed, _ = run(segments[:400] + other)
    assert np.array_equal(cleaned, changed[: 400 * HOP])


def test_invalid_hops_stay_zero() -> None:
    """No prediction is written where strain is not valid."""
    segments = stream(30)
    segments[450] = replace(segments[450], samples=np.zeros(HOP), valid=np.zeros(1, dtype=np.bool_))
    cleaned, _ = run(segments)
    assert not cleaned[450 * HOP : 451 * HOP].any()


def test_a_filter_that_makes_it_worse_is_shut_off_and_said_so() -> None:
    """The coupling changes its sign: from the next update on raw strain passes, until a filter proves itself again."""
    segments = stream(80, coupling=lambda t: np.where(t < 30, 1.0, -1.0))
    denoise = WitnessRegression(SETTINGS)
    reasons: list[str] = []
    passed_raw: list[bool] = []
    for segment in segments:
        cleaned = denoise.step(segment)
        reasons.append(denoise.state.reason)
        if reasons[-10:] == [WORSE] * 10:
            passed_raw.append(cleaned is segment)
    assert passed_raw
    assert all(passed_raw)
    assert reasons[29 * HOPS_PER_S] == ""
    assert WORSE in reasons[30 * HOPS_PER_S : 40 * HOPS_PER_S]
    ratio = denoise.state.power_ratio
    assert ratio is not None


def one_not_finite(samples: np.ndarray) -> np.ndarray:
    return np.where(np.arange(samples.shape[1]) == 3, np.nan, samples)


def clipped(samples: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(3 * samples, -1, 1))


@pytest.mark.parametrize(("damage", "reason"), [(one_not_finite, NOT_FINITE), (clipped, SATURATED)])
def test_witnesses_that_are_unfit_let_raw_strain_pass(damage: Callable[[np.ndarray], np.ndarray], reason: str) -> None:
    """A hop whose witness is not finite or saturated passes raw, and the state names why."""
    segments = stream(30)
    denoise = WitnessRegression(SETTINGS)
    for segment in segments[:470]:
        denoise.step(segment)
    assert denoise.state.active
    bad = replace_witness(segments[470], damage(segments[470].witnesses[0].samples))
    assert denoise.step(bad) is bad
    assert denoise.state.reason == reason
    assert dict(denoise.state.hops)[reason] == 1


def test_a_dead_witness_is_noticed_within_a_second() -> None:
    """A channel that does not move is constant, and raw strain passes."""
    segments = stream(32)
    denoise = WitnessRegression(SETTINGS)
    for segment in segments[:480]:
        denoise.step(segment)
    for segment in segments[480:498]:
        denoise.step(replace_witness(segment, 0.25))
    assert denoise.state.reason == CONSTANT


def test_missing_witnesses_let_raw_strain_pass_and_come_back() -> None:
    """After a gap of the witnesses the filter settles and goes on; nothing is learned anew."""
    segments = stream(32)
    denoise = WitnessRegression(SETTINGS)
    for segment in segments[:460]:
        denoise.step(segment)
    bare = replace(segments[460], witnesses=())
    assert denoise.step(bare) is bare
    assert denoise.state.reason == MISSING
    for segment in segments[461:]:
        denoise.step(segment)
    assert denoise.state.active


def test_without_witnesses_or_when_disabled_it_says_so() -> None:
    """No witnesses, none wanted, or rates that do not fit: the same segment, and a reason."""
    segment = stream(1)[0]
    bare = replace(segment, witnesses=())
    odd = replace(segment, witnesses=(WitnessGroup(48, ("H1:ODD",), np.ones((1, 3), dtype=np.float32)),))
    for settings, given, reason in [
        (DenoiseSettings(), bare, NO_WITNESSES),
        (DenoiseSettings(enabled=False), segment, DISABLED),
        (DenoiseSettings(), odd, BAD_RATE),
    ]:
        denoise = WitnessRegression(settings)
        assert denoise.step(given) is given
        assert denoise.state.reason == reason


def test_more_regressors_than_allowed_are_left_out_and_counted() -> None:
    """The limit keeps the cost bounded; products go first."""
    denoise = WitnessRegression(DenoiseSettings(bilinear=(("*:MAINS", "*:SLOW"),), max_regressors=1))
    denoise.step(stream(1)[0])
    assert (denoise.state.regressors, denoise.state.left_out) == (1, 1)
