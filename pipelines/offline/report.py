"""What a search found and did not hear, as a record and as JSON (``replay --report``)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pipelines.events import Events
from stream.align import merge_masked
from stream.records import Candidate, Localized, Masked, Revision, Snapshot, Stretch
from stream.superevent import Coincide, Superevents
from stream.timebase import NS_PER_S, Clock, SystemClock, gps_ns_to_iso, ns_to_gps_s


@dataclass(slots=True)
class Report:
    """Collects what both loops say: a sink of :func:`pipelines.search.search` and of :class:`pipelines.events.Events`.

    Attributes
    ----------
    revisions : list of Revision
        What live would have sent, in this order.
    masked_stretches : list of Masked
    duration_s, wall_s : float
        Length of the data (what lies between stretches does not count), and how long the search took.
    stretches : tuple of Stretch
        Where there are data; outside of them nothing is masked, there is nothing. Empty: not known, all counts.
    kind : {"production", "mock", "test"}
        Prefix of the superevents' ids.
    clock : Clock
        Gives alerts their time of creation.
    follow : callable or None
        Follows a candidate up, in line: its alert has map and class. None: nobody does.
    told : callable, optional
        Is handed each revision when it is made.
    coincide : callable, optional
        Says what of another messenger coincides with an event.
    """

    revisions: list[Revision] = field(default_factory=list)
    masked_stretches: list[Masked] = field(default_factory=list)
    detectors: tuple[str, ...] = ()
    model: str = ""
    duration_s: float = 0.0
    stretches: tuple[Stretch, ...] = ()
    wall_s: float = 0.0
    stages_s: dict[str, float] = field(default_factory=dict)
    kind: Literal["production", "mock", "test"] = "test"
    clock: Clock = field(default_factory=SystemClock)
    follow: Callable[[Snapshot], Localized] | None = None
    told: Callable[[Revision], None] | None = None
    coincide: Coincide | None = None
    _events: Events = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._events = Events(Superevents(self.kind, self.coincide), self, self.clock)

    def candidate(self, candidate: Candidate, snapshot: Snapshot) -> None:
        """Take a candidate through the second loop, as live does; its map is waited for, however long it takes."""
        if self.follow is None:
            self._events.take(candidate)
        elif self._events.take(candidate, math.inf):
            self._events.take(self.follow(snapshot))

    def revision(self, revision: Revision) -> None:
        """Take what follows from a candidate."""
        self.revisions.append(revision)
        if self.told is not None:
            self.told(revision)

    @property
    def candidates(self) -> list[tuple[str, Candidate]]:
        """Each superevent with its preferred candidate: the one of its last revision."""
        return list({r.superevent_id: r.candidate for r in self.revisions if r.candidate is not None}.items())

    def masked(self, masked: Sequence[Masked]) -> None:
        """Take stretches that were not heard, joining those that touch."""
        self.masked_stretches = merge_masked([*self.masked_stretches, *masked])

    @property
    def x_realtime(self) -> float:
        """Seconds of data per second of work."""
        return self.duration_s / self.wall_s if self.wall_s > 0 else 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the report's JSON form; names are stable."""
        return {
            "candidates": [
                candidate_dict(name, c) | {"revisions": [_revision_dict(r) for r in self.revisions_of(name)]}
                for name, c in self.candidates
            ],
            "duration_s": self.duration_s,
            "stretches": [
                {
                    "gps_start": ns_to_gps_s(s.gps_ns),
                    "gps_end": ns_to_gps_s(s.end_ns),
                    "detectors": list(s.detectors),
                }
                for s in self.stretches
            ],
            "wall_s": round(self.wall_s, 3),
            "x_realtime": round(self.x_realtime, 2),
            "detectors": list(self.detectors),
            "model": self.model,
            "masked": [
                {
                    "detector": m.detector,
                    "gps_start": ns_to_gps_s(m.gps_ns),
                    "gps_end": ns_to_gps_s(m.end_ns),
                    "reason": m.reason,
                }
                for m in self.masked_in_data()
            ],
            "masked_s": self.masked_seconds(),
            "stages_s": {stage: round(s, 4) for stage, s in self.stages_s.items()},
        }

    def revisions_of(self, superevent_id: str) -> list[Revision]:
        """Return what was said of one superevent, in order."""
        return [r for r in self.revisions if r.superevent_id == superevent_id]

    def masked_in_data(self) -> list[Masked]:
        """Return what was masked within the stretches of data."""
        if not self.stretches:
            return self.masked_stretches
        return [
            Masked(m.detector, max(m.gps_ns, s.gps_ns), min(m.end_ns, s.end_ns), m.reason)
            for m in self.masked_stretches
            for s in self.stretches
            if m.gps_ns < s.end_ns and s.gps_ns < m.end_ns
        ]

    def masked_seconds(self) -> dict[str, float]:
        """Return how long each detector was masked."""
        total: dict[str, float] = dict.fromkeys(self.detectors, 0.0)
        for m in self.masked_in_data():
            total[m.detector] = total.get(m.detector, 0.0) + (m.end_ns - m.gps_ns) / NS_PER_S
        return total

    def write(self, path: Path) -> None:
        """Write the JSON form to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_dict(), indent=2) + "\n")


def candidate_dict(superevent_id: str, candidate: Candidate) -> dict[str, object]:
    """Return a candidate's JSON form."""
    return {
        "superevent_id": superevent_id,
        "gps": ns_to_gps_s(candidate.gps_ns),
        "gps_ns": candidate.gps_ns,
        "utc": gps_ns_to_iso(candidate.gps_ns),
        "statistic": candidate.peak.statistic,
        "far_hz": candidate.far_hz,
        "far_is_limit": candidate.far_is_limit,
        "background": {"source": candidate.background.source, "duration_s": candidate.background.duration_s},
        "detectors": list(candidate.peak.detectors),
        "per_detector": dict(candidate.peak.per_detector),
        "p_astro": candidate.p_astro,
        "p_astro_reason": candidate.p_astro_reason if candidate.p_astro is None else None,
        "confirmed_after_s": (candidate.peak.confirmed_ns - candidate.gps_ns) / NS_PER_S,
        "model": candidate.model,
    }


def _revision_dict(revision: Revision) -> dict[str, object]:
    """Return what an alert said of its event, in short."""
    candidate = revision.candidate
    assert candidate is not None, "nobody decides on archived data"
    return {
        "revision": revision.number,
        "alert_type": revision.alert_type,
        "gps_ns": revision.gps_ns,
        "statistic": candidate.peak.statistic,
        "far_hz": candidate.far_hz,
        "detectors": list(candidate.peak.detectors),
        "followed": None if revision.followed is None else asdict(revision.followed),
        "joined": None if revision.joined is None else asdict(revision.joined),
    }
