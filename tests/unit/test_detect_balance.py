"""A network that is less sensitive as a whole ranks noise as ever; one detector that is, still counts for less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stream.detect.balance import balanced
from stream.detect.extrinsic import load_extrinsic
from stream.detect.ranking import Ranking, RankingStage
from stream.records import Triggers
from stream.timebase import HOP_NS
from stream.types import AnyFloatArray

START_NS = 1_400_000_000 * 10**9
HOPS = 32
RANKING = Ranking(np.zeros(1), load_extrinsic())


def one(detector: str, snr: complex, relative: AnyFloatArray | float) -> Triggers:
    """Return a detector with one trigger, in the middle of two seconds."""
    return Triggers(
        detector, START_NS, HOPS * HOP_NS, np.ones(HOPS, dtype=np.bool_), np.zeros(1, np.int32),
        np.array([START_NS + HOPS // 2 * HOP_NS + 1]), np.array([snr], np.complex64), np.ones((1, 2), np.float32),
        np.zeros(1, np.float32), np.full(HOPS, relative, np.float32),
    )  # fmt: skip


def statistic(h1: AnyFloatArray | float, l1: AnyFloatArray | float) -> float:
    triggers = balanced([one("H1", 7.0, h1), one("L1", -6.0, l1)])
    return float(RankingStage(RANKING).step(triggers).statistic[0])


def test_what_all_detectors_share_changes_nothing_and_what_differs_does() -> None:
    assert statistic(0.3, 0.3) == pytest.approx(statistic(1.0, 1.0), abs=1e-5)
    assert statistic(0.3, 0.15) == pytest.approx(statistic(1.0, 0.5), abs=1e-5)
    assert abs(statistic(1.0, 0.4) - statistic(1.0, 1.0)) > 0.3


def test_a_detector_alone_is_as_nominal_and_one_that_is_not_heard_takes_no_part() -> None:
    h1, l1 = one("H1", 7.0, 0.4), replace(one("L1", 6.0, 3.0), valid=np.zeros(HOPS, dtype=np.bool_))
    assert balanced([h1])[0].relative == pytest.approx(np.ones(HOPS))
    assert balanced([h1, l1])[0].relative == pytest.approx(np.ones(HOPS))
    deaf = replace(h1, valid=np.zeros(HOPS, dtype=np.bool_))
    assert balanced([deaf])[0].relative == pytest.approx(np.full(HOPS, 0.4))


def test_each_hop_counts_by_itself_however_the_stretch_is_cut() -> None:
    rng = np.random.default_rng(1)
    whole = [one(d, 6.0, rng.uniform(0.2, 1.5, HOPS)) for d in ("H1", "L1", "V1")]
    pieces = [balanced([t.cut(k, k + 4) for t in whole]) for k in range(0, HOPS, 4)]
    for d, own in enumerate(balanced(whole)):
        assert np.concatenate([p[d].relative for p in pieces]) == pytest.approx(own.relative)
