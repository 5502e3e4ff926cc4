"""Live slides: what rings is not in its own background, and what is older than the window is forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest

from stream.detect import Head, PeakFinder
from stream.detect.head import HeadStage
from stream.infer import open_model
from stream.records import Embeddings
from stream.settings import DetectSettings
from stream.significance import LiveSlides, RollingCounts, SignalReach
from stream.significance.rate import MOST_HZ
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import Float32Array, FloatArray

RATE = 128
FRAMES = RATE // 16
START_NS = 1_000_000_000 * NS_PER_S
CARD = open_model("first")
DETECT = DetectSettings()
REACH = SignalReach.of(CARD, DETECT)
LOUD = 12.0


class SumHead(Head):
    """A head without a network: pairs add nothing."""

    def __init__(self) -> None:
        self.context = 4

    def coincidence(self, a: Float32Array, b: Float32Array) -> FloatArray:
        return np.zeros((len(a), a.shape[1] - self.context))


def slides_of(n: int = 8, window_s: float = 86_400.0, apart_ns: int = NS_PER_S) -> LiveSlides:
    return LiveSlides(SumHead(), n, RATE, reach=REACH, window_s=window_s, apart_ns=apart_ns)


def noise(seconds: int, seed: int = 1) -> Float32Array:
    """Frames (2, n, dim + 1) whose single statistic alone is anything."""
    frames = np.zeros((2, seconds * RATE, 3), np.float32)
    frames[:, :, -1] = np.minimum(np.random.default_rng(seed).exponential(0.5, frames.shape[:2]), 3.5) - 3.0
    return frames


def merge(frames: Float32Array, at_ns: int) -> None:
    """Raise both detectors as a merger does: some frames before the peak, and for a second after it."""
    peak = (at_ns - START_NS) * RATE // NS_PER_S + CARD.encoder.delay_frames
    for offset, value in ((-60, 2.0), (-3, 4.0), (0, LOUD / 2), (5, 3.0), (80, 1.0)):
        if 0 <= peak + offset < frames.shape[1]:
            frames[:, peak + offset, -1] = value


def spans(frames: Float32Array) -> Iterable[tuple[Embeddings, ...]]:
    for hop in range(frames.shape[1] // FRAMES):
        piece = slice(hop * FRAMES, (hop + 1) * FRAMES)
        good = np.ones(FRAMES, np.bool_)
        yield tuple(
            Embeddings(name, START_NS + hop * HOP_NS, RATE, frames[d, piece], good)
            for d, name in enumerate(("H1", "L1"))
        )


def run(frames: Float32Array, slides: LiveSlides, threshold: float = 6.0) -> list[int]:
    """Search as the loop does: candidates are excluded before their span is added."""
    head, peaks = HeadStage(SumHead()), PeakFinder(DETECT, RATE, CARD.encoder.delay_frames)
    found = []
    for span in spans(frames):
        for peak in peaks.step(head.step(span)):
            if peak.statistic > threshold:
                found.append(peak.gps_ns)
                slides.exclude(peak.gps_ns)
        slides.add(span)
    return found


@pytest.mark.parametrize("at_s", [20.0, 20.5, 20.93, 20.999, 21.05])
def test_a_candidate_is_in_no_background_wherever_in_its_second_it_is(at_s: float) -> None:
    frames = noise(40)
    merge(frames, START_NS + round(at_s * NS_PER_S))
    slides = slides_of()
    assert len(run(frames, slides)) == 1
    assert {names: counts.count(1.1) for names, counts in slides.counts.items()} == {
        ("H1",): 0,
        ("L1",): 0,
        ("H1", "L1"): 0,
    }


def test_a_merger_every_twenty_seconds_leaves_the_background_as_if_there_had_been_none() -> None:
    quiet = noise(300)
    loud = quiet.copy()
    mergers = [START_NS + round((10.0 + 20.13 * k) * NS_PER_S) for k in range(14)]
    for at_ns in mergers:
        merge(loud, at_ns)
    without, among = slides_of(), slides_of()
    assert run(quiet, without) == []
    assert len(run(loud, among)) == len(mergers)
    for names, counts in without.counts.items():
        kept = among.counts[names]
        assert 0.5 * counts.duration_s < kept.duration_s < counts.duration_s
        for level in (-2.0, -1.0, 0.0):
            expected = counts.count(level) / counts.duration_s * kept.duration_s
            assert abs(kept.count(level) - expected) <= 4 * np.sqrt(expected) + 1
        assert kept.count(1.1) == 0


def test_a_glitch_that_does_not_ring_is_background() -> None:
    frames = noise(40)
    frames[0, 20 * RATE, -1] = 5.0
    slides = slides_of()
    assert run(frames, slides) == []
    assert slides.counts[("H1",)].count(4.9) == 1
    assert slides.counts[("H1", "L1")].count(0.0) >= 1


def test_one_bump_on_the_border_of_two_seconds_is_one_event_in_each_slide() -> None:
    frames = noise(40)
    frames[0, 20 * RATE - 2 : 20 * RATE + 2, -1] = (3.0, 4.0, 5.0, 3.0)
    slides = slides_of(apart_ns=NS_PER_S)
    run(frames, slides)
    assert slides.counts[("H1",)].count(2.0) == 1


def test_any_cutting_of_the_spans_counts_the_same() -> None:
    frames, hops, long = noise(30), slides_of(), slides_of()
    run(frames, hops)
    good = np.ones(2 * RATE, np.bool_)
    for k in range(15):
        piece = slice(2 * k * RATE, 2 * (k + 1) * RATE)
        at_ns = START_NS + 2 * k * NS_PER_S
        long.add([Embeddings(n, at_ns, RATE, frames[d, piece], good) for d, n in enumerate(("H1", "L1"))])
    assert {k: c.as_list() for k, c in long.counts.items()} == {k: c.as_list() for k, c in hops.counts.items()}


def test_after_a_jump_of_the_data_the_seconds_are_cut_anew() -> None:
    """What waits is of another time and is dropped; the loudest frame is at its own time afterwards."""
    slides = slides_of()
    run(noise(10), slides)
    counted_s = slides.counts[("H1",)].duration_s
    good = np.ones(16 * RATE, np.bool_)
    at_ns = START_NS + 100 * NS_PER_S + HOP_NS
    slides.add([Embeddings(n, at_ns, RATE, noise(16, 2)[d], good) for d, n in enumerate(("H1", "L1"))])
    assert slides.counts[("H1",)].duration_s - counted_s == pytest.approx(12, abs=1)


@dataclass
class Hour:
    """One peak a minute, each as loud as the minute's number."""

    counts: RollingCounts

    def go_on(self, minutes: range) -> None:
        for k in minutes:
            self.counts.add([float(k)], 60.0, START_NS + k * 60 * NS_PER_S)


