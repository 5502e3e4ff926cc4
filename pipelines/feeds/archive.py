"""Archived strain: files of one stretch of time or of several, cut into blocks as detectors would send them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.progress import Progress
from stream.blocks import MAX_BLOCK_HOPS
from stream.codec.files import StrainFile, blocks, read_strain_file
from stream.errors import ConfigurationError
from stream.records import Block, StrainBlock, Stretch
from stream.settings import check_detectors
from stream.timebase import HOPS_PER_S, NS_PER_S


@dataclass(frozen=True, slots=True)
class Archive:
    """Strain files, several per detector if need be; of one stretch of time, or of several that lie apart."""

    files: tuple[StrainFile, ...]

    @classmethod
    def open(cls, paths: Sequence[Path]) -> Archive:
        """Read files.

        Raises
        ------
        StrainFileError
            If one is damaged or holds no strain.
        ConfigurationError
            If there are none, or they are of a detector that is not known.
        """
        if not paths:
            raise ConfigurationError("no strain files given: name one or more HDF5 or GWF files")
        archive = cls(tuple(read_strain_file(path) for path in paths))
        check_detectors(archive.detectors)
        return archive

    @property
    def detectors(self) -> tuple[str, ...]:
        """Detectors in the files, sorted."""
        return tuple(sorted({f.detector for f in self.files}))

    @property
    def start_ns(self) -> int:
        """Earliest start."""
        return min(f.gps_ns for f in self.files)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Where any detector has data without a gap, in order of time."""
        found: list[Stretch] = []
        for f in sorted(self.files, key=lambda f: f.gps_ns):
            if found and f.gps_ns <= found[-1].end_ns:
                last = found.pop()
                detectors = tuple(sorted({*last.detectors, f.detector}))
                found.append(Stretch(last.gps_ns, max(last.end_ns, f.end_ns), detectors))
            else:
                found.append(Stretch(f.gps_ns, f.end_ns, (f.detector,)))
        return tuple(found)

    @property
    def duration_s(self) -> float:
        """Length of the data: the sum of the stretches."""
        return sum(s.duration_s for s in self.stretches)

    def done_s(self, gps_ns: int) -> float:
        """Length of the data before a time."""
        return sum((min(s.end_ns, gps_ns) - s.gps_ns) / NS_PER_S for s in self.stretches if s.gps_ns < gps_ns)

    def blocks(self, block_hops: int) -> Iterator[StrainBlock]:
        """Yield blocks of all files in the order of their ends."""
        streams = (blocks(f, block_hops) for f in sorted(self.files, key=lambda f: f.gps_ns))
        return heapq.merge(*streams, key=lambda b: (b.end_ns, b.detector))


def block_hops(block_s: float) -> int:
    """Return a block length in hops.

    Raises
    ------
    ConfigurationError
        If it is not a whole number of hops between 1/16 s and 4 s.
    """
    hops = round(block_s * HOPS_PER_S) if math.isfinite(block_s) else 0
    if abs(hops - block_s * HOPS_PER_S) > 1e-9 or not 1 <= hops <= MAX_BLOCK_HOPS:
        longest_s = MAX_BLOCK_HOPS // HOPS_PER_S
        raise ConfigurationError(f"block length {block_s} s: use a multiple of 1/16 s from 0.0625 to {longest_s}")
    return hops


def with_progress(source: Iterable[Block], archive: Archive, progress: Progress | None) -> Iterator[Block]:
    """Yield what a source yields, and show how much of the archive's data that is."""
    for block in source:
        if progress is not None:
            progress(archive.done_s(block.end_ns), archive.duration_s)
        yield block
