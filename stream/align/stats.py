"""Counters of the aligner: what came, what was repaired, what was refused, for each detector."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class LaneCounters:
    """Running counts of one detector; :class:`DetectorStats` is their snapshot."""

    blocks: int = 0
    duplicates: int = 0
    different_duplicates: int = 0
    repaired: int = 0
    dropped_late: int = 0
    late_hops: int = 0
    sequence_jumps: int = 0
    rate_changes: int = 0
    witness_blocks: int = 0
    late_witness_blocks: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class DetectorStats:
    """Counts of one detector since the start.

    Attributes
    ----------
    blocks : int
        Strain blocks that came, whatever became of them.
    duplicates, different_duplicates : int
        Blocks that brought nothing new; blocks with a hop that was known with other samples.
    repaired : int
        Blocks older than the newest one that still filled a hole.
    dropped_late, late_hops : int
        Blocks with hops that came after their release; the count of those hops.
    sequence_jumps : int
        Times that a producer's sequence number did not follow on the one before.
    refused : tuple of (str, int)
        Blocks refused, by reason: ``malformed``, ``wrong rate``, ``clock jump``.
    """

    detector: str
    present: bool
    newest_ns: int | None
    sample_rate_hz: int | None
    blocks: int
    duplicates: int
    different_duplicates: int
    repaired: int
    dropped_late: int
    late_hops: int
    sequence_jumps: int
    rate_changes: int
    witness_blocks: int
    late_witness_blocks: int
    refused: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class AlignStats:
    """Snapshot of the aligner: its detectors, how far it is, and what it skipped or did not know."""

    detectors: tuple[DetectorStats, ...]
    watermark_ns: int | None
    released_ns: int | None
    skips: int
    skipped_ns: int
    unknown_detector_blocks: int
