"""Who is heard, and why not: a detector whose strain comes and is not used must not go unnoticed.

A detector *sends* while messages come on its topic, whatever they hold. It is *heard* while at least a quarter of its
whitened strain is valid, that is searched, with a memory of a second. In between lie the source (undecodable, from
another time), the aligner (malformed, late, vetoed, not finite) and the PSD; the last that took strain away is the
reason. *Deaf* is who has sent for ``DEAF_AFTER_S`` without being heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp

from stream.records import Masked, WhitenedSegment
from stream.timebase import HOPS_PER_S, NS_PER_S, Clock

DEAF_AFTER_S = 5.0

_RECENT_NS = round(DEAF_AFTER_S * NS_PER_S)
_ENOUGH = 0.25
_CONSEQUENCES = ("missing", "absent", "not heard yet", "skipped")
"""What the aligner says of strain that was taken away before it, or never came."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How one detector is.

    Attributes
    ----------
    sends, heard, deaf : bool
        See the module.
    unheard_s : float
        Since it was last heard; since the start when it never was.
    reason : str
        Why it is not heard; empty when it is.
    """

    detector: str
    sends: bool
    heard: bool
    deaf: bool
    unheard_s: float
    reason: str


@dataclass(slots=True)
class _Ear:
    """What is remembered of one detector; times are of the daemon's clock."""

    started_ns: int
    share: float = 0.0
    heard_ns: int | None = None
    came_ns: int | None = None
    sending_since_ns: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    taken_ns: dict[str, int] = field(default_factory=dict)


class HearingWatch:
    """Watch all detectors.

    ``whitened`` and ``masked`` are called as the search goes on; ``count`` at least once a second.

    Parameters
    ----------
    detectors : iterable of str
    clock : Clock
    """

    def __init__(self, detectors: Iterable[str], clock: Clock) -> None:
        self._clock = clock
        self._ears = {name: _Ear(clock.now_ns()) for name in detectors}

    def whitened(self, segments: Sequence[WhitenedSegment]) -> None:
        """Take note of what is searched."""
        now_ns = self._clock.now_ns()
        for segment in segments:
            ear, kept = self._ears[segment.detector], exp(-len(segment.valid) / HOPS_PER_S)
            ear.share = kept * ear.share + (1.0 - kept) * float(segment.valid.mean())
            if ear.share >= _ENOUGH:
                ear.heard_ns = now_ns

    def masked(self, stretches: Sequence[Masked]) -> None:
        """Take note of what was masked."""
        now_ns = self._clock.now_ns()
        for stretch in stretches:
            if stretch.detector in self._ears:
                self._ears[stretch.detector].taken_ns[stretch.reason] = now_ns

    def count(self, detector: str, came: int, taken: Mapping[str, int]) -> None:
        """Compare a detector's totals with those before.

        Parameters
        ----------
        detector : str
        came : int
            Messages that came so far, whatever they held.
        taken : mapping
            Blocks that were not used so far, by reason.
        """
        ear, now_ns = self._ears[detector], self._clock.now_ns()
        if came > ear.counts.get("", 0):
            if ear.came_ns is None or now_ns - ear.came_ns > _RECENT_NS:
                ear.sending_since_ns = now_ns
            ear.came_ns = now_ns
        for reason, total in taken.items():
            if total > ear.counts.get(reason, 0):
                ear.taken_ns[reason] = now_ns
        ear.counts = {"": came, **taken}

    def look(self, psd_ready: Mapping[str, bool]) -> tuple[Hearing, ...]:
        """Return how each detector is."""
        now_ns = self._clock.now_ns()
        return tuple(self._of(name, ear, now_ns, psd_ready[name]) for name, ear in self._ears.items())

    def _of(self, name: str, ear: _Ear, now_ns: int, psd_ready: bool) -> Hearing:
        sends = ear.came_ns is not None and now_ns - ear.came_ns <= _RECENT_NS
        heard = ear.heard_ns is not None and now_ns - ear.heard_ns <= _RECENT_NS
        last_ns = ear.started_ns if ear.heard_ns is None else ear.heard_ns
        deaf = sends and not heard and now_ns - max(last_ns, ear.sending_since_ns) > _RECENT_NS
        reason = "" if heard else self._why(ear, now_ns, psd_ready) if sends else _silence(ear, now_ns)
        return Hearing(name, sends, heard, deaf, (now_ns - last_ns) / NS_PER_S, reason)

    @staticmethod
    def _why(ear: _Ear, now_ns: int, psd_ready: bool) -> str:
        recent = {reason: at for reason, at in list(ear.taken_ns.items()) if now_ns - at <= _RECENT_NS}
        causes = [reason for reason in recent if reason not in _CONSEQUENCES] or list(recent)
        if causes:
            return max(causes, key=lambda reason: recent[reason])
        return "settling" if psd_ready else "PSD not usable yet"


def _silence(ear: _Ear, now_ns: int) -> str:
    if ear.came_ns is None:
        return "no strain yet"
    return f"silent for {(now_ns - ear.came_ns) / NS_PER_S:.0f} s"
