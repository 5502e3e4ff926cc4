"""What came too late: noted until the next span says so."""

from __future__ import annotations

from dataclasses import replace

from stream.align.reasons import LATE
from stream.records import Masked
from stream.timebase import HOP_NS

_MAX_NOTES = 256


class LateNotes:
    """Stretches of hops that were lost because they came after they had been released."""

    def __init__(self) -> None:
        self._notes: list[Masked] = []

    def note(self, detector: str, start: int, stop: int) -> None:
        """Note hops [start, stop), joined to the detector's last stretch where they touch; nothing goes uncounted."""
        for k in range(len(self._notes) - 1, -1, -1):
            last = self._notes[k]
            if last.detector == detector:
                touches = last.end_ns == start * HOP_NS
                if touches or len(self._notes) >= _MAX_NOTES:  # so many notes: right in sum, if not in place
                    self._notes[k] = replace(last, end_ns=last.end_ns + (stop - start) * HOP_NS)
                    return
                break
        self._notes.append(Masked(detector, start * HOP_NS, stop * HOP_NS, LATE))

    def take(self) -> list[Masked]:
        """Return what was noted, and forget it."""
        notes, self._notes = self._notes, []
        return notes
