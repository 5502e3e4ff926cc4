"""Live slides of triggers: the same counts however the data are cut, and no candidate in its own background."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from stream.detect.extrinsic import load_extrinsic
from stream.detect.ranking import Ranking, RankingStage
from stream.records import Triggers
from stream.settings import SignificanceSettings
from stream.significance import RollingCounts, TriggerSlides
from stream.significance.rate import MOST_HZ
from stream.significance.trigger_slides import SlideConfig, slide_triggers
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import BoolArray

TEMPLATES = 4
RANKING = Ranking(np.log(np.full(TEMPLATES, 1 / TEMPLATES)), load_extrinsic())
START_S = 1_400_000_000 // 32 * 32
LEAD_NS = 3 * HOP_NS // 2
"""Triggers are of a stretch that ends 1.5 hops before the strain does."""

Counted = dict[tuple[str, ...], list[dict[str, object]]]


class Slides(TriggerSlides):
    """In blocks of half a minute."""

    block_s, counted_s = 32, 24
    least = -6.0


def slides_of(slides: int = 32) -> Slides:
    return Slides(RANKING, SignificanceSettings(slides=slides))


def noise(detector: str, seconds: int, seed: int = 1, start_s: int = START_S, rate_hz: float = 12.0) -> Triggers:
    rng = np.random.default_rng([seed, *detector.encode()])
    n = rng.poisson(rate_hz * seconds)
    modulus = np.sqrt(4.0**2 + 2 * rng.exponential(1.0, n))
    gps_ns = start_s * NS_PER_S - LEAD_NS
    hops = seconds * 16
    return Triggers(
        detector, gps_ns, hops * HOP_NS, np.ones(hops, dtype=np.bool_),
        rng.integers(0, TEMPLATES, n).astype(np.int32), gps_ns + np.sort(rng.integers(0, hops * HOP_NS, n)),
        (modulus * np.exp(2j * np.pi * rng.random(n))).astype(np.complex64), np.ones((n, 2), dtype=np.float32),
        np.zeros(n, dtype=np.float32), np.ones(hops, dtype=np.float32),
    )  # fmt: skip


def with_triggers(own: Triggers, times_ns: Sequence[int], snr: complex) -> Triggers:
    """Add triggers of the first template."""
    n = len(times_ns)
    return replace(
        own,
        template=np.concatenate((own.template, np.zeros(n, np.int32))),
        time_ns=np.concatenate((own.time_ns, np.array(times_ns, np.int64))),
        snr=np.concatenate((own.snr, np.full(n, snr, np.complex64))),
        chisq=np.concatenate((own.chisq, np.ones((n, 2), np.float32))),
        glitch=np.concatenate((own.glitch, np.zeros(n, np.float32))),
    )


def deaf(own: Triggers, first_s: float, last_s: float) -> Triggers:
    """Take away what was heard between two times from the stretch's start."""
    valid: BoolArray = own.valid.copy()
    valid[round(first_s * 16) : round(last_s * 16)] = False
    hop = (own.time_ns - own.gps_ns) // HOP_NS
    return replace(own.take(valid[hop]), valid=valid)


def spans(whole: Sequence[Triggers], lengths: Iterator[int]) -> Iterable[list[Triggers]]:
    at = 0
    while at < len(whole[0].valid):
        stop = min(len(whole[0].valid), at + next(lengths))
        yield [t.cut(at, stop) for t in whole]
        at = stop


def each(hops: int) -> Iterator[int]:
    while True:
        yield hops


def any_length(seed: int, most_hops: int) -> Iterator[int]:
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(1, most_hops))


def run(
    whole: Sequence[Triggers], slides: TriggerSlides, lengths: Iterator[int], threshold: float = np.inf
) -> list[tuple[int, tuple[tuple[str, ...], ...], float]]:
    """Search as the loop does: each event is assessed, and excluded where it rings, before its span is added."""
    stage, seen = RankingStage(RANKING), []
    for span in spans(whole, lengths):
        events = stage.step(span)
        for time_ns, statistic in zip(events.time_ns.tolist(), events.statistic.tolist(), strict=True):
            counts = slides.counts_at(time_ns)
            total_s = sum(c.duration_s for c in counts.values())
            seen.append((time_ns, tuple(sorted(counts)), total_s))
            if statistic > threshold:
                slides.exclude(time_ns)
        slides.add(span, events)
    return seen


