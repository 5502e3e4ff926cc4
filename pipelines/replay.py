"""Replay of archived strain: straight through the search, or onto Kafka as a live stream.

Both cut the files into blocks and hand them on in the order in which they end, as detectors would send them.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.report import Report
from pipelines.search import Block, compose, search
from stream.codec.files import StrainFile, blocks, read_strain_file
from stream.errors import ConfigurationError
from stream.records import StrainBlock
from stream.settings import Settings
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S

Progress = Callable[[float, float], None]
"""Called with seconds done and seconds in all."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Strain files of one stretch of time, several per detector if need be."""

    files: tuple[StrainFile, ...]

    @classmethod
    def open(cls, paths: Sequence[Path]) -> Archive:
        """Read files.

        Raises
        ------
        StrainFileError
            If one is damaged or holds no strain.
        ConfigurationError
            If there are none.
        """
        if not paths:
            raise ConfigurationError("no strain files given: name one or more HDF5 or GWF files")
        return cls(tuple(read_strain_file(path) for path in paths))

    @property
    def detectors(self) -> tuple[str, ...]:
        """Detectors in the files, sorted."""
        return tuple(sorted({f.detector for f in self.files}))

    @property
    def start_ns(self) -> int:
        """Earliest start."""
        return min(f.gps_ns for f in self.files)

    @property
    def end_ns(self) -> int:
        """Latest end."""
        return max(f.end_ns for f in self.files)

    @property
    def duration_s(self) -> float:
        """Length of the stretch."""
        return (self.end_ns - self.start_ns) / NS_PER_S

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
    hops = round(block_s * HOPS_PER_S)
    if abs(hops - block_s * HOPS_PER_S) > 1e-9 or not 1 <= hops <= 4 * HOPS_PER_S:
        raise ConfigurationError(f"block length {block_s} s: use a multiple of 1/16 s from 0.0625 to 4")
    return hops


def replay_direct(
    paths: Sequence[Path], *, settings: Settings, block_s: float = 1.0, progress: Progress | None = None
) -> Report:
    """Search archived strain without a broker, as fast as it goes.

    Returns
    -------
    Report
        Candidates below the FAR threshold, what was masked, and how fast it went.
    """
    archive = Archive.open(paths)
    settings = settings.model_copy(
        update={"strain": settings.strain.model_copy(update={"detectors": archive.detectors})}
    )
    stages = compose(settings)
    report = Report(detectors=archive.detectors, model=stages.card.label, duration_s=archive.duration_s)
    source: Iterable[Block] = archive.blocks(block_hops(block_s))
    started = time.perf_counter()
    search(_with_progress(source, archive, progress), stages, report)
    report.wall_s = time.perf_counter() - started
    report.stages_s = dict(stages.watch.seconds)
    return report


def _with_progress(source: Iterable[Block], archive: Archive, progress: Progress | None) -> Iterator[Block]:
    for block in source:
        if progress is not None:
            progress((block.end_ns - archive.start_ns) / NS_PER_S, archive.duration_s)
        yield block


def rebased(source: Iterable[StrainBlock], shift_ns: int) -> Iterator[StrainBlock]:
    """Move blocks in time by a whole number of hops."""
    if shift_ns % HOP_NS:
        raise ConfigurationError(f"a shift of {shift_ns} ns leaves the grid of 1/16 s: use a multiple of {HOP_NS} ns")
    for block in source:
        yield replace(block, gps_ns=block.gps_ns + shift_ns)
