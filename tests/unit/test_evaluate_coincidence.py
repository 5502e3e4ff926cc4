"""Triggers and frames slid: the quick ways count what the plain way counts."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluate.coincidence import WITHIN_S, Slid, TriggerList, coincident, local_maxima
from pipelines.evaluate.network_slides import slide
from pipelines.evaluate.searched import Counts
from pipelines.evaluate.slid import Stretch
from stream.detect.head import Head
from stream.types import Float32Array, FloatArray

SECONDS = 40


def triggers(seed: int, n: int = 300, templates: int = 3) -> TriggerList:
    rng = np.random.default_rng(seed)
    return TriggerList(rng.integers(templates, size=n), rng.uniform(5, 5 + SECONDS, n), 3.5 + rng.exponential(1.0, n))


def slid_plainly(first: TriggerList, second: TriggerList, least: float) -> list[float]:
    """Every slide made in full: the second detector's times moved later in a ring, the loudest of each second kept."""
    found = []
    for lag in range(1, SECONDS):
        moved = TriggerList(second.template, 5 + (second.time_s - 5 + lag) % SECONDS, second.rank)
        loudest: dict[int, float] = {}
        for t, time_s, rank in zip(first.template, first.time_s, first.rank, strict=True):
            apart = (moved.time_s - time_s + SECONDS / 2) % SECONDS - SECONDS / 2
            for other in moved.rank[(moved.template == t) & (np.abs(apart) <= WITHIN_S)]:
                second_of = int(time_s)
                loudest[second_of] = max(loudest.get(second_of, 0.0), float(np.hypot(rank, other)))
        found += [rank for rank in loudest.values() if rank >= least]
    return sorted(found, reverse=True)


def test_slides_of_triggers_are_those_made_one_by_one() -> None:
    first, second, least = triggers(1), triggers(2), 6.0
    counts = Slid(5, SECONDS, least).count(first, second, SECONDS - 1)
    np.testing.assert_allclose(counts.loudest, slid_plainly(first, second, least)[: len(counts.loudest)])
    assert (len(counts.loudest), counts.duration_s) == (100, SECONDS * (SECONDS - 1))


def test_templates_searched_apart_have_their_times_added() -> None:
    first, second = triggers(1), triggers(2)
    counts = Slid(5, SECONDS, 6.0).count(first, second, 10, separate=True)
    assert counts.duration_s == 3 * 10 * SECONDS


def test_no_triggers_are_no_events_in_known_time() -> None:
    none = TriggerList(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    counts = Slid(5, SECONDS, 6.0).count(none, none, 10)
    assert (counts.duration_s, len(counts.loudest)) == (400.0, 0)


def test_coincident_are_triggers_of_one_template_within_fifteen_milliseconds() -> None:
    first = TriggerList(np.array([0, 0, 1]), np.array([10.0, 20.0, 30.0]), np.array([3.0, 5.0, 6.0]))
    second = TriggerList(np.array([0, 0, 2]), np.array([10.0149, 20.0151, 30.0]), np.array([4.0, 5.0, 6.0]))
    times_s, ranks = coincident(first, second)
    np.testing.assert_allclose(times_s, [10.00745])
    np.testing.assert_allclose(ranks, [5.0])


def test_local_maxima_stand_above_their_neighbours_and_the_floor() -> None:
    assert local_maxima(np.array([9.0, 1.0, 5.0, 4.0, 3.0, 3.5, 3.0, 6.0, 6.0, 1.0]), 4.0).tolist() == [2, 7]


class _Bounded(Head):
    """A head whose pair term is the embeddings' likeness, between 0 and 2."""

    def __init__(self) -> None:
        self.context = 2

    def coincidence(self, a: Float32Array, b: Float32Array) -> FloatArray:
        like = np.exp(-np.abs(a - b).sum(axis=2)).astype(np.float64)
        term: FloatArray = 2 * like[:, 2:] * like[:, 1:-1]
        return term


def stretch(turned_s: int = 0) -> Stretch:
    """Frames of 90 s, the second detector's moved later: its one slide by a second is then another of the whole's."""
    made = np.random.default_rng(4).standard_normal((2, 16 * 90, 4)).astype(np.float32)
    valid = np.ones(made.shape[:2], np.bool_)
    valid[0, 200:230] = valid[1, 700:720] = False
    moved = [np.roll(x[1], turned_s * 16, axis=0) for x in (made, valid)]
    return Stretch(_Bounded(), np.stack([made[0], moved[0]]), np.stack([valid[0], moved[1]]), 16)


def test_sparse_slides_of_a_network_count_what_whole_slides_count() -> None:
    """Only frames whose single statistics come near the least wanted are ranked: the loud events are the same."""
    sparse = slide(stretch(), 80, whole_slides=6, frequent_hz=0.2)
    every = Counts.joined([slide(stretch(lag), 1) for lag in range(80)])
    above = sparse.loudest[sparse.loudest > sparse.complete_above]
    assert len(above) >= 50
    np.testing.assert_allclose(above, every.loudest[: len(above)], rtol=1e-6)
    assert sparse.duration_s == pytest.approx(every.duration_s, rel=0.01)
