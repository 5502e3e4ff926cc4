"""Replay of archived strain: straight through the search, or onto Kafka as a live stream.

Both cut the files into blocks and hand them on in the order in which they end, as detectors would send them.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.feed import feed
from pipelines.progress import Progress
from pipelines.report import Report
from pipelines.search import Block, compose, search
from stream.codec.alert import write_alerts
from stream.codec.files import StrainFile, blocks, read_strain_file
from stream.errors import ConfigurationError
from stream.publish import SupereventRegistry, make_alert
from stream.records import StrainBlock
from stream.settings import Settings
from stream.timebase import HOPS_PER_S, NS_PER_S, SystemClock


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
    settings = with_detectors(settings, archive.detectors)
    stages = compose(settings)
    report = Report(
        detectors=archive.detectors,
        model=stages.card.label,
        duration_s=archive.duration_s,
        registry=SupereventRegistry(settings.publish.kind),
    )
    source: Iterable[Block] = archive.blocks(block_hops(block_s))
    started = time.perf_counter()
    search(_with_progress(source, archive, progress), stages, report)
    report.wall_s = time.perf_counter() - started
    report.stages_s = dict(stages.watch.seconds)
    return report


def write_report_alerts(report: Report, settings: Settings, path: Path) -> None:
    """Write the alerts that the candidates would have been, as Avro."""
    now_ns = SystemClock().now_ns()
    write_alerts(
        path,
        [
            make_alert(candidate, name, now_ns, settings.significance.significant_far_hz, settings.publish.pipeline)
            for name, candidate in report.candidates
        ],
    )


def _with_progress(source: Iterable[Block], archive: Archive, progress: Progress | None) -> Iterator[Block]:
    for block in source:
        if progress is not None:
            progress((block.end_ns - archive.start_ns) / NS_PER_S, archive.duration_s)
        yield block


def with_detectors(settings: Settings, detectors: tuple[str, ...]) -> Settings:
    """Return settings that listen to other detectors."""
    return settings.model_copy(update={"strain": settings.strain.model_copy(update={"detectors": detectors})})


def rebase_shift_ns(start_ns: int, now_ns: int) -> int:
    """Return the shift that moves ``start_ns`` to the next whole second after ``now_ns``, whole seconds itself."""
    return (now_ns - start_ns) // NS_PER_S * NS_PER_S + NS_PER_S


def replay_to_kafka(
    paths: Sequence[Path],
    *,
    settings: Settings,
    speed: float = 1.0,
    rebase: bool = False,
    block_s: float = 1 / 16,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Send archived strain to Kafka as a live stream; return the shift in time that was applied, in ns.

    Parameters
    ----------
    speed : float
        1 is real time.
    rebase : bool
        Move the data to the present, so that latencies mean something.
    """
    if speed <= 0:
        raise ConfigurationError(f"--speed {speed}: use a positive factor of real time")
    archive = Archive.open(paths)
    clock = SystemClock()
    shift_ns = rebase_shift_ns(archive.start_ns, clock.now_ns()) if rebase else 0
    source = _with_progress(archive.blocks(block_hops(block_s)), archive, progress)
    feed(_shifted(source, shift_ns), settings, clock, speed=speed, stop=stop)
    return shift_ns


def _shifted(source: Iterable[Block], shift_ns: int) -> Iterator[Block]:
    for block in source:
        yield replace(block, gps_ns=block.gps_ns + shift_ns)
