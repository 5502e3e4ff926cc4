"""Archive files: every layout gives the same strain, its quality honoured, and damage named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from stream.codec.files import StrainFile, blocks, read_strain_file
from stream.errors import StrainFileError
from stream.timebase import HOP_NS, NS_PER_S

NAMES = [
    ("GW150914/H-H1_LOSC_16_V1-1126259446-32.hdf5", "H1", 1126259446, 16384, 32),
    ("GW150914/H-H1_LOSC_4_V2-1126259446-32.hdf5", "H1", 1126259446, 4096, 32),
    ("GW150914/H-H1_LOSC_4_V2-1126259446-32.gwf", "H1", 1126259446, 4096, 32),
    ("GW150914/L-L1_LOSC_16_V1-1126259446-32.hdf5", "L1", 1126259446, 16384, 32),
    ("GW150914/L-L1_LOSC_4_V2-1126259446-32.hdf5", "L1", 1126259446, 4096, 32),
    ("GW150914/L-L1_LOSC_4_V2-1126259446-32.gwf", "L1", 1126259446, 4096, 32),
    ("GW151226/H-H1_LOSC_4_V2-1135136334-32.hdf5", "H1", 1135136334, 4096, 32),
    ("GW151226/L-L1_LOSC_4_V2-1135136334-32.hdf5", "L1", 1135136334, 4096, 32),
    ("GW200129/H-H1_GWOSC_4KHZ_R1-1264316101-32.hdf5", "H1", 1264316101, 4096, 32),
    ("GW200129/L-L1_GWOSC_4KHZ_R1-1264316101-32.hdf5", "L1", 1264316101, 4096, 32),
    ("GW200311_115853/H-H1_GWOSC_4KHZ_R1-1267963136-32.hdf5", "H1", 1267963136, 4096, 32),
    ("GW200311_115853/H-H1_GWOSC_4KHZ_R1-1267963136-32.gwf", "H1", 1267963136, 4096, 32),
    ("GW200311_115853/L-L1_GWOSC_4KHZ_R1-1267963136-32.hdf5", "L1", 1267963136, 4096, 32),
    ("GW200311_115853/L-L1_GWOSC_4KHZ_R1-1267963136-32.gwf", "L1", 1267963136, 4096, 32),
    ("GW200311_115853/V-V1_GWOSC_4KHZ_R1-1267963136-32.hdf5", "V1", 1267963136, 4096, 32),
    ("GW200311_115853/V-V1_GWOSC_4KHZ_R1-1267963136-32.gwf", "V1", 1267963136, 4096, 32),
    ("noise/H1-1126258256-400.hdf5", "H1", 1126258256, 4096, 400),
]


@pytest.mark.parametrize(("name", "detector", "start_s", "rate_hz", "duration_s"), NAMES, ids=[n[0] for n in NAMES])
def test_every_real_file_is_read(
    data_dir: Path, name: str, detector: str, start_s: int, rate_hz: int, duration_s: int
) -> None:
    file = read_strain_file(data_dir / "strain" / name)
    assert (file.detector, file.gps_ns, file.sample_rate_hz) == (detector, start_s * NS_PER_S, rate_hz)
    assert file.channel.startswith(f"{detector}:")
    assert file.samples.shape == (duration_s * rate_hz,)
    assert file.samples.dtype == np.float64
    assert file.dq_words.shape == (duration_s * 16,)
    assert file.dq_words.dtype == np.uint32
    assert np.isfinite(file.samples).all()
    assert 1e-22 < file.samples.std() < 1e-17


@pytest.mark.parametrize("name", [n[0] for n in NAMES if n[0].endswith(".gwf")])
def test_gwf_and_hdf5_hold_the_same_strain_and_quality(data_dir: Path, name: str) -> None:
    gwf = read_strain_file(data_dir / "strain" / name)
    hdf5 = read_strain_file((data_dir / "strain" / name).with_suffix(".hdf5"))
    assert np.array_equal(gwf.samples, hdf5.samples)
    assert np.array_equal(gwf.dq_words, hdf5.dq_words)
    assert (gwf.detector, gwf.channel, gwf.gps_ns) == (hdf5.detector, hdf5.channel, hdf5.gps_ns)


def test_vetoed_seconds_of_gw200129_lose_their_bits_in_all_their_hops(data_dir: Path) -> None:
    """L1's CAT2 and CAT3 bits are off for 9 of the 32 s, H1's never."""
    folder = data_dir / "strain" / "GW200129"
    l1 = read_strain_file(folder / "L-L1_GWOSC_4KHZ_R1-1264316101-32.hdf5").dq_words.reshape(32, 16)
    h1 = read_strain_file(folder / "H-H1_GWOSC_4KHZ_R1-1264316101-32.hdf5").dq_words
    assert ((l1 & 15) != 15).all(axis=1).sum() == 9
    assert ((l1 & 15) == 15).all(axis=1).sum() == 23
    assert ((h1 & 15) == 15).all()


def test_damaged_file_says_which_and_what_to_do(data_dir: Path) -> None:
    path = data_dir / "strain" / "damaged" / "TRUNCATED_H-H1_GWOSC_16KHZ_R1-1267957884-32.hdf5"
    with pytest.raises(StrainFileError, match=r"TRUNCATED_H-H1.*truncated.*get it again"):
        read_strain_file(path)


def test_template_file_holds_no_strain(data_dir: Path) -> None:
    with pytest.raises(StrainFileError, match=r"template\.hdf5: holds no strain"):
        read_strain_file(data_dir / "strain" / "GW150914" / "GW150914_4_template.hdf5")


@pytest.mark.parametrize("suffix", [".gwf", ".hdf5"])
def test_file_cut_short_is_refused(data_dir: Path, tmp_path: Path, suffix: str) -> None:
    whole = (data_dir / "strain" / "GW150914" / "H-H1_LOSC_4_V2-1126259446-32").with_suffix(suffix).read_bytes()
    path = tmp_path / f"H-H1_CUT-1126259446-32{suffix}"
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StrainFileError, match="H-H1_CUT-1126259446-32"):
            read_strain_file(path)


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(StrainFileError, match=r"nowhere\.hdf5: no such file"):
        read_strain_file(tmp_path / "nowhere.hdf5")
    (tmp_path / "H1.txt").write_text("0.0")
    with pytest.raises(StrainFileError, match=r"H1\.txt: unknown suffix '\.txt'"):
        read_strain_file(tmp_path / "H1.txt")


def write_gwpy(path: Path, samples: Any, *, x0: float = 1126258256.0, dx: float = 1 / 4096, **attrs: str) -> Path:
    """Write a series as gwpy lays it out."""
    with h5py.File(path, "w") as file:
        series = file.create_dataset("Strain", data=samples)
        series.attrs.update({"x0": x0, "dx": dx, "xunit": "s", **attrs})
    return path


@pytest.mark.parametrize(
    ("name", "attrs", "detector"),
    [
        ("H1-1126258256-1.hdf5", {}, "H1"),
        ("L-L1_GWOSC_4KHZ_R1-1126258256-1.h5", {}, "L1"),
        ("strain.hdf5", {"channel": "V1:Hrec_hoft_16384Hz"}, "V1"),
    ],
)
def test_detector_comes_from_the_channel_or_the_file_name(
    tmp_path: Path, name: str, attrs: dict[str, Any], detector: str
) -> None:
    assert read_strain_file(write_gwpy(tmp_path / name, np.zeros(4096), **attrs)).detector == detector


def test_file_that_tells_no_detector_says_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(StrainFileError, match="tells no detector; name it as in H1-"):
        read_strain_file(write_gwpy(tmp_path / "mystery.hdf5", np.zeros(4096)))


def test_nan_stays_and_a_part_of_a_hop_is_left_out(tmp_path: Path) -> None:
    samples = np.arange(4096 + 100, dtype=float)
    samples[5] = np.nan
    file = read_strain_file(write_gwpy(tmp_path / "H1-1126258256-1.hdf5", samples))
    assert np.array_equal(file.samples, samples[:4096], equal_nan=True)
    assert file.dq_words.tolist() == [127] * 16
    assert file.end_ns == 1126258257 * NS_PER_S


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x0": 1126258256.01}, "off the 1/16 s grid"),
        ({"dx": 1 / 4095.5}, "sample rate of 4095.5"),
        ({"dx": 1 / 1000}, "sample rate of 1000 Hz"),
        ({"dx": float("nan")}, "sample rate of 0 Hz"),
        ({"x0": float("inf")}, "damaged"),
        ({"samples": np.zeros(200)}, "less than 1/16 s"),
    ],
)
def test_unusable_series_are_refused_with_the_reason(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write_gwpy(tmp_path / "H1-1126258256-1.hdf5", **{"samples": np.zeros(4096), **change})
    with pytest.raises(StrainFileError, match=message):
        read_strain_file(path)


@pytest.fixture
def strain_file() -> StrainFile:
    rng = np.random.default_rng(3)
    words = np.arange(40, dtype=np.uint32)
    return StrainFile(Path("x"), "H1", "H1:STRAIN", 1126258256 * NS_PER_S, 4096, rng.normal(size=40 * 256), words)


@pytest.mark.parametrize("hops", [1, 4, 7, 16, 64])
def test_blocks_of_any_length_tile_the_file(strain_file: StrainFile, hops: int) -> None:
    cut = list(blocks(strain_file, hops))
    assert [b.gps_ns for b in cut[1:]] == [b.end_ns for b in cut[:-1]]
    assert (cut[0].gps_ns, cut[-1].end_ns) == (strain_file.gps_ns, strain_file.end_ns)
    assert [b.sequence for b in cut] == list(range(len(cut)))
    assert {b.duration_ns for b in cut[:-1]} <= {hops * HOP_NS}
    assert np.array_equal(np.concatenate([b.samples for b in cut]), strain_file.samples)
    assert np.array_equal(np.concatenate([b.dq_mask for b in cut]), strain_file.dq_words)


@pytest.mark.parametrize("hops", [0, 65, -1])
def test_blocks_longer_than_four_seconds_are_refused(strain_file: StrainFile, hops: int) -> None:
    cut: Callable[[], Any] = lambda: list(blocks(strain_file, hops))  # noqa: E731
    with pytest.raises(ValueError, match=f"block_hops is {hops}"):
        cut()
