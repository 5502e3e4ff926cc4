"""The publisher: findings in, each alert on Kafka exactly once.

1. The finder's own thread takes a finding through the events' loop (``../events.py``) and writes the alerts that follow
   to the outbox, before anything else happens.
2. A thread drains the outbox in order (:mod:`pipelines.live.drain`).

Who finds never waits for a broker, only a few ms for the disk; however long a send takes, what is found meanwhile is on
disk at once. The alert topic is the truth.

Until the truth has been read for the first time nothing new is said: findings are held in memory. So is a candidate
that waits for its map; when its time is up a thread of its own lets it go on. :attr:`Publisher.safe` says when none is,
and each alert is on disk or on Kafka: the daemon then lets its place on the strain move on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from pipelines.events import Events
from pipelines.live.drain import Drain
from pipelines.live.entries import taken_up
from pipelines.live.holding import Holding
from pipelines.live.pace import Pace
from pipelines.live.published import Published
from pipelines.live.recall import Recall
from stream.codec.alert import Outgoing, encode
from stream.coincide.coincidences import Coincidences
from stream.errors import Fenced, PublishError
from stream.kafka.ownership import Ownership
from stream.records import Coincidence, Decision, ExternalEvent, Finding, Followed, Revision
from stream.settings import Settings
from stream.superevent import Change, Superevents, not_found
from stream.timebase import Clock

__all__ = ["Published", "Publisher"]

log = structlog.get_logger()
_CLOSE_S = 8.0
_GRACE_S = 2.0
"""A call that waits for the broker looks up once a second."""


class Publisher:
    """Publish findings: into the outbox by the finder's thread, onto Kafka by one of its own.

    Parameters
    ----------
    settings : Settings
    clock : Clock
    on_published : callable, optional
        Told of every acknowledged alert, from the drain's thread.
    ownership : Ownership, optional
        Asked before each producer is made: a daemon that another has taken over from makes none, and ends.
    coincidences : Coincidences, optional
        What of other messengers is kept; without it none is heard.

    Raises
    ------
    PublishError
        If the outbox cannot be made or read.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        on_published: Callable[[Published], None] | None = None,
        ownership: Ownership | None = None,
        coincidences: Coincidences | None = None,
    ) -> None:
        self._ownership = ownership
        self._settings = settings
        self._coincidences = coincidences
        self._pace = Pace()
        self._outbox = taken_up(settings.publish.outbox)
        superevents = Superevents(settings.publish.kind, None if coincidences is None else coincidences.of)
        self._events = Events(superevents, self, clock, begun=False)
        self._drain = Drain(settings, clock, self._outbox, self._events, self._recovered, on_published, ownership)
        self._recall = Recall(self._events, self._outbox, self._drain.truth)
        self._holding = Holding(self._events, self._drain.finished, self._drain.fail)
        self._drain.start()

    def publish(self, finding: Finding, wait_s: float | None = None) -> bool:
        """Take a finding, from any thread; its alerts are on disk when this returns, unless it has to be held.

        Parameters
        ----------
        finding : Finding
        wait_s : float or None
            So long a candidate's alert waits for its map; None where none is made.

        Returns
        -------
        bool
            Whether a map of the candidate can lead to an alert.

        Raises
        ------
        PublishError
            If the drain has died, or the finding cannot be what it says, or nothing takes it.
        """
        self.check()
        is_news = self._events.take(finding, wait_s)
        self._holding.wake()
        return is_news

    def decide(self, decision: Decision) -> None:
        """Take a person's decision as :meth:`publish` takes a finding; what is older than a start reads is read first.

        Raises
        ------
        PublishError
            As :meth:`publish`; and if the decision names an event that is not on the topic, or was withdrawn.
        TransportError
            If the topic cannot be read now.
        """
        self._recall.history(decision.superevent_id)
        if decision.kind == "confirm":
            self._recall.whole(decision.superevent_id)
        self.publish(decision)

    def hear(self, external: ExternalEvent) -> tuple[Change, ...]:
        """Take a notice of another messenger; it is kept, and what follows is on disk, when this returns.

        The same notice may be given again, as after an error.

        Returns
        -------
        tuple of Change
            What was told of superevents for it; not what waits for :meth:`catch_up`.

        Raises
        ------
        StoreError
            If it cannot be kept.
        TransportError
            If an alert has to be repeated that cannot be read now.
        PublishError
            As :meth:`publish`.
        """
        self.check()
        if self._coincidences is None:
            return ()
        return self._tell(self._coincidences.heard(external))

    def catch_up(self) -> tuple[Change, ...]:
        """Tell what came too soon after what was told before it (:mod:`pipelines.live.pace`), and is due now.

        Raises
        ------
        TransportError, PublishError
            As :meth:`hear`.
        """
        return self._tell(self._pace.due())

    @property
    def caught_up(self) -> bool:
        """Whether nothing that was heard waits to be told; until then it is in no other place."""
        return not self._pace.waiting

    def _tell(self, coincidences: Sequence[Coincidence]) -> tuple[Change, ...]:
        told: list[Change] = []
        for found in coincidences:
            change = self._change(found)
            if change is None:
                self._pace.drop(found.gw.superevent_id)
            elif self._pace.may(found, change):
                self.publish(found)
                self._pace.told(found, change)
                told.append(change)
        return tuple(told)

    def _change(self, found: Coincidence) -> Change | None:
        """Return what a coincidence changes; the events then know, whole, the alert that tells of it anew."""
        name = found.gw.superevent_id
        if not self._events.knows(name):
            self._recall.history(name)
        change = self._events.change(found)
        if change is not None:
            self._recall.whole(name)
        return change

    def _recovered(self) -> None:
        """Begin: all that was said before has been recalled."""
        if self._coincidences is not None:
            self._coincidences.know(self._events.known())
        self._events.begin()
        self._holding.wake()

    def revision(self, revision: Revision) -> None:
        """Write a revision's alert to the outbox and wake the drain: the events' loop calls this."""
        try:
            self._outbox.put(self._encoded(revision))
        except BaseException as error:
            self._drain.fail(error)  # known as said, and it stands nowhere: only another start says it again
            raise
        self._drain.wake()

    def _encoded(self, revision: Revision) -> Outgoing:
        """Return a revision as it leaves; without what cannot be written, and with the reason.

        That is what coincides first, whose texts and map are a stranger's, then map and class.
        """
        publish, significance = self._settings.publish, self._settings.significance
        try:
            return encode(revision, publish, significance)
        except Exception as error:
            if revision.joined is not None:
                log.error("coincidence_not_encoded", superevent_id=revision.superevent_id, error=repr(error))
                return self._encoded(replace(revision, coincidence=None, joined=None))
            if revision.localized is None or revision.candidate is None:
                raise
            name = revision.superevent_id
            log.error("follow_up_not_encoded", superevent_id=name, error=repr(error), effect="its alert says so")
            without = not_found(revision.candidate, f"cannot be written into an alert: {error!r}")
            return encode(replace(revision, localized=without, followed=Followed.of(without)), publish, significance)

    def check(self) -> None:
        """Raise what killed the drain, if it is dead, and what ended the right to publish."""
        if self._ownership is not None:
            self._ownership.check()
        error = self._drain.error
        if isinstance(error, Fenced):
            raise error
        if error is not None:
            raise PublishError(f"the publisher stopped: {error}") from error

    @property
    def alive(self) -> bool:
        """Whether the drain can send."""
        return self._drain.alive

    @property
    def ready(self) -> bool:
        """Whether the alert topic has been read, so that alerts can be sent."""
        return self._events.begun and self.alive

    @property
    def safe(self) -> bool:
        """Whether what follows from every finding that was handed over is on disk, or on Kafka."""
        return self._events.settled and self._outbox.on_disk

    @property
    def waiting(self) -> int:
        """Alerts that Kafka does not have yet."""
        return self._events.held + len(self._outbox)

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Send what waits, then end; what could not be sent stays in the outbox for the next start."""
        if self._drain.closed:
            return
        self._drain.end(timeout_s)
        self._holding.close()
        self._drain.join(timeout_s + _GRACE_S)
        if len(self._outbox):
            log.warning("alerts_left_in_outbox", alerts=[alert.superevent_id for alert in self._outbox])
        if not self.safe:
            # Their strain's offsets were not committed: the next start finds them again.
            log.warning("candidates_left", candidates=self._events.held)
        self._drain.release(0.0 if len(self._outbox) else _CLOSE_S)
