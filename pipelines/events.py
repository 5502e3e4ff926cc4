"""The events: the second loop, beside the search. A finding in, alerts out.

Findings are candidates of the search and what people decide about them. :meth:`Events.take` reads as the picture does:
one pure function says which revisions follow, each goes to the sink before anything else happens. Live, that is the
outbox (``live/publisher.py``); in a replay a list. Only sink and clock differ.
"""

from __future__ import annotations

import threading
from typing import Protocol

import structlog

from stream.errors import PublishError
from stream.records import Decision, Finding, Revision
from stream.superevent import Sent, Superevents
from stream.timebase import Clock

log = structlog.get_logger()
_HELD = 256


class RevisionSink(Protocol):
    """Where revisions go."""

    def revision(self, revision: Revision) -> None:
        """Take a revision; once this returns it is said, and must not be lost."""
        ...


class Events:
    """The second loop; findings come from any thread, one is taken at a time.

    What was said before (on the alert topic, in the outbox) must be known before anything new is. Until :meth:`begin`
    says that it is, findings are held.

    Parameters
    ----------
    superevents : Superevents
    sink : RevisionSink
    clock : Clock
    begun : bool
        Whether nothing was said before: findings are then taken at once.
    """

    def __init__(self, superevents: Superevents, sink: RevisionSink, clock: Clock, *, begun: bool = True) -> None:
        self._superevents = superevents
        self._sink = sink
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = begun
        self._held: list[Finding] = []

    @property
    def held(self) -> int:
        """Findings that wait for what was said before."""
        return len(self._held)

    @property
    def begun(self) -> bool:
        """Whether what was said before is known."""
        return self._begun

    def take(self, finding: Finding) -> None:
        """Take a finding: what follows from it is with the sink when this returns, unless it has to be held.

        Raises
        ------
        PublishError
            If the finding cannot be what it says, the sink takes nothing, or too many are held.
        """
        with self._lock:
            if self._begun:
                self._step(finding)
            elif len(self._held) < _HELD:
                self._held.append(finding)
            else:
                raise PublishError(
                    f"{_HELD} findings wait for the alert topic to be read: see to its brokers, then start again"
                )

    def recall(self, sent: Sent) -> None:
        """Take up an alert that was made before; in any order, any number of times."""
        with self._lock:
            self._superevents.recall(sent)

    def begin(self) -> None:
        """Take what was held: all that was said before has been recalled."""
        with self._lock:
            while self._held:
                try:
                    self._step(self._held[0])
                except PublishError as error:
                    if not isinstance(self._held[0], Decision):
                        raise
                    log.error("decision_refused", superevent_id=self._held[0].superevent_id, error=str(error))
                del self._held[0]  # only now: until the sink has its revisions it is in no other place
            self._begun = True

    def _step(self, finding: Finding) -> None:
        revisions = self._superevents.step(finding, self._clock.now_ns())
        for revision in revisions:
            self._sink.revision(revision)
        if not revisions:
            self._say_nothing_new(finding)

    def _say_nothing_new(self, finding: Finding) -> None:
        """Log why no alert follows: it was heard before, something louder was, it was withdrawn or decided already."""
        if isinstance(finding, Decision):
            log.info("already_decided", superevent_id=finding.superevent_id, decision=finding.decision_id)
            return
        known = self._superevents.find(finding.gps_ns)
        retracted = known is not None and self._superevents.is_retracted(known)
        log.info("already_alerted", superevent_id=known, gps_ns=finding.gps_ns, retracted=retracted)
