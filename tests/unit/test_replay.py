"""Archives of one stretch of time and of several: what is said of them is what is in the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.feeds.archive import Archive, block_hops
from pipelines.feeds.replay import rebase_shift_ns, replay_to_kafka
from pipelines.offline.report import Report
from pipelines.show.present import report_text
from stream.codec.files import StrainFile
from stream.configuration import load_settings
from stream.errors import ConfigurationError
from stream.records import Masked, Stretch
from stream.timebase import HOPS_PER_S, NS_PER_S

DAY_NS = 86_400 * NS_PER_S
START_NS = 1_126_259_446 * NS_PER_S
FAR_NS = START_NS + 103 * DAY_NS


def strain(detector: str, gps_ns: int, seconds: int = 32) -> StrainFile:
    samples = np.zeros(seconds * 4096)
    words = np.full(seconds * HOPS_PER_S, 127, np.uint32)
    return StrainFile(Path("x.hdf5"), detector, "Strain", gps_ns, 4096, samples, words)


def test_files_103_days_apart_are_two_stretches_of_32_s() -> None:
    archive = Archive(tuple(strain(d, at) for at in (FAR_NS, START_NS) for d in ("H1", "L1")))
    assert archive.duration_s == 64.0
    assert archive.stretches == (
        Stretch(START_NS, START_NS + 32 * NS_PER_S, ("H1", "L1")),
        Stretch(FAR_NS, FAR_NS + 32 * NS_PER_S, ("H1", "L1")),
    )
    times_ns = (START_NS, START_NS + 8 * NS_PER_S, FAR_NS, FAR_NS + NS_PER_S)
    assert [archive.done_s(at_ns) for at_ns in times_ns] == [0, 8, 32, 33]


def test_files_that_touch_or_overlap_are_one_stretch() -> None:
    archive = Archive((
        strain("H1", START_NS), strain("H1", START_NS + 32 * NS_PER_S), strain("V1", START_NS + 40 * NS_PER_S),
    ))  # fmt: skip
    assert archive.stretches == (Stretch(START_NS, START_NS + 72 * NS_PER_S, ("H1", "V1")),)
    assert archive.duration_s == 72.0


def test_what_lies_between_stretches_is_not_masked_and_not_counted() -> None:
    first, second = (Stretch(at, at + 32 * NS_PER_S, ("H1",)) for at in (START_NS, FAR_NS))
    report = Report(detectors=("H1",), duration_s=64.0, wall_s=1.0, stretches=(first, second))
    report.masked([
        Masked("H1", first.end_ns - NS_PER_S, first.end_ns + 2 * NS_PER_S, "missing"),
        Masked("H1", first.end_ns + 2 * NS_PER_S, FAR_NS, "skipped"),
        Masked("H1", FAR_NS, FAR_NS + NS_PER_S, "waking"),
    ])  # fmt: skip
    written = report.as_dict()
    assert written["masked_s"] == {"H1": 2.0}
    assert written["x_realtime"] == 64.0
    assert written["stretches"] == [
        {"gps_start": 1126259446.0, "gps_end": 1126259478.0, "detectors": ["H1"]},
        {"gps_start": 1135158646.0, "gps_end": 1135158678.0, "detectors": ["H1"]},
    ]
    text = report_text(report)
    assert "2 stretches of data" in text
    assert "64 s of data in 1.00 s" in text


def test_a_stream_is_not_kept_silent_for_days(data_dir: Path) -> None:
    """Onto Kafka in real time, the gap between two far stretches would be waited for."""
    files = [next((data_dir / "strain").glob(f"{event}/H-H1_LOSC_4*.hdf5")) for event in ("GW150914", "GW151226")]
    settings = load_settings(None, {"kafka": {"bootstrap_servers": "127.0.0.1:1"}})
    with pytest.raises(ConfigurationError, match="8876856 s would pass in silence"):
        replay_to_kafka(files, settings=settings)


@pytest.mark.parametrize("speed", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_speed_is_a_positive_number(speed: float) -> None:
    with pytest.raises(ConfigurationError, match="--speed"):
        replay_to_kafka([], settings=load_settings(), speed=speed)


@pytest.mark.parametrize("length_s", [float("nan"), float("inf"), 0.0, -1.0, 0.1, 4.0625])
def test_a_block_length_is_whole_hops(length_s: float) -> None:
    with pytest.raises(ConfigurationError, match="block length"):
        block_hops(length_s)


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0, 50.0])
def test_data_moved_to_the_present_are_never_of_the_future_when_they_are_sent(speed: float) -> None:
    """What ends ``x`` after the start leaves ``x / speed`` after the first block, which may be up to a second later."""
    now_ns, duration_s = 1_400_000_000_123_456_789, 32.0
    start_ns = 1_126_259_446_000_000_000
    moved_ns = start_ns + rebase_shift_ns(start_ns, now_ns, duration_s, speed)
    first_ns = max(now_ns, moved_ns) if speed > 1 else moved_ns
    for x_s in (0.0, duration_s / 2, duration_s):
        assert moved_ns + round(x_s * 1e9) <= first_ns + round(x_s / speed * 1e9) + 1_000_000_000
