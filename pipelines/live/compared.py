"""Two networks on the same strain, compared event by event: what one has and the other has not, and their FARs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from stream.records import Candidate
from stream.superevent import SAME_EVENT_NS
from stream.timebase import NS_PER_S

_SETTLED_NS = 4 * NS_PER_S
"""After this much more data neither network confirms another peak of an event."""

Outcome = Literal["both", "live_only", "shadow_only"]


@dataclass(frozen=True, slots=True)
class Difference:
    """What the two made of one event; the candidate of the lowest FAR of each, None where there is none."""

    live: Candidate | None
    shadow: Candidate | None

    @property
    def outcome(self) -> Outcome:
        """Who has it."""
        if self.live is None:
            return "shadow_only"
        return "live_only" if self.shadow is None else "both"

    @property
    def gps_ns(self) -> int:
        """When it was, by the live network if that has it."""
        known = self.live or self.shadow
        assert known is not None
        return known.gps_ns


@dataclass(slots=True)
class Comparison:
    """Candidates of both, until what each makes of an event is known."""

    _live: list[Candidate] = field(default_factory=list)
    _shadow: list[Candidate] = field(default_factory=list)

    def add(self, live: list[Candidate], shadow: list[Candidate]) -> None:
        """Take what each found."""
        for events, found in ((self._live, live), (self._shadow, shadow)):
            for candidate in found:
                _merge(events, candidate)

    def settle(self, now_ns: int) -> list[Difference]:
        """Return the events of which nothing more is to come, in their order; data have been searched up to a time."""
        out = [Difference(one, _take_nearest(self._shadow, one)) for one in _take_settled(self._live, now_ns)]
        out += [Difference(_take_nearest(self._live, one), one) for one in _take_settled(self._shadow, now_ns)]
        return sorted(out, key=lambda difference: difference.gps_ns)


def _merge(events: list[Candidate], candidate: Candidate) -> None:
    """Let one candidate stand for an event: that of the lowest FAR."""
    near = [k for k, other in enumerate(events) if abs(other.gps_ns - candidate.gps_ns) <= SAME_EVENT_NS]
    if not near:
        events.append(candidate)
    elif candidate.far_hz < events[near[0]].far_hz:
        events[near[0]] = candidate


def _take_settled(events: list[Candidate], now_ns: int) -> list[Candidate]:
    settled = [one for one in events if one.gps_ns + _SETTLED_NS <= now_ns]
    events[:] = [one for one in events if one.gps_ns + _SETTLED_NS > now_ns]
    return settled


def _take_nearest(events: list[Candidate], of: Candidate) -> Candidate | None:
    near = [one for one in events if abs(one.gps_ns - of.gps_ns) <= SAME_EVENT_NS]
    if not near:
        return None
    nearest = min(near, key=lambda one: abs(one.gps_ns - of.gps_ns))
    events.remove(nearest)
    return nearest