def test_the_window_rolls_on_data_time_and_forgets_what_is_older() -> None:
    hour = Hour(RollingCounts(3600.0))
    hour.go_on(range(60))
    assert hour.counts.count(0.0) == 60
    assert hour.counts.duration_s == 3600
    hour.go_on(range(60, 300))
    assert 3600 <= hour.counts.duration_s <= 3600 * (1 + 2 / 24)
    assert hour.counts.count(0.0) == hour.counts.count(237.0) == round(hour.counts.duration_s / 60)
    hour.go_on(range(100_000, 100_001))
    assert hour.counts.count(0.0) == 1


def test_a_checkpoint_keeps_the_times_so_that_a_restart_forgets_as_well() -> None:
    hour = Hour(RollingCounts(3600.0))
    hour.go_on(range(60))
    restored = Hour(RollingCounts.from_list(3600.0, hour.counts.as_list()))
    for each in (hour, restored):
        each.go_on(range(60, 100))
    assert restored.counts.as_list() == hour.counts.as_list()
    restored.go_on(range(400, 401))
    assert restored.counts.duration_s == 60


def test_memory_is_bounded_and_the_loudest_stay() -> None:
    counts = RollingCounts(3600.0)
    rng = np.random.default_rng(3)
    for k in range(2000):
        counts.add(rng.exponential(1.0, 40).tolist(), 10.0, START_NS + k * 10 * NS_PER_S)
    assert len(counts.parts) <= 25
    assert counts.count(0.0) <= 25 * 1000
    assert counts.count(7.0) > 0


def test_below_what_a_part_has_kept_the_rate_is_the_most_there_can_be() -> None:
    """So many peaks are not known, and a rate errs upward; what is louder is counted as ever."""
    counts = RollingCounts(3600.0, kept=10)
    counts.add([float(k) for k in range(100)], 1e6, START_NS)
    assert counts.rate(89.0).far_hz == MOST_HZ
    assert counts.rate(90.0).far_hz == pytest.approx(11e-6)
