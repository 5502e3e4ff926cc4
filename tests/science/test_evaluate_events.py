"""Real events through network and ranking: loud where they were, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluate.events import EVENTS, NOISE, events_of, loudest, triggers_of
from stream.detect.extrinsic import load_extrinsic
from stream.detect.ranking import Ranking
from stream.infer.filterbank.bank import read_bank
from stream.infer.filterbank.stage import FilterBank
from stream.settings import InferSettings


@pytest.fixture(scope="module")
def shared() -> Iterator[FilterBank]:
    bank = FilterBank(read_bank(), InferSettings(threads=1))
    yield bank
    bank.close()


@pytest.fixture(scope="module")
def ranking(shared: FilterBank) -> Ranking:
    return Ranking(shared.bank.ln_weight, load_extrinsic())


def test_gw150914_has_nearly_its_published_snr_and_nothing_else_is_loud(
    data_dir: Path, shared: FilterBank, ranking: Ranking
) -> None:
    known = EVENTS[0]
    paths = sorted((data_dir / "strain").glob(known.pattern))
    events = events_of(triggers_of(paths, shared), ranking)
    apart_s = np.abs(events.time_ns / 1e9 - known.gps_s)
    event, other = loudest(events, apart_s < 0.05), loudest(events, apart_s > 1.0)
    assert event is not None
    assert set(event.snrs) == {"H1", "L1"}
    assert event.network_snr > 22.0
    assert event.statistic > 100.0
    assert other is None or other.statistic < 0.0


def test_quiet_noise_of_one_detector_is_silent(data_dir: Path, shared: FilterBank, ranking: Ranking) -> None:
    triggers = triggers_of(sorted((data_dir / "strain").glob(NOISE)), shared)
    events = events_of(triggers, ranking)
    heard = loudest(events, np.ones(len(events), dtype=np.bool_))
    assert triggers[0].valid.sum() > 380 * 16
    assert heard is None or heard.statistic < 0.0
