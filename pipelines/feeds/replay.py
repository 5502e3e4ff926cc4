"""Replay of archived strain onto Kafka, as a live stream."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.feeds.archive import Archive, block_hops, with_progress
from pipelines.feeds.feed import feed
from pipelines.progress import Progress
from stream.errors import ConfigurationError
from stream.records import Block
from stream.settings import Settings
from stream.timebase import NS_PER_S, SystemClock, ns_to_gps_s

_LONGEST_SILENCE_S = 3600.0
"""Gaps are replayed too, as silence; beyond this the files were hardly meant as one stream."""


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
    source = with_progress(archive.blocks(block_hops(block_s)), archive, progress)
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
