"""Replay of archived strain: straight through the search, or onto Kafka as a live stream.

Both cut the files into blocks and hand them on in the order in which they end, as detectors would send them.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.feed import feed
from pipelines.progress import Progress
from pipelines.report import Report, Stretch
from pipelines.search import Block, compose, one_by_one, search
from stream.codec.alert import write_alerts
from stream.codec.files import StrainFile, blocks, read_strain_file
from stream.errors import ConfigurationError
from stream.publish import SupereventRegistry, make_alert
from stream.records import StrainBlock
from stream.settings import Settings, check_detectors
from stream.timebase import HOPS_PER_S, NS_PER_S, SystemClock, ns_to_gps_s

_LONGEST_SILENCE_S = 3600.0
"""Gaps are replayed too, as silence; beyond this the files were hardly meant as one stream."""


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
        stretches=archive.stretches,
        registry=SupereventRegistry(settings.publish.kind),
    )
    source: Iterable[Block] = archive.blocks(block_hops(block_s))
    started = time.perf_counter()
    search(one_by_one(_with_progress(source, archive, progress)), stages, report)
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
            progress(archive.done_s(block.end_ns), archive.duration_s)
        yield block


def with_detectors(settings: Settings, detectors: tuple[str, ...]) -> Settings:
    """Return settings that listen to other detectors."""
    return settings.model_copy(update={"strain": settings.strain.model_copy(update={"detectors": detectors})})


def rebase_shift_ns(start_ns: int, now_ns: int, duration_s: float = 0.0, speed: float = 1.0) -> int:
    """Return the shift, in whole seconds, that moves data to the present.

    At real time ``start_ns`` becomes the next whole second after ``now_ns``. Faster, data of ``duration_s`` start so
    much earlier that the last of them are of the present when they are sent, and none of the future.
    """
    early_s = math.ceil(duration_s * (1 - 1 / speed)) if speed > 1 else 0
    return (now_ns - start_ns) // NS_PER_S * NS_PER_S + (1 - early_s) * NS_PER_S


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
    if not 0 < speed < math.inf:
        raise ConfigurationError(f"--speed {speed}: use a positive factor of real time")
    archive = Archive.open(paths)
    _check_gaps(archive, speed)
    clock = SystemClock()
    span_s = (archive.stretches[-1].end_ns - archive.start_ns) / NS_PER_S
    shift_ns = rebase_shift_ns(archive.start_ns, clock.now_ns(), span_s, speed) if rebase else 0
    source = _with_progress(archive.blocks(block_hops(block_s)), archive, progress)
    feed(_shifted(source, shift_ns), settings, clock, speed=speed, stop=stop)
    return shift_ns


def _check_gaps(archive: Archive, speed: float) -> None:
    """Refuse files between which the stream would be silent for longer than anybody waits."""
    for before, after in itertools.pairwise(archive.stretches):
        wait_s = (after.gps_ns - before.end_ns) / NS_PER_S / speed
        if wait_s > _LONGEST_SILENCE_S:
            raise ConfigurationError(
                f"{wait_s:.0f} s would pass in silence between GPS {ns_to_gps_s(before.end_ns):.0f} and "
                f"{ns_to_gps_s(after.gps_ns):.0f}: replay the stretches one by one, or with --direct"
            )


def _shifted(source: Iterable[Block], shift_ns: int) -> Iterator[Block]:
    for block in source:
        yield replace(block, gps_ns=block.gps_ns + shift_ns)