def as_lists(counts: dict[tuple[str, ...], RollingCounts]) -> Counted:
    return {key: counts[key].as_list() for key in sorted(counts)}


def mergers(whole: Sequence[Triggers], times_ns: Sequence[int]) -> list[Triggers]:
    return [with_triggers(t, times_ns, 14.0) for t in whole]


@pytest.mark.parametrize("lengths", [each(64), any_length(3, 9), any_length(5, 200)])
def test_any_cutting_of_the_spans_counts_the_same_at_the_same_time(lengths: Iterator[int]) -> None:
    """What counts when an event is assessed is the same too, so that its false-alarm rate is."""
    whole = [deaf(noise("H1", 160), 60.0, 71.3), noise("L1", 160)]
    whole = mergers(whole, [START_S * NS_PER_S + round(s * NS_PER_S) for s in (30.9, 65.01, 97.5)])
    one, other = slides_of(), slides_of()
    expected = run(whole, one, each(16), 40.0)
    actual = run(whole, other, lengths, 40.0)
    assert actual == expected
    assert len({total_s for _, _, total_s in expected}) == 6
    assert as_lists(other.counts) == as_lists(one.counts)
    assert set(one.counts) == {("H1", "L1"), ("H1 of H1+L1",), ("L1 of H1+L1",), ("L1",)}
    one.close()
    other.close()


def test_a_block_holds_what_all_its_slides_hold() -> None:
    whole = [noise(d, 70) for d in ("H1", "L1")]
    slides = slides_of()
    run(whole, slides, each(16))
    block = [t.cut(2, 32 * 16 + 2) for t in whole]  # the first two hops begin before the grid
    expected = slide_triggers(block, RANKING, SlideConfig(-6.0, 31))
    counts = slides.counts["H1", "L1"]
    assert counts.duration_s == expected.live_ns / NS_PER_S
    assert counts.parts[0].counts.loudest == pytest.approx(np.sort(expected.statistic), abs=1e-9)
    assert len(expected.statistic) > 5
    slides.close()


@pytest.mark.parametrize("at_s", [20.0, 31.98, 32.5, 39.5, 44.0])
def test_a_candidate_is_in_no_background_wherever_in_its_block_it_is(at_s: float) -> None:
    at_ns = START_S * NS_PER_S + round(at_s * NS_PER_S)
    whole = mergers([noise(d, 128) for d in ("H1", "L1")], [at_ns])
    kept, left_out = slides_of(), slides_of()
    run(whole, kept, each(16))
    run(whole, left_out, each(16), 40.0)
    loud = 30.0
    assert kept.counts["H1", "L1"].count(loud) > 0
    assert {key: c.count(loud) for key, c in left_out.counts.items()} == dict.fromkeys(kept.counts, 0)
    for key, counts in left_out.counts.items():
        assert 0.3 * kept.counts[key].duration_s < counts.duration_s < kept.counts[key].duration_s
    kept.close()
    left_out.close()


def test_a_detector_alone_counts_in_its_own_time_and_of_events_within_a_second_the_loudest() -> None:
    quiet = [noise(d, 70, rate_hz=0.0) for d in ("H1", "L1")]
    times_ns = [START_S * NS_PER_S + round(s * NS_PER_S) for s in (5.0, 5.5, 20.0)]
    whole = [with_triggers(quiet[0], times_ns, 9.0), deaf(quiet[1], 10.0, 24.0)]
    slides = slides_of()
    run(whole, slides, each(16))
    counts = {key: (c.duration_s, c.count(-5.0)) for key, c in slides.counts.items() if len(key) == 1}
    assert counts == {
        ("H1 of H1+L1",): (32.125 - 14.0, 1),
        ("L1 of H1+L1",): (32.125 - 14.0, 0),
        ("H1",): (14.0, 1),
    }
    slides.close()


