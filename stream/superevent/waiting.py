"""Findings that wait: a candidate for its map and class, and all of them until what was said before is known.

A small state machine without a clock: who calls says what time it is. A candidate whose follow-up came in time goes on
with it, as one finding; one whose time is up goes on with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from stream.records import FOLLOWED_FIELDS, Candidate, Finding, Localized


@dataclass(slots=True, eq=False)
class _Entry:
    finding: Finding
    due_s: float
    wait_s: float | None


class Waiting:
    """A queue that findings leave when they are due, in the order in which they came.

    What is ready stays in it until :meth:`done`: before its alerts are somewhere else it is nowhere else.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def __len__(self) -> int:
        """Return how many findings wait."""
        return len(self._entries)

    @property
    def next_s(self) -> float | None:
        """When the next finding is due; None where none waits."""
        return min((entry.due_s for entry in self._entries), default=None)

    def hold(self, finding: Finding, now_s: float, wait_s: float | None) -> None:
        """Let a candidate wait so long for its map, in seconds; what waits for none is due at once."""
        self._entries.append(_Entry(finding, now_s + (wait_s or 0.0), wait_s))

    def fill(self, localized: Localized, now_s: float) -> bool:
        """Let a candidate that waits go on with what its follow-up found; return whether it waited."""
        for entry in self._entries:
            if entry.finding is localized.candidate:
                entry.finding, entry.due_s = localized, now_s
                return True
        return False

    def ready(self, now_s: float) -> Finding | None:
        """Return the first finding that is due; a candidate whose map was waited for in vain says so."""
        entry = self._due(now_s)
        if entry is not None and entry.wait_s is not None and isinstance(entry.finding, Candidate):
            return not_found(entry.finding, f"not ready within {entry.wait_s:g} s")
        return None if entry is None else entry.finding

    def done(self, now_s: float) -> None:
        """Forget what :meth:`ready` returned at this time."""
        entry = self._due(now_s)
        if entry is not None:
            self._entries.remove(entry)

    def _due(self, now_s: float) -> _Entry | None:
        return next((entry for entry in self._entries if entry.due_s <= now_s), None)


def not_found(candidate: Candidate, why: str) -> Localized:
    """Return a follow-up that found nothing, and why."""
    return Localized(candidate, reasons=dict.fromkeys(FOLLOWED_FIELDS, why))
