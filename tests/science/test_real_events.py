"""The main job on real strain: each event is found once, at its time, from any files, block lengths and detectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.offline.replay import replay_direct
from pipelines.offline.report import Report
from stream.codec.alert import alert_record
from stream.errors import StrainFileError
from stream.records import FOLLOWED_FIELDS, Candidate
from stream.settings import LocalizeSettings, Settings, SignificanceSettings
from stream.timebase import NS_PER_S

GW150914 = 1126259462.42
GW151226 = 1135136350.65
GW200129 = 1264316116.4
GW200311 = 1267963151.3


def files(data_dir: Path, pattern: str) -> list[Path]:
    found = sorted((data_dir / "strain").glob(pattern))
    assert found, pattern
    return found


NO_MAPS = LocalizeSettings(enabled=False)
"""What is found is the same with and without them."""


def search(paths: list[Path], block_s: float = 1.0, localize: LocalizeSettings = NO_MAPS) -> Report:
    return replay_direct(paths, settings=Settings(localize=localize), block_s=block_s)


def only(report: Report) -> Candidate:
    assert len(report.candidates) == 1, report.as_dict()["candidates"]
    return report.candidates[0][1]


@pytest.fixture(scope="module")
def told(data_dir: Path) -> Report:
    return search(files(data_dir, "GW150914/*_4_V2*.hdf5"), localize=LocalizeSettings())


@pytest.fixture(scope="module")
def gw150914(told: Report) -> Candidate:
    return only(told)


def test_gw150914_is_found_once_within_50_ms(gw150914: Candidate) -> None:
    assert gw150914.gps_ns / 1e9 == pytest.approx(GW150914, abs=0.05)
    assert gw150914.peak.detectors == ("H1", "L1")


def test_the_alert_of_gw150914_says_where_it_was_and_what(told: Report) -> None:
    """LVK: 440 Mpc (+150, -170), a binary black hole; H1 and L1 alone leave a ring's part of the sky."""
    alert = alert_record(told.revisions[-1], "Tocsin", SignificanceSettings())
    followed = told.revisions[-1].followed
    assert followed is not None
    assert followed.known == FOLLOWED_FIELDS
    assert followed.area90_deg2 == pytest.approx(400.0, abs=250.0)
    assert followed.distance_mpc == pytest.approx(440.0, abs=150.0)
    assert alert["event"]["classification"]["BBH"] > 0.9
    assert alert["event"]["properties"]["HasNS"] < 0.01
    assert alert["event"]["skymap"].startswith(b"SIMPLE")


@pytest.mark.parametrize("block_s", [1 / 16, 1 / 4, 4.0])
def test_block_length_changes_neither_time_nor_statistic(gw150914: Candidate, data_dir: Path, block_s: float) -> None:
    found = only(search(files(data_dir, "GW150914/*_4_V2*.hdf5"), block_s))
    assert abs(found.gps_ns - gw150914.gps_ns) < 1_000  # the last digits of the graph's sums
    assert found.peak.statistic == pytest.approx(gw150914.peak.statistic, abs=1e-4)


def test_the_gwf_files_give_the_same_candidate(gw150914: Candidate, data_dir: Path) -> None:
    found = only(search(files(data_dir, "GW150914/*_4_V2*.gwf")))
    assert abs(found.gps_ns - gw150914.gps_ns) < 1_000  # the last digits of the graph's sums
    assert found.peak.statistic == pytest.approx(gw150914.peak.statistic, abs=1e-4)


def test_the_16_khz_files_give_the_same_event(gw150914: Candidate, data_dir: Path) -> None:
    """To a frame and 2 % of the statistic: another decimation, and here another release of the calibration."""
    found = only(search(files(data_dir, "GW150914/*_16_V1*.hdf5")))
    assert abs(found.gps_ns - gw150914.gps_ns) <= NS_PER_S // 128
    assert found.peak.statistic == pytest.approx(gw150914.peak.statistic, rel=0.02)


def test_gw151226_longer_and_weaker_is_found(data_dir: Path) -> None:
    assert only(search(files(data_dir, "GW151226/*-32.hdf5"))).gps_ns / 1e9 == pytest.approx(GW151226, abs=0.1)


def test_gw200129_vetoed_seconds_are_masked_and_said_so_and_h1_goes_on(data_dir: Path) -> None:
    """A detector alone is compared with what it hears alone: in 9.6 h of noise with glitches some are as loud."""
    settings = Settings.model_validate({"significance": {"far_threshold_hz": 3e-4}})
    report = replay_direct(files(data_dir, "GW200129/*.hdf5"), settings=settings)
    assert report.masked_seconds() == {"H1": 0.0, "L1": 9.0}
    assert {m.reason for m in report.masked_stretches} == {"veto CBC_CAT2|CBC_CAT3"}
    found = only(report)
    assert found.gps_ns / 1e9 == pytest.approx(GW200129, abs=0.1)
    assert found.peak.detectors == ("H1",)


@pytest.mark.parametrize("without", ["", "H", "L", "V"])
def test_gw200311_is_found_with_three_detectors_and_without_each(data_dir: Path, without: str) -> None:
    paths = [p for p in files(data_dir, "GW200311_115853/*.hdf5") if p.name[0] != without]
    found = only(search(paths))
    assert found.gps_ns / 1e9 == pytest.approx(GW200311, abs=0.1)
    assert len(found.peak.heard) == len(paths)


def test_quiet_noise_of_one_detector_rings_no_bell(data_dir: Path) -> None:
    report = search(files(data_dir, "noise/*.hdf5"))
    assert report.candidates == []
    assert report.duration_s == 400.0
    assert report.masked_seconds() == {"H1": 0.0}


def test_a_damaged_file_is_an_error_that_names_it(data_dir: Path) -> None:
    with pytest.raises(StrainFileError, match="TRUNCATED"):
        search(files(data_dir, "damaged/*"))
