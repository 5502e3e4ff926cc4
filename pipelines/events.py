"""The events: the second loop, beside the search. A finding in, alerts out.

Findings are candidates of the search, what their follow-up found, what of another messenger coincides, and what people
decide about them.
:meth:`Events.take` reads as the picture does: one pure function says which revisions follow, each goes to the sink
before anything else happens. Live, that is the outbox (``live/publisher.py``); in a replay a list. Only sink and clock
differ.

A candidate whose follow-up is at work may wait for it (``publish.wait_for_map_s``), so that its alert leaves with map
and class: if they come in time as one revision, if not without them, and another brings them. Decisions wait for
nobody. A candidate that waits is nowhere but in memory: :attr:`Events.settled` says when none does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from stream.errors import PublishError
from stream.records import Candidate, Coincidence, Decision, Finding, GwEvent, Localized, Revision
from stream.superevent import Change, Sent, Superevents, Waiting
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
    elapsed_s : callable
        Seconds on a clock that nobody sets; what waits is measured by it.
    """

    def __init__(
        self, superevents: Superevents, sink: RevisionSink, clock: Clock, *, begun: bool = True,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._superevents = superevents
        self._sink = sink
        self._clock = clock
        self._elapsed_s = elapsed_s
        self._lock = threading.Lock()
        self._begun = begun
        self._lost = False
        self._waiting = Waiting()

    @property
    def held(self) -> int:
        """Findings that wait: for what was said before, or for their map."""
        return len(self._waiting)

    @property
    def begun(self) -> bool:
        """Whether what was said before is known."""
        return self._begun

    @property
    def settled(self) -> bool:
        """Whether what follows from every finding is with the sink."""
        return self._begun and not self._waiting and not self._lost

    @property
    def lost(self) -> bool:
        """Whether the sink did not take a revision; what waits then goes nowhere, and only another start says it."""
        return self._lost

    def take(self, finding: Finding, wait_s: float | None = None) -> bool:
        """Take a finding: what follows from it is with the sink when this returns, unless it has to be held.

        Parameters
        ----------
        finding : Finding
        wait_s : float or None
            So long a candidate waits for its map; None where none is made. Whoever says so calls :meth:`turn`.

        Returns
        -------
        bool
            Whether a map of the candidate can lead to an alert.

        Raises
        ------
        PublishError
            If the finding cannot be what it says, the sink takes nothing, or too many are held.
        """
        with self._lock:
            now_s = self._elapsed_s()
            if isinstance(finding, Localized) and self._waiting.fill(finding, now_s):
                self._release()
            elif not self._begun:
                self._hold(finding, now_s, wait_s)
            elif not isinstance(finding, Candidate):
                self._step(finding)
            elif not self._superevents.is_news(finding):
                self._say_nothing_new(finding)
                return False
            elif wait_s is None:
                self._step(finding)
            else:
                self._hold(finding, now_s, wait_s)
        return True

    def turn(self) -> float | None:
        """Let go of what has waited long enough; return how long the next has to wait yet, in seconds, or None."""
        with self._lock:
            self._release()
            next_s = self._waiting.next_s
            return None if next_s is None or not self._begun else max(0.0, next_s - self._elapsed_s())

    def recall(self, sent: Sent) -> None:
        """Take up an alert that was made before; in any order, any number of times."""
        with self._lock:
            self._superevents.recall(sent)

    def unread(self, superevent_id: str) -> int | None:
        """Return the revision whose ``event`` must be recalled before another alert can repeat it, or None."""
        with self._lock:
            return self._superevents.unread(superevent_id)

    def knows(self, superevent_id: str) -> bool:
        """Return whether an event is known, or is none here, so that nothing has to be recalled of it."""
        with self._lock:
            return self._superevents.knows(superevent_id)

    def change(self, coincidence: Coincidence) -> Change | None:
        """Return what a coincidence changes in what was told of its event; None where it is nothing to tell."""
        with self._lock:
            return self._superevents.change(coincidence)

    def known(self) -> tuple[GwEvent, ...]:
        """Return the events that were told and not withdrawn, as coincidences see them, without maps."""
        with self._lock:
            return self._superevents.events()

    def begin(self) -> None:
        """Take what was held: all that was said before has been recalled."""
        with self._lock:
            self._begun = True
            try:
                self._release()
            except PublishError:
                self._begun = False
                raise

    def _hold(self, finding: Finding, now_s: float, wait_s: float | None) -> None:
        if len(self._waiting) >= _HELD:
            raise PublishError(
                f"{_HELD} findings wait for the alert topic to be read: see to its brokers, then start again"
            )
        self._waiting.hold(finding, now_s, wait_s)

    def _release(self) -> None:
        """Take the findings that are due through the loop, if what was said before is known."""
        now_s = self._elapsed_s()
        while self._begun and not self._lost and (finding := self._waiting.ready(now_s)) is not None:
            try:
                self._step(finding)
            except PublishError as error:
                if isinstance(finding, Candidate | Localized):
                    raise
                if isinstance(finding, Decision):
                    log.error("decision_refused", superevent_id=finding.superevent_id, error=str(error))
                else:
                    log.error("coincidence_refused", superevent_id=finding.gw.superevent_id, error=str(error))
            self._waiting.done(now_s)  # only now: until the sink has its revisions it is in no other place

    def _step(self, finding: Finding) -> None:
        revisions = self._superevents.step(finding, self._clock.now_ns())
        for revision in revisions:
            self._hand_on(revision)
        if not revisions:
            self._say_nothing_new(finding)

    def _hand_on(self, revision: Revision) -> None:
        try:
            self._sink.revision(revision)
        except BaseException:
            self._lost = True  # it is known as said: the same finding would be no news
            raise

    def _say_nothing_new(self, finding: Finding) -> None:
        """Log why no alert follows: it was heard before, something louder was, it was withdrawn or decided already."""
        if isinstance(finding, Decision):
            log.info("already_decided", superevent_id=finding.superevent_id, decision=finding.decision_id)
            return
        if isinstance(finding, Coincidence):
            log.debug("coincidence_already_told", superevent_id=finding.gw.superevent_id)
            return
        gps_ns = finding.gps_ns if isinstance(finding, Candidate) else finding.candidate.gps_ns
        known = self._superevents.find(gps_ns)
        retracted = known is not None and self._superevents.is_retracted(known)
        log.info("already_alerted", superevent_id=known, gps_ns=gps_ns, retracted=retracted)
