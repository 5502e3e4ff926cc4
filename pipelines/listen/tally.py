"""What became of the messages: counts by kind, and a log that says each kind once and then how many more came.

Whoever may write to a topic can send ten thousand messages of rubbish a second; they cost counters, not lines.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import structlog

from pipelines.sources import SourceMessage
from stream.errors import DataError, NoticeRefused
from stream.metrics import NOTICES, NOTICES_REFUSED, NOTICES_REPEATED

log = structlog.get_logger()
_SAY_EVERY_S = 60.0
_MOST_KINDS = 64
_OTHER = "other"
UNREADABLE = "unreadable"
"""Kind of what is no notice of any form."""


class Tally:
    """Count, and say what must be said.

    Parameters
    ----------
    details : int
        Refusals of each kind that are logged one by one, before they are only counted.
    """

    def __init__(self, details: int = 1) -> None:
        self._details = details
        self.messages = 0
        self.read = 0
        self.events = 0
        self.repeated = 0
        self.refused: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._told_s: dict[str, float] = {}

    def event(self, source: str) -> None:
        """Count an event that is handed on, by where its notice came from."""
        self.events += 1
        NOTICES.labels(source).inc()

    def repeat(self) -> None:
        """Count an event that had been handed on before."""
        self.repeated += 1
        NOTICES_REPEATED.inc()

    def refusal(self, message: SourceMessage, error: DataError, now_s: float) -> None:
        """Count a message that tells of nothing, and log it if its kind is new or has long not been spoken of."""
        kind = error.kind if isinstance(error, NoticeRefused) else UNREADABLE
        if kind not in self.refused and len(self.refused) >= _MOST_KINDS:
            kind = _OTHER
        self.refused[kind] += 1
        NOTICES_REFUSED.labels(kind).inc()
        before = self.refused[kind] - self._told[kind] - 1
        if self.refused[kind] > self._details and now_s - self._told_s[kind] < _SAY_EVERY_S:
            return
        self._told[kind], self._told_s[kind] = self.refused[kind], now_s
        log.warning(
            "notice_refused", kind=kind, source=message.source, place=message.place, bytes=len(message.payload),
            reason=str(error)[:300], not_shown=before,
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, for a program."""
        return {
            "messages": self.messages, "read": self.read, "events": self.events, "repeated": self.repeated,
            "refused": dict(self.refused.most_common()),
        }  # fmt: skip

    def as_text(self) -> str:
        """Return the counts as one line."""
        refused = sum(self.refused.values())
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.refused.most_common())
        repeated = f", repeated {self.repeated}" if self.repeated else ""
        return f"read {self.read}, events {self.events}{repeated}, refused {refused}{': ' * bool(kinds)}{kinds}"
