"""Archive strain files: GWOSC HDF5 (LOSC and GWOSC layouts), gwpy HDF5, GWF; for replay.

Source of the layouts: https://gwosc.org/archive/, "What's in an HDF5 file"; the data-quality mask is a 1 Hz series with
the bits of :class:`stream.records.DataQuality`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stream.blocks import MAX_BLOCK_HOPS, check_rate
from stream.codec.quality import words_per_hop
from stream.errors import SchemaError, StrainFileError
from stream.records import DataQuality, StrainBlock
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S, samples_per_hop
from stream.types import FloatArray, UIntArray

_HDF5_SUFFIXES = {".hdf5", ".h5", ".hdf"}
# H-H1_LOSC_4_V2-1126259446-32.hdf5, H1-1126258256-400.hdf5: the detector is the first letter-digit token.
_DETECTOR_IN_NAME = re.compile(r"(?:^|[-_])([A-Z][0-9])(?=[-_:])")


@dataclass(frozen=True, slots=True)
class StrainFile:
    """One detector's strain of an archive file.

    Attributes
    ----------
    path : Path
        Where it was read from.
    detector, channel : str
        Detector, and name of the series in the file.
    gps_ns : int
        Start, on the hop grid.
    sample_rate_hz : int
        As in the file.
    samples : array of float64, shape (n,)
        Strain, whole hops of it; NaN where the file has NaN.
    dq_words : array of uint32, shape (n_hops,)
        :class:`~stream.records.DataQuality` words, one per hop of 1/16 s; all good where the file has no mask.
    """

    path: Path
    detector: str
    channel: str
    gps_ns: int
    sample_rate_hz: int
    samples: FloatArray
    dq_words: UIntArray

    @property
    def end_ns(self) -> int:
        """First nanosecond after the strain."""
        return self.gps_ns + len(self.dq_words) * HOP_NS


def read_strain_file(path: Path | str) -> StrainFile:
    """Read one detector's strain and data quality from an HDF5 or GWF file.

    A last part of less than a hop is left out.

    Raises
    ------
    StrainFileError
        If the file is missing, damaged, holds no strain, starts off the hop grid, or has a rate that is not read.
    """
    path = Path(path)
    if not path.is_file():
        raise StrainFileError(f"{path}: no such file; check the name, or get it with 'tocsin fetch'")
    if path.suffix in _HDF5_SUFFIXES:
        return _read_hdf5(path)
    if path.suffix == ".gwf":
        from stream.codec.gwf import read_gwf_file  # noqa: PLC0415 - LAL takes seconds to load, HDF5 needs none of it

        return read_gwf_file(path)
    raise StrainFileError(f"{path.name}: unknown suffix {path.suffix!r}; strain files are .hdf5, .h5, .hdf or .gwf")


def blocks(strain_file: StrainFile, block_hops: int) -> Iterator[StrainBlock]:
    """Cut a file into blocks of ``block_hops`` hops (1 to 64), the last one shorter, numbered from 0.

    Raises
    ------
    ValueError
        If ``block_hops`` is out of range.
    """
    if not 1 <= block_hops <= MAX_BLOCK_HOPS:
        raise ValueError(f"block_hops is {block_hops}: choose 1 to {MAX_BLOCK_HOPS}")
    per_hop = samples_per_hop(strain_file.sample_rate_hz)
    for sequence, first in enumerate(range(0, len(strain_file.dq_words), block_hops)):
        yield StrainBlock(
            detector=strain_file.detector,
            channel=strain_file.channel,
            gps_ns=strain_file.gps_ns + first * HOP_NS,
            sample_rate_hz=strain_file.sample_rate_hz,
            samples=strain_file.samples[first * per_hop : (first + block_hops) * per_hop],
            dq_mask=strain_file.dq_words[first : first + block_hops],
            sequence=sequence,
        )


def make_strain_file(
    path: Path,
    *,
    detector: str,
    channel: str,
    start_s: Fraction,
    rate_hz: float,
    samples: FloatArray,
    dq: tuple[Fraction, UIntArray] | None,
) -> StrainFile:
    """Check what a reader found and put it on the hop grid.

    ``dq`` is the rate in Hz and the words of the data-quality series, which starts with the strain; None: all good.
    """
    rate = _whole_rate(path, rate_hz)
    gps_ns = start_s * NS_PER_S
    if gps_ns % HOP_NS:
        raise StrainFileError(f"{path.name}: starts at GPS {float(start_s):.9f}, off the 1/16 s grid; crop it")
    hops = len(samples) // samples_per_hop(rate)
    if not hops:
        raise StrainFileError(f"{path.name}: holds {len(samples)} samples, less than 1/16 s; get a longer file")
    return StrainFile(
        path=path,
        detector=detector,
        channel=channel,
        gps_ns=int(gps_ns),
        sample_rate_hz=rate,
        samples=np.ascontiguousarray(samples[: hops * samples_per_hop(rate)], dtype=np.float64),
        dq_words=_words_per_hop(path, dq, hops),
    )


def detector_in_name(path: Path, channel: str = "") -> str:
    """Return the detector that a channel or file name tells.

    Raises
    ------
    StrainFileError
        If neither tells it.
    """
    for text in (channel, path.name):
        if found := _DETECTOR_IN_NAME.search(text):
            return found[1]
    raise StrainFileError(f"{path.name}: tells no detector; name it as in H1-<start>-<duration>{path.suffix}")


def _words_per_hop(path: Path, dq: tuple[Fraction, UIntArray] | None, hops: int) -> UIntArray:
    if dq is None:
        return np.full(hops, DataQuality.all_good(), dtype=np.uint32)
    rate_hz, words = dq
    expanded = words_per_hop(words, rate_hz, hops)
    if expanded is None:
        raise StrainFileError(
            f"{path.name}: its data-quality mask, {len(words)} words at {rate_hz} Hz, does not cover its "
            f"{hops / HOPS_PER_S} s of strain; get the file again"
        )
    return expanded


def _whole_rate(path: Path, rate_hz: float) -> int:
    rate = round(rate_hz) if np.isfinite(rate_hz) else 0
    try:
        if abs(rate - rate_hz) > 1e-6 * rate_hz:
            raise SchemaError(f"strain has a sample rate of {rate_hz} Hz: resample it to 4096 Hz ")
        check_rate(rate, "strain")
    except SchemaError as error:
        raise StrainFileError(f"{path.name}: {error}") from error
    return rate


def _read_hdf5(path: Path) -> StrainFile:
    try:
        with h5py.File(path, "r") as file:
            return _read_gwosc(path, file) if "strain/Strain" in file else _read_gwpy(path, file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise StrainFileError(f"{path.name}: damaged, or not the HDF5 it should be ({error}); get it again") from error


def _read_gwosc(path: Path, file: Any) -> StrainFile:
    strain = file["strain/Strain"]
    detector = file["meta/Detector"][()].decode() if "meta/Detector" in file else detector_in_name(path)
    label = file["strain/GWOSCmeta"][()].decode() if "strain/GWOSCmeta" in file else "LOSC-STRAIN"
    dq = None
    if "quality/simple/DQmask" in file:
        mask = file["quality/simple/DQmask"]
        dq = (1 / Fraction(float(mask.attrs.get("Xspacing", 1.0))), mask[()].astype(np.uint32))
    return make_strain_file(
        path,
        detector=detector,
        channel=f"{detector}:{label}",
        start_s=Fraction(float(strain.attrs["Xstart"])),
        rate_hz=1.0 / float(strain.attrs["Xspacing"]),
        samples=strain[()],
        dq=dq,
    )


def _read_gwpy(path: Path, file: Any) -> StrainFile:
    series = [item for item in file.values() if isinstance(item, h5py.Dataset) and {"x0", "dx"} <= set(item.attrs)]
    if len(series) > 1:
        series = [item for item in series if "strain" in item.name.lower()]
    if len(series) != 1:
        raise StrainFileError(
            f"{path.name}: holds no strain, or more than one ({', '.join(file) or 'empty'}); "
            f"a strain file has strain/Strain (GWOSC) or one series written by gwpy"
        )
    name = str(series[0].attrs.get("channel", series[0].attrs.get("name", series[0].name))).lstrip("/")
    detector = detector_in_name(path, name)
    return make_strain_file(
        path,
        detector=detector,
        channel=name if ":" in name else f"{detector}:{name}",
        start_s=Fraction(float(series[0].attrs["x0"])),
        rate_hz=1.0 / float(series[0].attrs["dx"]),
        samples=series[0][()],
        dq=None,
    )
