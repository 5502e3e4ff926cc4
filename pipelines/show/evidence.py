"""What was heard around an event, for its picture and its page: whitened strain and the ranking statistic.

:class:`Recorder` is a tap of the search that remembers the last seconds; :meth:`Recorder.around` takes out of it what
belongs to an event.
"""

from __future__ import annotations

import threading
import zipfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream.records import QUIET, Statistic, WhitenedSegment
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S
from stream.types import AnyArray, FloatArray, IntArray

BEFORE_S, AFTER_S = 4.0, 2.0
"""Strain kept around an event; a Q-scan needs more than it shows."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was heard around an event.

    Attributes
    ----------
    gps_ns : int
        Merger.
    strain : tuple of WhitenedSegment
        One of each detector.
    time_ns, statistic : array, shape (n,)
        The ranking statistic at GPS times; not where it says nothing.
    is_curve : bool
        Whether that is a curve, and not events alone.
    """

    gps_ns: int
    strain: tuple[WhitenedSegment, ...]
    time_ns: IntArray
    statistic: FloatArray
    is_curve: bool

    @property
    def until_ns(self) -> int:
        """End of the strain."""
        return max((segment.end_ns for segment in self.strain), default=self.gps_ns)


@dataclass(frozen=True, slots=True)
class PageJob:
    """What a page is made of: an alert's message, and what was heard around it."""

    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    evidence: Evidence | None


class Recorder:
    """Remember whitened strain and statistic for a while; filled by one thread, asked by any.

    Parameters
    ----------
    seconds : float
        How far back.
    """

    def __init__(self, seconds: float = 20.0) -> None:
        self._keep_ns = round(seconds * NS_PER_S)
        self._spans: deque[tuple[tuple[WhitenedSegment, ...], Statistic]] = deque()
        self._lock = threading.Lock()

    def __call__(self, whitened: Sequence[WhitenedSegment], statistic: Statistic) -> None:
        """Take a span."""
        if not whitened:
            return
        with self._lock:
            if self._spans and self._spans[-1][0][0].end_ns != whitened[0].gps_ns:
                self._spans.clear()  # the stream has jumped
            self._spans.append((tuple(whitened), statistic))
            while self._spans[0][0][0].end_ns < whitened[0].end_ns - self._keep_ns:
                self._spans.popleft()

    def around(self, gps_ns: int) -> Evidence:
        """Return what is remembered around a time; strain of no detector where that has passed by."""
        with self._lock:
            spans = list(self._spans)
        first_ns, last_ns = gps_ns - round(BEFORE_S * NS_PER_S), gps_ns + round(AFTER_S * NS_PER_S)
        near = [span for span, _ in spans if span[0].end_ns > first_ns and span[0].gps_ns < last_ns]
        of_detectors = zip(*near, strict=True)
        joined = [_joined(segments, first_ns, last_ns) for segments in of_detectors]
        time_ns = np.concatenate([told.time_ns for _, told in spans] or [np.zeros(0, np.int64)])
        value = np.concatenate([told.value for _, told in spans] or [np.zeros(0)])
        said = value > QUIET
        is_curve = bool(spans and spans[-1][1].is_curve)
        heard = tuple(segment for segment in joined if segment.gps_ns < gps_ns < segment.end_ns)
        return Evidence(gps_ns, heard, time_ns[said], value[said], is_curve)


def _joined(segments: Sequence[WhitenedSegment], first_ns: int, last_ns: int) -> WhitenedSegment:
    """Return the stretch of one detector that lies between two times, whole hops."""
    first = segments[0]
    skip = max(0, (first_ns - first.gps_ns) // HOP_NS)
    hops = -(-(last_ns - first.gps_ns) // HOP_NS)
    per_hop = first.sample_rate_hz // HOPS_PER_S
    samples = np.concatenate([s.samples for s in segments])[skip * per_hop : hops * per_hop]
    valid = np.concatenate([s.valid for s in segments])[skip:hops]
    return WhitenedSegment(first.detector, first.gps_ns + skip * HOP_NS, first.sample_rate_hz, samples, valid)


def save(evidence: Evidence, path: Path) -> None:
    """Write evidence to a file, which :func:`load` reads: arrays alone, nothing that runs."""
    arrays: dict[str, AnyArray] = {
        "gps_ns": np.array(evidence.gps_ns), "time_ns": evidence.time_ns, "statistic": evidence.statistic,
        "is_curve": np.array(evidence.is_curve), "detectors": np.array([s.detector for s in evidence.strain], "U8"),
    }  # fmt: skip
    for segment in evidence.strain:
        name = segment.detector
        arrays[f"{name}_at"] = np.array([segment.gps_ns, segment.sample_rate_hz])
        arrays[f"{name}_samples"], arrays[f"{name}_valid"] = segment.samples, segment.valid
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load(path: Path) -> Evidence | None:
    """Return what :func:`save` wrote; None where nothing sound is there."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            strain = tuple(_segment(name, kept) for name in map(str, kept["detectors"]))
            return Evidence(int(kept["gps_ns"]), strain, kept["time_ns"], kept["statistic"], bool(kept["is_curve"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _segment(name: str, kept: Mapping[str, AnyArray]) -> WhitenedSegment:
    gps_ns, rate = (int(value) for value in kept[f"{name}_at"])
    return WhitenedSegment(name, gps_ns, rate, kept[f"{name}_samples"], kept[f"{name}_valid"])
