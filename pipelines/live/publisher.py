"""The publisher: findings in, each alert on Kafka exactly once.

1. The finder's own thread takes a finding through the events' loop (``../events.py``) and writes the alerts that follow
   to the outbox, before anything else happens.
2. A thread drains the outbox in order: one Kafka transaction appends the Avro and the JSON form of an alert.
3. The outbox forgets it.

Who finds never waits for a broker, only a few ms for the disk; however long a send takes, what is found meanwhile is on
disk at once.

The alert topic is the truth. When the drain starts, and after any failure whose outcome is not known (a broker that
vanished in mid-commit), it makes a new transactional producer, which ends whatever the old one had left open, reads
what has come to the topic, and sends only what is not there. A crash at any step therefore neither loses nor doubles an
alert.

Until the truth has been read for the first time nothing new is said: findings are held in memory. So is a candidate
that waits for its map; when its time is up a thread of its own lets it go on. :attr:`Publisher.safe` says when none is,
and each alert is on disk or on Kafka: the daemon then lets its place on the strain move on.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from pipelines.events import Events
from pipelines.live.holding import Holding
from pipelines.live.lighter import lighter
from pipelines.live.truth import Truth
from stream.codec.alert import Outgoing, decode, encode, sent_of
from stream.errors import DataError, DeadlineExceeded, Fenced, MessageTooLarge, PublishError, TransportError
from stream.kafka.ownership import Ownership
from stream.kafka.producer import TransactionalProducer
from stream.publish import Outbox
from stream.records import AlertType, Decision, Finding, Followed, Revision, message_id
from stream.settings import Settings
from stream.superevent import Sent, Superevents, not_found
from stream.timebase import NS_PER_S, Clock

log = structlog.get_logger()
_CLOSE_S = 8.0
_GRACE_S = 2.0
"""A call that waits for the broker looks up once a second."""
_BACK_OFF_S = (0.1, 0.25, 0.5, 1.0)
_SAY_EVERY_S = 5.0
_LOOK_S = 0.05
"""At the end, how often it is looked whether a candidate still waits for its map."""


@dataclass(frozen=True, slots=True)
class Published:
    """An alert that Kafka has acknowledged, and when (GPS ns); ``candidate_ns`` is its merger's time.

    ``followed`` tells what it has of its candidate's follow-up; ``alert`` is what was sent.
    """

    superevent_id: str
    candidate_ns: int
    acknowledged_ns: int
    number: int
    alert_type: AlertType
    followed: Followed | None = None
    alert: Outgoing | None = None


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
    ) -> None:
        self._ownership = ownership
        self._settings = settings
        self._clock = clock
        self._on_published = on_published
        self._outbox = _taken_up(settings.publish.outbox)
        self._events = Events(Superevents(settings.publish.kind), self, clock, begun=False)
        self._truth = Truth(settings, clock)
        self._error: BaseException | None = None
        self._closed, self._wake = threading.Event(), threading.Event()
        self._patient_until_s = float("inf")
        self._producer: TransactionalProducer | None = None
        self._in_step = False
        self._lighter: dict[str, Outgoing] = {}
        self._said_s = -_SAY_EVERY_S
        self._holding = Holding(self._events, self._finished, self._failed)
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

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
        for sent in self._truth.history(decision.superevent_id):
            self._events.recall(sent)
        if decision.kind == "confirm":
            self._recall_whole(decision.superevent_id)
        self.publish(decision)

    def _recall_whole(self, superevent_id: str) -> None:
        """Let the events know, with map and class, the alert that a confirmation repeats."""
        number = self._events.unread(superevent_id)
        if number is None:
            return
        waiting = self._outbox.find(message_id(superevent_id, number))
        there = [(_sent(waiting), waiting.avro)] if waiting is not None else self._truth.payloads(superevent_id)
        for sent, payload in there:
            with contextlib.suppress(DataError):  # one that is no alert: a stranger's under our name
                if sent.number == number:
                    self._events.recall(replace(sent, event=decode(payload)[0]["event"]))

    def revision(self, revision: Revision) -> None:
        """Write a revision's alert to the outbox and wake the drain: the events' loop calls this."""
        try:
            self._outbox.put(self._encoded(revision))
        except BaseException as error:
            self._error = error  # known as said, and it stands nowhere: only another start finds or decides it again
            raise
        self._wake.set()

    def _encoded(self, revision: Revision) -> Outgoing:
        """Return a revision as it leaves; without map and class, and with the reason, if they are what cannot be."""
        publish, significance = self._settings.publish, self._settings.significance
        try:
            return encode(revision, publish, significance)
        except Exception as error:
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
        if isinstance(self._error, Fenced):
            raise self._error
        if self._error is not None:
            raise PublishError(f"the publisher stopped: {self._error}") from self._error

    @property
    def alive(self) -> bool:
        """Whether the drain can send."""
        return self._error is None and self._thread.is_alive()

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
        if self._closed.is_set():
            return
        self._patient_until_s = time.monotonic() + timeout_s
        self._closed.set()
        self._holding.close()
        self._wake.set()
        self._thread.join(timeout_s + _GRACE_S)
        if len(self._outbox):
            log.warning("alerts_left_in_outbox", alerts=[alert.superevent_id for alert in self._outbox])
        if not self.safe:
            # Their strain's offsets were not committed: the next start finds them again.
            log.warning("candidates_left", candidates=self._events.held)
        if self._producer is not None and not self._thread.is_alive():
            self._producer.close(0.0 if len(self._outbox) else _CLOSE_S)

    # -- the drain ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Read the truth, then send what the outbox holds until told to end."""
        attempt = 0
        try:
            while not self._finished():
                self._wake.clear()
                attempt = 0 if self._drain() else attempt + 1
                if not self._finished():
                    self._wake.wait(_BACK_OFF_S[min(attempt, len(_BACK_OFF_S)) - 1] if attempt else self._patience_s())
        except Fenced as error:
            self._error = error
            log.error("publisher_fenced", error=str(error), alerts_in_outbox=len(self._outbox))
        except BaseException as error:
            self._error = error
            log.error("publisher_died", error=str(error), exc_info=True)

    def _failed(self, error: BaseException) -> None:
        self._error = error

    def _patience_s(self) -> float | None:
        """How long the drain sleeps if nobody wakes it: at the end a candidate may still wait for its map."""
        return _LOOK_S if self._closed.is_set() else None

    def _finished(self) -> bool:
        """Whether the end was asked for, and all is sent or the time given for it is over."""
        if not self._closed.is_set():
            return False
        return self._abandoned() or ((self._events.settled or self._events.lost) and not len(self._outbox))

    def _abandoned(self) -> bool:
        """Whether the end was asked for and the time given for it is over."""
        return time.monotonic() > self._patient_until_s

    def _drain(self) -> bool:
        """Send what waits, oldest first; return False when the broker would not have it, so that it is tried again."""
        try:
            if not self._in_step:
                self._get_in_step()
            while (alert := self._outbox.oldest()) is not None and not self._abandoned():
                self._send(alert)
        except TransportError as error:
            self._in_step = False
            if self._ownership is not None:
                self._ownership.check()
            self._say(error)
            return False
        return True

    def _say(self, error: TransportError) -> None:
        """Log what is waited for, once in a while."""
        if time.monotonic() - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = time.monotonic()
        if self._events.begun:
            log.warning("alert_not_sent_yet", alerts=len(self._outbox), error=str(error))
        else:
            topic = self._settings.topics.alerts
            log.warning("waiting_for_alert_topic", topic=topic, candidates=self._events.held, error=str(error))

    def _send(self, alert: Outgoing) -> None:
        """Append one alert to both topics, as one, unless another daemon's alert of the same event is there.

        That is seen in time: who sent it fenced this producer, so that the topic was read again since. One that is too
        large leaves without one of its maps the next time, or is set aside: it must not hold up those behind it.
        """
        if self._is_anothers(alert):
            return
        leaving = self._lighter.get(alert.alert_id, alert)
        try:
            self._append(leaving)
        except MessageTooLarge as error:
            log.error("alert_too_large", superevent_id=alert.superevent_id, error=str(error))
            self._lighten(leaving, f"too large for the broker: {error}")
            raise
        self._lighter.pop(alert.alert_id, None)
        self._acknowledged(leaving)

    def _lighten(self, alert: Outgoing, why: str) -> None:
        less = lighter(alert, why)
        if less is not None:
            self._lighter[alert.alert_id] = less
            return
        self._lighter.pop(alert.alert_id, None)
        self._outbox.set_aside(alert.alert_id, f"it has no map to leave behind, and is {why}")

    def _append(self, alert: Outgoing) -> None:
        topics = self._settings.topics
        assert self._producer is not None
        with self._producer.transaction():
            self._producer.send(topics.alerts, alert.superevent_id, alert.avro, alert.headers)
            self._producer.send(topics.alerts_json, alert.superevent_id, alert.json, alert.json_headers)

    def _is_anothers(self, alert: Outgoing) -> bool:
        """Whether the event of an alert stands on the topic under another id; then the alert is forgotten."""
        there = self._truth.event_at(alert.gps_ns)
        if there is None or there == alert.superevent_id:
            return False
        log.warning("already_alerted", superevent_id=there, gps_ns=alert.gps_ns, instead_of=alert.superevent_id)
        self._outbox.acknowledge(alert.alert_id)
        return True

    def _acknowledged(self, alert: Outgoing) -> None:
        """Forget an alert that Kafka has, and tell of it."""
        sent, now_ns = _sent(alert), self._clock.now_ns()
        self._truth.add(sent)
        self._outbox.acknowledge(alert.alert_id)
        log.info(
            "alert_published",
            superevent_id=sent.superevent_id,
            revision=sent.number,
            alert_type=sent.alert_type,
            gps_ns=sent.gps_ns,
            after_merger_s=(now_ns - sent.gps_ns) / NS_PER_S,
        )
        if self._on_published is not None:
            told = (sent.superevent_id, sent.gps_ns, now_ns, sent.number, sent.alert_type, sent.followed)
            self._on_published(Published(*told, alert))

    # -- the truth ----------------------------------------------------------------------------------------------

    def _get_in_step(self) -> None:
        """Make a producer, which ends what an older one left open, and read what has come to the topic."""
        settings, publish = self._settings, self._settings.publish
        if self._ownership is not None:
            self._ownership.confirm(settings.kafka.operation_timeout_s, self._abandoned)
        self._producer = TransactionalProducer(
            settings.kafka, publish.transactional_id, publish.transactions, self._abandoned
        )
        for alert_id, sent in self._truth.news():
            if self._abandoned():
                raise DeadlineExceeded(f"the end came while topic {settings.topics.alerts} was read")
            self._learn(alert_id, sent)
        if not self._events.begun:
            self._recover()
        self._in_step = True

    def _learn(self, alert_id: str | None, sent: Sent | None) -> None:
        """Take up an alert that is on the topic; one that waits here as well was sent, and is not sent again."""
        if sent is not None:
            self._events.recall(sent)
        alert = self._outbox.find(alert_id) if alert_id is not None else None
        if alert is None:
            return
        if sent is None or (sent.superevent_id, sent.number) != _name(alert):
            # A message id follows from event and revision: anyone can write one that is yet to come.
            log.error("message_id_taken", superevent_id=alert.superevent_id, message_id=alert_id, effect="it is sent")
            return
        if self._truth.event_at(alert.gps_ns) != alert.superevent_id:
            # Two daemons that did not hear of each other gave one id to two mergers.
            self._outbox.set_aside(alert.alert_id, f"{sent.superevent_id} is on the topic, of another merger")
            return
        self._acknowledged(alert)

    def _recover(self) -> None:
        """Let the events know what the outbox holds and the topic lacks; then nothing is held any more."""
        for alert in self._outbox:
            if not self._is_anothers(alert):
                self._events.recall(_sent(alert))
        if len(self._outbox):
            log.warning("outbox_recovered", alerts=[alert.superevent_id for alert in self._outbox])
        self._events.begin()
        self._holding.wake()


def _taken_up(folder: Path) -> Outbox:
    """Return the outbox with what a process before this one left in it."""
    outbox = Outbox(folder)
    outbox.take_up()
    for alert in outbox:
        try:
            _sent(alert)
        except DataError as error:
            outbox.set_aside(alert.alert_id, str(error))
    return outbox


def _name(alert: Outgoing) -> tuple[str, int]:
    """Return event and revision of an entry of the outbox."""
    sent = _sent(alert)
    return sent.superevent_id, sent.number


def _sent(alert: Outgoing) -> Sent:
    """Return which alert an entry of the outbox is.

    Raises
    ------
    DataError
        If its headers do not tell.
    """
    sent = sent_of(alert.superevent_id.encode(), alert.headers)
    if sent is None:
        raise DataError(f"alert {alert.alert_id} in the outbox has no time of its merger")
    return sent
