"""What the recorder keeps of the stream, and what a file keeps of that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from heard import GPS_NS, evidence, segment, spans, statistic_of

from pipelines.show.evidence import AFTER_S, BEFORE_S, Evidence, Recorder, load, save
from stream.timebase import HOP_NS, NS_PER_S


def recorded(hops: int, seconds: float = 20.0) -> Recorder:
    recorder = Recorder(seconds)
    for pair in zip(spans(segment("H1"), hops), spans(segment("L1"), hops), strict=True):
        recorder(pair, statistic_of(pair[0]))
    return recorder


@pytest.mark.parametrize("hops", [1, 4, 32])
def test_what_is_taken_does_not_depend_on_the_blocks(hops: int) -> None:
    found = recorded(hops).around(GPS_NS)
    assert [s.detector for s in found.strain] == ["H1", "L1"]
    first, whole = found.strain[0], segment("H1")
    assert 0 <= GPS_NS - BEFORE_S * NS_PER_S - first.gps_ns < HOP_NS
    assert found.until_ns == min(whole.end_ns, first.gps_ns + (first.n_hops) * HOP_NS)
    assert found.until_ns - GPS_NS <= AFTER_S * NS_PER_S + HOP_NS
    at = (first.gps_ns - whole.gps_ns) // HOP_NS * 128
    assert np.array_equal(first.samples, whole.samples[at : at + len(first.samples)])
    assert len(first.samples) == 128 * first.n_hops


def test_what_has_passed_by_is_no_strain() -> None:
    assert recorded(4, seconds=0.5).around(GPS_NS - 4 * NS_PER_S).strain == ()
    assert recorded(4).around(GPS_NS + 60 * NS_PER_S).strain == ()
    assert Recorder().around(GPS_NS).strain == ()


def test_a_jump_of_the_stream_begins_anew() -> None:
    recorder = recorded(4)
    later = replace(segment("H1"), gps_ns=segment("H1").gps_ns + 1000 * NS_PER_S)
    recorder([later], statistic_of(later))
    assert recorder.around(GPS_NS).strain == ()
    assert [s.detector for s in recorder.around(GPS_NS + 1000 * NS_PER_S).strain] == ["H1"]


def test_a_file_gives_back_what_it_was_given(tmp_path: Path) -> None:
    made = evidence("H1", "V1")
    save(made, tmp_path / "kept.npz")
    found = load(tmp_path / "kept.npz")
    assert isinstance(found, Evidence)
    assert (found.gps_ns, found.is_curve) == (made.gps_ns, made.is_curve)
    assert np.array_equal(found.time_ns, made.time_ns)
    for one, other in zip(found.strain, made.strain, strict=True):
        assert (one.detector, one.gps_ns, one.sample_rate_hz) == (other.detector, other.gps_ns, other.sample_rate_hz)
        assert np.array_equal(one.samples, other.samples)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no file of arrays", b"\x93NUMPY"])
def test_a_damaged_file_gives_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "kept.npz").write_bytes(content)
    assert load(tmp_path / "kept.npz") is None
    assert load(tmp_path / "none.npz") is None
