"""Sparse slides of triggers against the plain way: move one detector, rank everything, count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from stream.detect.coincide import coincide
from stream.detect.extrinsic import load_extrinsic
from stream.detect.ranking import Ranking, relative_at
from stream.records import Triggers
from stream.significance.trigger_slides import SlideConfig, SlidEvents, live_ns, slide_triggers
from stream.superevent import SAME_EVENT_NS
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import BoolArray

START_NS = 1_400_000_000 * NS_PER_S
TEMPLATES = 6
RANKING = Ranking(np.log(np.full(TEMPLATES, 1 / TEMPLATES)), load_extrinsic())
Found = list[tuple[int, int, float]]


def noise(detector: str, seconds: int, seed: int, rate_hz: float = 20.0, valid: BoolArray | None = None) -> Triggers:
    rng = np.random.default_rng([seed, *detector.encode()])
    n = rng.poisson(rate_hz * seconds)
    modulus = np.sqrt(4.0**2 + 2 * rng.exponential(1.0, n))
    return Triggers(
        detector,
        START_NS,
        seconds * NS_PER_S,
        np.ones(seconds * 16, dtype=np.bool_) if valid is None else valid,
        rng.integers(0, TEMPLATES, n).astype(np.int32),
        START_NS + np.sort(rng.integers(0, seconds * NS_PER_S, n)),
        (modulus * np.exp(2j * np.pi * rng.random(n))).astype(np.complex64),
        np.ones((n, 2), dtype=np.float32),
        -rng.exponential(0.3, n).astype(np.float32),
        np.repeat(rng.uniform(0.5, 1.5, -(-seconds // 5)), 80)[: seconds * 16].astype(np.float32),
    )


def plain(triggers: Sequence[Triggers], slide: int, least: float, step_s: int = 1) -> Found:
    """Return what one slide holds, by moving and ranking everything."""
    moved = [replace(t, time_ns=t.time_ns + d * slide * step_s * NS_PER_S) for d, t in enumerate(triggers)]
    found = coincide(moved, RANKING.term)
    relative = np.stack([
        relative_at([t], found.time_ns - d * slide * step_s * NS_PER_S)[:, 0] for d, t in enumerate(triggers)
    ], axis=1)  # fmt: skip
    events = RANKING.events(found, np.ones((len(found), len(moved)), dtype=np.bool_), relative)
    inside = events.loudest.seen.members.sum(axis=1) > 1
    for d, own in enumerate(triggers):
        since_ns = events.time_ns - d * slide * step_s * NS_PER_S - own.gps_ns
        inside &= (since_ns >= 0) & (since_ns < own.duration_ns)
    events = events.take(np.flatnonzero(inside & (events.statistic >= least)))
    kept: Found = []
    for time_ns, value in zip(events.time_ns.tolist(), events.statistic.tolist(), strict=True):
        if value >= events.statistic[np.abs(events.time_ns - time_ns) <= SAME_EVENT_NS].max():
            kept.append((slide, time_ns, value))
    return kept


def as_found(events: SlidEvents) -> Found:
    return list(zip(events.slide.tolist(), events.time_ns.tolist(), events.statistic.tolist(), strict=True))


@pytest.mark.parametrize(("names", "least"), [(("H1", "L1"), -6.0), (("H1", "L1"), -2.0), (("H1", "L1", "V1"), -6.0)])
def test_sparse_slides_find_what_plain_ones_find(names: tuple[str, ...], least: float) -> None:
    triggers = [noise(d, 120, 3) for d in names]
    numbers = [n for n in range(-30, 31) if n != 0]
    expected = [e for n in numbers for e in plain(triggers, n, least)]

    found = as_found(slide_triggers(triggers, RANKING, SlideConfig(least, 30)))

    assert [f[:2] for f in found] == [e[:2] for e in expected]
    np.testing.assert_allclose([f[2] for f in found], [e[2] for e in expected], atol=1e-9)
    assert len(expected) > 10


def test_a_slide_that_undoes_a_shift_is_the_search_itself() -> None:
    """Data moved by 7 s are, in slide 7, what the search ranks at zero lag."""
    triggers = [noise(d, 200, 5) for d in ("H1", "L1")]
    early = replace(triggers[1], time_ns=triggers[1].time_ns - 7 * NS_PER_S, gps_ns=START_NS - 7 * NS_PER_S)
    expected = plain(triggers, 0, -7.0)

    events = slide_triggers([triggers[0], early], RANKING, SlideConfig(-7.0, 7))
    found = [f for f in as_found(events) if f[0] == 7]

    assert [f[1] for f in found] == [e[1] for e in expected]
    np.testing.assert_allclose([f[2] for f in found], [e[2] for e in expected], atol=1e-9)
    assert len(expected) > 3


@pytest.mark.parametrize("step_s", [1, 3])
def test_live_time_is_exact_with_gaps(step_s: int) -> None:
    rng = np.random.default_rng(1)
    masks = [np.repeat(rng.random(40) > 0.3, 40) for _ in range(3)]
    triggers = [noise(d, 100, 1, valid=m) for d, m in zip(("H1", "L1", "V1"), masks, strict=True)]
    numbers = np.array([-9, -2, 1, 5, 30])
    expected = 0
    for n in numbers:
        hops = np.arange(-2000, 4000)
        together = np.ones(len(hops), dtype=np.bool_)
        for d, mask in enumerate(masks):
            own = hops - d * n * step_s * 16
            together &= (own >= 0) & (own < 1600) & mask[np.clip(own, 0, 1599)]
        expected += int(together.sum()) * HOP_NS

    assert live_ns(triggers, numbers, step_s) == expected


def test_what_is_excluded_is_neither_event_nor_live_time() -> None:
    """A loud pair is in every slide of its triggers, until its stretch is taken out, by whole hops."""
    triggers = [noise(d, 100, 2) for d in ("H1", "L1")]
    time_ns = START_NS + 50 * NS_PER_S + 300
    loud = [replace(t, snr=np.where(np.abs(t.time_ns - time_ns) < NS_PER_S // 8, 40 * t.snr, t.snr)) for t in triggers]
    stretch = (time_ns - NS_PER_S // 4, time_ns + NS_PER_S // 4)
    config = SlideConfig(-4.0, 40)

    kept = slide_triggers(loud, RANKING, config)
    out = slide_triggers(loud, RANKING, config, [stretch])

    assert kept.statistic.max(initial=0.0) > 30.0 > out.statistic.max(initial=-9.0)
    whole = 2 * sum(100 - n for n in range(1, 41)) * NS_PER_S
    # 9 hops are touched, in either detector, and never in both at once.
    assert kept.live_ns == whole
    assert out.live_ns == whole - 80 * 2 * 9 * HOP_NS


def test_slides_without_triggers_are_live_time_without_events() -> None:
    events = slide_triggers([noise(d, 50, 1, rate_hz=0.0) for d in ("H1", "L1")], RANKING, SlideConfig(-6.0, 10))
    assert len(events.statistic) == 0
    assert events.live_ns == 2 * sum(50 - n for n in range(1, 11)) * NS_PER_S


def test_an_event_where_a_third_detector_is_deaf_is_not_that_sets() -> None:
    deaf: BoolArray = np.zeros(120 * 16, dtype=np.bool_)
    triggers = [noise("H1", 120, 3), noise("L1", 120, 3), noise("V1", 120, 3, valid=deaf)]
    events = slide_triggers(triggers, RANKING, SlideConfig(-6.0, 10))
    assert len(events.statistic) == 0
    assert events.live_ns == 0
