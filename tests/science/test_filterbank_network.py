"""The matched-filter network in the loop: a merger is one loud event, however the stream is cut, restarted or deaf."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pipelines.live import checkpoint
from pipelines.offline.report import Report
from pipelines.search import Stages, compose, one_by_one, search
from stream.configuration import load_settings
from stream.records import Block, Candidate, Statistic
from stream.settings import Settings
from stream.simulate.detector import Injection, NetworkConfig, SyntheticNetwork
from stream.simulate.waveforms import BinaryParameters
from stream.timebase import NS_PER_S

START_NS = 1_400_000_000 * NS_PER_S
MERGER_NS = START_NS + 19 * NS_PER_S + 300_000_000
EVERYTHING_HZ = 10.0


def settings() -> Settings:
    """All events become candidates, whatever their background says."""
    return load_settings(
        None,
        {"infer": {"model": "carillon"}, "significance": {"far_threshold_hz": EVERYTHING_HZ}},
    )


@cache
def blocks(hops: int, start_s: int = 0, stop_s: int = 22) -> tuple[Block, ...]:
    network = SyntheticNetwork(NetworkConfig(seed=5, witnesses=False))
    binary = BinaryParameters(36.0, 29.0, ra_rad=1.0, dec_rad=0.7, geocent_ns=MERGER_NS)
    network.inject(Injection(binary, network_snr=20.0))
    return tuple(network.blocks(START_NS + start_s * NS_PER_S, START_NS + stop_s * NS_PER_S, hops))


def heard(stages: Stages, given: Iterable[Block]) -> list[Candidate]:
    """Candidates, the loudest first."""
    report = Report(detectors=("H1", "L1"))
    search(one_by_one(given), stages, report)
    stages.close()
    return sorted((c for _, c in report.candidates), key=lambda c: -c.peak.statistic)


@pytest.fixture(scope="module")
def by_hops() -> list[Candidate]:
    return heard(compose(settings()), blocks(1))


def test_a_merger_is_the_loudest_event_with_its_snr_in_both_detectors(by_hops: list[Candidate]) -> None:
    peak, next_peak = by_hops[0].peak, by_hops[1].peak
    assert abs(peak.gps_ns - MERGER_NS) < 50_000_000
    assert peak.detectors == peak.heard == ("H1", "L1")
    assert peak.template is not None
    snr = np.sqrt(sum(abs(a.snr) ** 2 for a in peak.arrivals))
    assert snr == pytest.approx(20.0, abs=2.5)
    assert dict(peak.per_detector) == {a.detector: abs(a.snr) for a in peak.arrivals}
    assert all(abs(a.time_ns - MERGER_NS) < 50_000_000 for a in peak.arrivals)
    assert peak.statistic > next_peak.statistic + 8


def test_it_is_known_210_ms_of_data_after_it_passed_and_no_other_event_is_near(by_hops: list[Candidate]) -> None:
    """What a signal's filters ring of beside its merger is not told as an event of its own."""
    loudest = by_hops[0].peak
    assert 0 < loudest.confirmed_ns - loudest.gps_ns < 210_000_000
    assert min(abs(c.gps_ns - loudest.gps_ns) for c in by_hops[1:]) > 100_000_000


def test_any_cutting_of_the_stream_gives_the_same_events(by_hops: list[Candidate]) -> None:
    found = heard(compose(settings()), blocks(7))
    assert len(found) == len(by_hops)
    for one, other in zip(found, by_hops, strict=True):
        assert abs(one.gps_ns - other.gps_ns) < 1_000  # to the last digits of the graph's sums
        assert one.peak.statistic == pytest.approx(other.peak.statistic, abs=1e-4)
        assert (one.peak.detectors, one.peak.heard) == (other.peak.detectors, other.peak.heard)


@dataclass(frozen=True)
class Ran:
    """A search of the first 16 s, what it told of each second, and its checkpoint's folder."""

    told: list[tuple[int, Statistic]]
    folder: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    stages, told = compose(settings()), list[tuple[int, Statistic]]()
    stages.tap = lambda whitened, statistic: told.append((whitened[0].end_ns, statistic))
    heard(stages, blocks(16, 0, 16))
    folder = tmp_path_factory.mktemp("state")
    checkpoint.save(stages, folder)
    return Ran(told, folder)


def test_a_restart_goes_on_with_its_filters(ran: Ran) -> None:
    """Strain of the last seconds before the merger is enough; a start from nothing is deaf then."""
    again, anew = compose(settings()), compose(settings())
    assert checkpoint.restore(again, ran.folder)
    rest = blocks(16, 17, 22)
    found = heard(again, rest)
    assert abs(found[0].gps_ns - MERGER_NS) < 50_000_000
    assert found[0].peak.statistic > 5
    assert heard(anew, rest) == []


def test_a_detector_is_deaf_until_it_has_filters(ran: Ran) -> None:
    deaf = [statistic.deaf for _, statistic in ran.told]
    first = deaf.index(())
    assert deaf[:first] == [("H1", "L1")] * first
    assert not any(deaf[first:])
    assert all(statistic.heard_ns == 0 for _, statistic in ran.told[:first])
    assert 10 <= (ran.told[first][0] - START_NS) / NS_PER_S <= 15


def test_one_detector_alone_is_heard(by_hops: list[Candidate]) -> None:
    alone = [b for b in blocks(16) if b.detector == "H1"]
    loudest = heard(compose(settings()), alone)[0].peak
    assert abs(loudest.gps_ns - MERGER_NS) < 50_000_000
    assert loudest.detectors == loudest.heard == ("H1",)
    assert loudest.statistic < by_hops[0].peak.statistic