def test_a_detector_that_is_away_leaves_the_others_their_background() -> None:
    whole = [noise("H1", 128), noise("L1", 128), deaf(noise("V1", 128), 0.0, 40.0)]
    slides = slides_of()
    run([t.cut(0, 80 * 16) for t in whole], slides, each(16))
    assert set(slides.counts) == {("H1", "L1"), ("H1 of H1+L1",), ("L1 of H1+L1",)}
    run(whole, slides, each(16))
    three = {("H1", "L1", "V1"), ("H1", "V1"), ("L1", "V1"), *((f"{d} of H1+L1+V1",) for d in ("H1", "L1", "V1"))}
    assert set(slides.counts) >= three
    slides.close()


def test_what_a_set_counted_is_forgotten_in_time_though_the_set_is_heard_no_more() -> None:
    whole = [noise("H1", 192), noise("L1", 192), deaf(noise("V1", 192), 32.125, 192.0)]
    slides = Slides(RANKING, SignificanceSettings(live_window_s=48.0))
    run([t.cut(0, 64 * 16) for t in whole], slides, each(16))
    assert slides.counts["H1", "L1", "V1"].duration_s > 0
    kept = {key: counts.copy() for key, counts in slides.counts.items()}
    run([t.cut(64 * 16, 192 * 16) for t in whole], slides, each(16))
    assert slides.counts["H1", "L1"].duration_s > 0
    assert slides.counts["H1", "L1", "V1"].duration_s == slides.counts["V1 of H1+L1+V1",].duration_s == 0
    later = Slides(RANKING, SignificanceSettings(live_window_s=48.0))
    later.take_up(kept)
    run([noise(d, 1, start_s=START_S + 999) for d in ("H1", "L1", "V1")], later, each(16))
    assert {counts.duration_s for counts in later.counts.values()} == {0}
    slides.close()
    later.close()


def test_after_a_jump_what_waits_is_dropped_and_what_was_complete_counts() -> None:
    slides = slides_of()
    run([noise(d, 44) for d in ("H1", "L1")], slides, each(16))
    assert {key: c.duration_s for key, c in slides.counts.items()} == {
        ("H1 of H1+L1",): 0.125,  # what lies before the grid's first block
        ("L1 of H1+L1",): 0.125,
    }
    run([noise(d, 20, start_s=START_S + 999) for d in ("H1", "L1")], slides, each(16))
    counted = {key: c.duration_s for key, c in slides.counts.items()}
    assert counted["H1 of H1+L1",] == 32.125
    run([noise(d, 20, start_s=START_S + 32) for d in ("H1", "L1")], slides, each(16))
    assert {key: c.duration_s for key, c in slides.counts.items()} == counted
    slides.close()


def test_a_restart_goes_on_from_what_was_counted() -> None:
    """A checkpoint at a block's end, and data from there on again: as if there had been no restart."""
    whole = [noise(d, 192) for d in ("H1", "L1")]
    through, before, after = slides_of(), slides_of(), slides_of()
    run(whole, through, each(16))
    run([t.cut(0, 90 * 16) for t in whole], before, each(16))
    after.take_up({key: counts.copy() for key, counts in before.counts.items()})
    run([t.cut(64 * 16 + 2, 192 * 16) for t in whole], after, each(16))
    assert as_lists(after.counts) == as_lists(through.counts)
    for slides in (through, before, after):
        slides.close()


def test_below_what_is_looked_for_the_rate_is_the_most_there_can_be() -> None:
    slides = slides_of()
    run([noise(d, 96, rate_hz=0.0) for d in ("H1", "L1")], slides, each(16))
    rates = {s: slides.counts["H1", "L1"].rate(s) for s in (-6.0, -5.9)}
    assert rates[-6.0].far_hz == MOST_HZ
    assert rates[-5.9].is_limit
    slides.close()


def test_memory_does_not_grow_with_the_data() -> None:
    slides, held = slides_of(), []
    slides.kept = 50
    tracemalloc.start()
    for k in range(8):
        run([noise(d, 64, seed=k, start_s=START_S + 64 * k) for d in ("H1", "L1")], slides, each(32))
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] - held[2] < 200_000
    slides.close()


def test_no_slides_count_nothing() -> None:
    slides = slides_of(slides=0)
    run([noise(d, 128) for d in ("H1", "L1")], slides, each(64))
    assert slides.counts == {}
    slides.close()
