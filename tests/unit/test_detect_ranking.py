"""Coincidences and their ranking: properties that hold for any triggers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.train.extrinsic import draw_sources, nominal_sensitivity
from stream.detect.coincide import coincide
from stream.detect.extrinsic import load_extrinsic
from stream.detect.glitch_rate import GlitchRate
from stream.detect.glitch_term import GlitchStage, read_glitch_term, unlikeness
from stream.detect.ranking import Events, Ranking, RankingStage, heard_at, relative_at
from stream.records import Triggers
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import BoolArray

START_NS = 1_400_000_000 * NS_PER_S
TEMPLATES = 12
TERM = load_extrinsic()


def ranking(seed: int = 0) -> Ranking:
    weight = np.random.default_rng(seed).uniform(0.5, 2.0, TEMPLATES)
    return Ranking(np.log(weight / weight.sum()), TERM)


def noise(detector: str, seconds: int, seed: int, rate_hz: float = 40.0, floor: float = 4.0) -> Triggers:
    """Return triggers as noise gives them, over all templates."""
    rng = np.random.default_rng([seed, *detector.encode()])
    n = rng.poisson(rate_hz * seconds)
    modulus = np.sqrt(floor**2 + 2 * rng.exponential(1.0, n))
    time_ns = START_NS + np.sort(rng.integers(0, seconds * NS_PER_S, n))
    return Triggers(
        detector,
        START_NS,
        seconds * NS_PER_S,
        np.ones(seconds * 16, dtype=np.bool_),
        rng.integers(0, TEMPLATES, n).astype(np.int32),
        time_ns,
        (modulus * np.exp(2j * np.pi * rng.random(n))).astype(np.complex64),
        rng.uniform(0.5, 1.5, (n, 2)).astype(np.float32),
        -rng.exponential(0.3, n).astype(np.float32),
        np.repeat(rng.uniform(0.5, 1.5, seconds), 16).astype(np.float32),
    )


def given_triggers(detector: str, *found: tuple[int, float, complex]) -> Triggers:
    """Return triggers over 1 s: template, milliseconds from the start, SNR."""
    return Triggers(
        detector,
        START_NS,
        NS_PER_S,
        np.ones(16, dtype=np.bool_),
        np.array([f[0] for f in found], dtype=np.int32),
        np.array([START_NS + round(f[1] * 1e6) for f in found], dtype=np.int64),
        np.array([f[2] for f in found], dtype=np.complex64),
        np.ones((len(found), 2), dtype=np.float32),
        np.zeros(len(found), dtype=np.float32),
        np.ones(16, dtype=np.float32),
    )


def ranked(triggers: Sequence[Triggers], by: Ranking) -> Events:
    found = coincide(triggers, by.term)
    return by.events(found, heard_at(triggers, found.time_ns), relative_at(triggers, found.time_ns))


def sets(triggers: Sequence[Triggers]) -> list[tuple[str, ...]]:
    found = coincide(triggers, TERM)
    names = found.seen.detectors
    return sorted(tuple(n for n, m in zip(names, row, strict=True) if m) for row in found.seen.members)


def test_every_set_of_detectors_is_a_coincidence() -> None:
    four = [given_triggers(d, (3, 500.0, 6 + 0j)) for d in ("H1", "L1", "V1", "K1")]
    assert len(sets(four)) == 15
    assert len(set(sets(four))) == 15


def test_triggers_of_other_templates_or_too_far_apart_do_not_coincide() -> None:
    one = given_triggers("H1", (3, 500.0, 5 + 0j))
    assert sets([one, given_triggers("L1", (4, 500.0, 5 + 0j))]) == []
    assert sets([one, given_triggers("L1", (3, 515.1, 5 + 0j))]) == []
    assert sets([one, given_triggers("L1", (3, 515.0, 5 + 0j))]) == [("H1", "L1")]
    assert sets([one, given_triggers("V1", (3, 532.0, 5 + 0j))]) == [("H1", "V1")]


def test_three_detectors_coincide_only_if_each_two_of_them_do() -> None:
    """V1 is within reach of both, 27 ms before one and after the other, which are not within reach of each other."""
    found = sets([given_triggers("H1", (1, 500.0, 5 + 0j)), given_triggers("L1", (1, 540.0, 5 + 0j)),
                  given_triggers("V1", (1, 520.0, 5 + 0j))])  # fmt: skip
    assert found == [("H1", "V1"), ("L1", "V1")]


def test_coincidences_equal_those_of_a_plain_search() -> None:
    triggers = [noise(d, 20, 4) for d in ("H1", "L1", "V1")]
    expected = 0
    for k, a in enumerate(triggers):
        for b in triggers[k + 1 :]:
            near = np.abs(a.time_ns[:, None] - b.time_ns) <= TERM.window_ns(a.detector, b.detector)
            expected += int((near & (a.template[:, None] == b.template)).sum())

    assert sum(len(s) == 2 for s in sets(triggers)) == expected > 20


@pytest.mark.parametrize("names", [("H1",), ("H1", "L1"), ("H1", "L1", "V1"), ("H1", "L1", "V1", "K1")])
def test_the_statistic_grows_with_each_snr_and_never_saturates(names: tuple[str, ...]) -> None:
    for louder in range(len(names)):
        values = []
        for modulus in (6.0, 7.0, 9.0, 14.0, 30.0, 100.0, 1000.0):
            snr = [modulus if d == louder else 6.0 for d in range(len(names))]
            triggers = [given_triggers(n, (2, 500.0, r + 0j)) for n, r in zip(names, snr, strict=True)]
            values.append(float(ranked(triggers, ranking()).statistic.max()))
        assert np.all(np.diff(values) > 0)
        assert values[-1] > 0.45 * 1000.0**2


def test_order_of_detectors_and_of_triggers_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    triggers = [noise(d, 30, 7) for d in ("H1", "L1", "V1")]
    expected = ranked(triggers, ranking())
    mixed = []
    for own in (triggers[2], triggers[0], triggers[1]):
        at = rng.permutation(len(own.template))
        mixed.append(own.take(at))
    found = ranked(mixed, ranking())
    assert len(found) > 20
    np.testing.assert_array_equal(found.time_ns, expected.time_ns)
    np.testing.assert_allclose(found.statistic, expected.statistic, atol=1e-6)


@pytest.mark.parametrize("h1_is_deaf_too", [False, True])
def test_who_triggered_was_heard_though_it_fell_silent_before_the_events_mean_time(h1_is_deaf_too: bool) -> None:
    """The event would be compared with the background of one detector alone otherwise."""
    one, other = given_triggers("H1", (3, 566.0, 9 + 0j)), given_triggers("L1", (3, 561.0, 9 + 0j))
    silent: BoolArray = np.arange(16) > 8
    triggers = [one if not h1_is_deaf_too else replace(one, valid=~silent), replace(other, valid=~silent)]
    event = RankingStage(ranking()).step(triggers)
    assert event.loudest.seen.members.tolist() == event.heard.tolist() == [[True, True]]


def test_what_the_glitch_term_leaves_of_a_very_loud_glitch_is_exact() -> None:
    """It is a few units of half a billion; rounded to single precision noise of hundreds would ring."""
    term, by = read_glitch_term(), ranking()
    for modulus in (1e3, 1e4, 3e4):
        snr = complex(np.complex64(modulus * np.exp(0.7j)))
        own = replace(given_triggers("H1", (2, 500.0, snr)), chisq=np.full((1, 2), 30.0, np.float32))
        looked = GlitchStage("H1", term).step(own)
        event = ranked([looked], by)
        exact = abs(snr)
        rate = GlitchRate(term.rate_hz).step(own, unlikeness(np.array([exact]), own.chisq).mean(axis=1))
        left = 0.5 * exact**2 + term.at(np.array([exact]), own.chisq, rate)[0]
        alone = TERM.at(event.loudest.seen, event.heard, np.ones((1, 1)))[0]
        assert event.statistic[0] == pytest.approx(left + alone + by.ln_weight[2], abs=1e-4)


def test_numbers_of_templates_do_not_matter() -> None:
    triggers = [noise(d, 30, 8) for d in ("H1", "L1")]
    by = ranking(3)
    names = np.random.default_rng(1).permutation(TEMPLATES)
    renamed = [replace(t, template=names[t.template].astype(np.int32)) for t in triggers]
    weight = np.empty(TEMPLATES)
    weight[names] = by.ln_weight

    found, expected = ranked(renamed, Ranking(weight, TERM)), ranked(triggers, by)

    np.testing.assert_array_equal(found.time_ns, expected.time_ns)
    np.testing.assert_allclose(found.statistic, expected.statistic, atol=1e-9)


def test_templates_that_agree_add_up() -> None:
    """Two equal templates with half the weight each say what one says with all of it."""
    pair = [given_triggers(d, (0, 500.0, 6 + 1j)) for d in ("H1", "L1")]
    both = [given_triggers(d, (0, 500.0, 6 + 1j), (1, 500.0, 6 + 1j)) for d in ("H1", "L1")]
    one = ranked(pair, Ranking(np.array([0.0]), TERM)).statistic
    two = ranked(both, Ranking(np.log([0.5, 0.5]), TERM)).statistic
    np.testing.assert_allclose(two, one, atol=1e-9)


def test_events_are_apart_and_the_loudest() -> None:
    triggers = [given_triggers(d, (0, 500.0, 6 + 0j), (1, 520.0, 9 + 0j), (2, 700.0, 6 + 0j)) for d in ("H1", "L1")]
    events = ranked(triggers, ranking())
    assert [(t - START_NS) // 1_000_000 for t in events.time_ns] == [520, 700]


def test_what_a_trigger_looks_like_counts_for_its_detector() -> None:
    pair = [given_triggers("H1", (0, 500.0, 6 + 0j)), given_triggers("L1", (0, 502.0, -6 + 0j))]
    plain = ranked(pair, ranking()).statistic
    doubted = ranked([pair[0], replace(pair[1], glitch=np.full(1, -3.0, np.float32))], ranking())
    assert plain[0] - doubted.statistic[0] == pytest.approx(3.0, abs=0.1)


def test_a_trigger_counts_by_how_sensitive_its_detector_was_then() -> None:
    """A network half as sensitive hears an eighth of the volume: the same pair is as much less likely a signal."""
    pair = [given_triggers("H1", (0, 200.0, 7 + 0j), (0, 700.0, 7 + 0j)),
            given_triggers("L1", (0, 202.0, -7 + 0j), (0, 702.0, -7 + 0j))]  # fmt: skip
    half = np.where(np.arange(16) < 8, 1.0, 0.5).astype(np.float32)
    events = ranked([replace(t, relative=half) for t in pair], ranking())
    assert events.statistic[0] - events.statistic[1] == pytest.approx(3 * np.log(2.0), abs=0.01)


def test_a_detector_that_was_not_heard_is_not_missed() -> None:
    loud = given_triggers("H1", (0, 500.0, 15 + 0j))
    silent = given_triggers("L1")
    deaf = replace(silent, valid=np.zeros(16, dtype=np.bool_))
    assert ranked([loud, silent], ranking()).statistic[0] < ranked([loud, deaf], ranking()).statistic[0] - 1.0
    assert ranked([loud, deaf], ranking()).statistic[0] == pytest.approx(ranked([loud], ranking()).statistic[0])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 1000))
def test_any_cutting_into_spans_gives_the_same_events(lengths: list[int], seed: int) -> None:
    names = ("H1", "L1", "V1")
    whole = [noise(d, 10, seed) for d in names]
    valid: BoolArray = np.random.default_rng(seed).random(160) > 0.1
    whole[1] = replace(whole[1], valid=valid)
    expected = RankingStage(ranking()).step(whole)
    stage, at = RankingStage(ranking()), 0
    found: list[Events] = []
    while at < 160:
        hops = min(lengths[len(found) % len(lengths)], 160 - at)
        found.append(stage.step([cut(t, at, hops) for t in whole]))
        at += hops

    np.testing.assert_array_equal(np.concatenate([f.time_ns for f in found]), expected.time_ns)
    np.testing.assert_allclose(np.concatenate([f.statistic for f in found]), expected.statistic, atol=1e-9)
    assert len(expected) > 5


def cut(own: Triggers, first: int, hops: int) -> Triggers:
    start = own.gps_ns + first * HOP_NS
    at = np.flatnonzero((own.time_ns >= start) & (own.time_ns < start + hops * HOP_NS))
    return replace(own.take(at), gps_ns=start, duration_ns=hops * HOP_NS, valid=own.valid[first : first + hops],
                   relative=own.relative[first : first + hops])  # fmt: skip


def test_nothing_carries_over_a_jump() -> None:
    stage = RankingStage(ranking())
    stage.step([noise(d, 5, 1) for d in ("H1", "L1")])
    later = [replace(t, gps_ns=t.gps_ns + 100 * NS_PER_S, time_ns=t.time_ns + 100 * NS_PER_S)
             for t in (noise("H1", 5, 2), noise("L1", 5, 2))]  # fmt: skip
    expected = RankingStage(ranking()).step(later)
    found = stage.step(later)
    np.testing.assert_array_equal(found.time_ns, expected.time_ns)


def test_a_third_detector_adds_to_two_and_more_if_it_fits() -> None:
    """The same trigger 12 ms later and of another phase adds less."""
    names, rng = ("H1", "L1", "V1"), np.random.default_rng(8)
    drawn = draw_sources(rng, 4000, names)
    response = drawn.response * np.array([nominal_sensitivity(d) for d in names])
    snr = 14.0 * response / np.linalg.norm(response, axis=1)[:, None]
    fits, does_not = [], []
    for k in np.flatnonzero(np.abs(snr).min(axis=1) > 5.0)[:60].tolist():
        at_ms = 500.0 + 1e3 * drawn.delay_s[k]
        three = [given_triggers(d, (2, ms, z)) for d, ms, z in zip(names, at_ms, snr[k], strict=True)]
        pair = ranked([*three[:2], given_triggers("V1")], ranking()).statistic.max()
        late = given_triggers("V1", (2, at_ms[2] + 12.0, snr[k, 2] * np.exp(2.5j)))
        fits.append(ranked(three, ranking()).statistic.max() - pair)
        does_not.append(ranked([*three[:2], late], ranking()).statistic.max() - pair)
    assert len(fits) == 60
    assert np.median(fits) > np.median(does_not) + 2.0 > 2.0
