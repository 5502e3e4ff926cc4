"""The last seconds of whitened strain, kept so that a candidate can be handed on with what lies around its merger.

Stands in the loop between ``condition`` and ``infer``; what is taken out of it goes with the candidate to the follow-up
(sky map and source class). A span costs one reference; samples are joined only where there is a candidate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from stream.records import Candidate, FilterInForce, Snapshot, WhitenedSegment
from stream.timebase import HOP_NS, HOPS_PER_S, NS_PER_S

BEFORE_NS = 13 * NS_PER_S
"""So much before the merger at least, where it is there: longer than any template of a bank."""
_KEPT_NS = BEFORE_NS + 2 * NS_PER_S
"""Behind the newest span: a network confirms a merger within half a second of the end of the data, and the stretch
begins up to a second earlier than it must."""
_HALF_NS = NS_PER_S // 2

_Span = tuple[WhitenedSegment, ...]


class Snapshots:
    """A ring of whitened spans: the newest one and the 15 s before it, with the filters that made them."""

    def __init__(self) -> None:
        self._spans: deque[_Span] = deque()
        self._before: dict[str, FilterInForce] = {}

    def add(self, whitened: Sequence[WhitenedSegment]) -> None:
        """Take a span: one segment of each detector, over the same hops; where the stream jumps, all begins anew."""
        if not whitened:
            return
        if self._spans and self._spans[-1][0].end_ns != whitened[0].gps_ns:
            self._forget(len(self._spans))
        self._spans.append(tuple(whitened))
        oldest_ns = whitened[0].gps_ns - _KEPT_NS
        self._forget(sum(span[0].end_ns <= oldest_ns for span in self._spans))

    def of(self, candidate: Candidate) -> Snapshot:
        """Return a candidate with the strain around it, of each detector that was heard, to the end of what has come.

        The stretch begins where a filter is in force alone: filters change at whole seconds and fade in over half of
        one, so it begins half a second after a whole one.
        """
        first_ns = (candidate.gps_ns - BEFORE_NS - _HALF_NS) // NS_PER_S * NS_PER_S + _HALF_NS
        spans = [span for span in self._spans if span[0].end_ns > first_ns]
        heard = candidate.peak.heard or tuple(s.detector for s in (spans[-1] if spans else ()))
        strain = (self._joined([s for span in spans for s in span if s.detector == name], first_ns) for name in heard)
        return Snapshot(candidate, tuple(s for s in strain if s is not None and _hears(s, candidate.gps_ns)))

    def _joined(self, segments: Sequence[WhitenedSegment], first_ns: int) -> WhitenedSegment | None:
        """Return one detector's stretch as a segment; None where no filter had come into force."""
        if not segments:
            return None
        first = segments[0]
        begin_ns = max(first_ns, first.gps_ns)
        cut = (begin_ns - first.gps_ns) // HOP_NS
        n_samples = cut * first.sample_rate_hz // HOPS_PER_S
        filters = self._filters(first.detector, begin_ns)
        if not filters:
            return None
        return WhitenedSegment(
            first.detector,
            begin_ns,
            first.sample_rate_hz,
            np.concatenate([s.samples for s in segments])[n_samples:],
            np.concatenate([s.valid for s in segments])[cut:],
            filters,
        )

    def _filters(self, detector: str, begin_ns: int) -> tuple[FilterInForce, ...]:
        """Return the filter in force at a time, and those that came after it."""
        told = [f for span in self._spans for s in span if s.detector == detector for f in s.filters]
        if detector in self._before:
            told.insert(0, self._before[detector])
        in_force = max((k for k, f in enumerate(told) if f.gps_ns <= begin_ns), default=0)
        return tuple(told[in_force:])

    def _forget(self, count: int) -> None:
        """Drop the oldest spans; what filter they left in force is kept."""
        for _ in range(count):
            for segment in self._spans.popleft():
                if segment.filters:
                    self._before[segment.detector] = segment.filters[-1]


def _hears(segment: WhitenedSegment, gps_ns: int) -> bool:
    """Whether there is strain within a hop of a merger: light takes less than that through the Earth."""
    hop = (gps_ns - segment.gps_ns) // HOP_NS
    return bool(segment.valid[max(0, hop - 1) : max(0, hop + 2)].any())
