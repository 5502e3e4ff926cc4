"""The outbox drained onto Kafka, in order: each alert once, whatever fails.

One Kafka transaction appends the Avro and the JSON form of an alert; then the outbox forgets it. When the drain starts,
and after any failure whose outcome is not known (a broker that vanished in mid-commit), it makes a new transactional
producer, which ends whatever the old one had left open, reads what has come to the topic, and sends only what is not
there. A crash at any step therefore neither loses nor doubles an alert.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from pipelines.events import Events
from pipelines.live.entries import event_and_number, sent_in
from pipelines.live.lighter import lighter
from pipelines.live.published import Published
from pipelines.live.truth import Truth
from stream.codec.alert import Outgoing
from stream.errors import DeadlineExceeded, Fenced, MessageTooLarge, TransportError
from stream.kafka.ownership import Ownership
from stream.kafka.producer import TransactionalProducer
from stream.publish import Outbox
from stream.settings import Settings
from stream.superevent import Sent
from stream.timebase import NS_PER_S, Clock

log = structlog.get_logger()
_BACK_OFF_S = (0.1, 0.25, 0.5, 1.0)
_SAY_EVERY_S = 5.0
_LOOK_S = 0.05
"""At the end, how often it is looked whether a candidate still waits for its map."""


class Drain:
    """A thread that sends what the outbox holds.

    Parameters
    ----------
    settings : Settings
    clock : Clock
    outbox : Outbox
    events : Events
        Told what the topic has.
    recovered : callable
        Called once, when all that was said before has been recalled.
    on_published : callable, optional
        Told of every acknowledged alert, from this thread.
    ownership : Ownership, optional
        Asked before each producer is made: a daemon that another has taken over from makes none, and ends.

    Attributes
    ----------
    error : BaseException or None
        What ended it, or whoever fills the outbox.
    truth : Truth
    """

    def __init__(
        self, settings: Settings, clock: Clock, outbox: Outbox, events: Events, recovered: Callable[[], None],
        on_published: Callable[[Published], None] | None = None, ownership: Ownership | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._clock = clock
        self._outbox = outbox
        self._events = events
        self._recovered = recovered
        self._on_published = on_published
        self._ownership = ownership
        self.truth = Truth(settings, clock)
        self.error: BaseException | None = None
        self._closed, self._wake = threading.Event(), threading.Event()
        self._patient_until_s = float("inf")
        self._producer: TransactionalProducer | None = None
        self._in_step = False
        self._lighter: dict[str, Outgoing] = {}
        self._said_s = -_SAY_EVERY_S
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the outbox again."""
        self._wake.set()

    def fail(self, error: BaseException) -> None:
        """Note what ends the publisher."""
        self.error = error

    @property
    def alive(self) -> bool:
        """Whether it can send."""
        return self.error is None and self._thread.is_alive()

    @property
    def closed(self) -> bool:
        """Whether the end was asked for."""
        return self._closed.is_set()

    def end(self, timeout_s: float) -> None:
        """Ask for the end: what waits is sent, if that takes no longer than this."""
        self._patient_until_s = time.monotonic() + timeout_s
        self._closed.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end."""
        self._wake.set()
        self._thread.join(timeout_s)

    def release(self, timeout_s: float) -> None:
        """Let go of the producer, once nobody uses it."""
        if self._producer is not None and not self._thread.is_alive():
            self._producer.close(timeout_s)

    def finished(self) -> bool:
        """Whether the end was asked for, and all is sent or the time given for it is over."""
        if not self._closed.is_set():
            return False
        return self._abandoned() or ((self._events.settled or self._events.lost) and not len(self._outbox))

    def turn(self) -> bool:
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

    def _work(self) -> None:
        """Read the truth, then send what the outbox holds until told to end."""
        attempt = 0
        try:
            while not self.finished():
                self._wake.clear()
                attempt = 0 if self.turn() else attempt + 1
                if not self.finished():
                    self._wake.wait(_BACK_OFF_S[min(attempt, len(_BACK_OFF_S)) - 1] if attempt else self._patience_s())
        except Fenced as error:
            self.error = error
            log.error("publisher_fenced", error=str(error), alerts_in_outbox=len(self._outbox))
        except BaseException as error:
            self.error = error
            log.error("publisher_died", error=str(error), exc_info=True)

    def _patience_s(self) -> float | None:
        """How long the drain sleeps if nobody wakes it: at the end a candidate may still wait for its map."""
        return _LOOK_S if self._closed.is_set() else None

    def _abandoned(self) -> bool:
        """Whether the end was asked for and the time given for it is over."""
        return time.monotonic() > self._patient_until_s

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
        there = self.truth.event_at(alert.gps_ns)
        if there is None or there == alert.superevent_id:
            return False
        log.warning("already_alerted", superevent_id=there, gps_ns=alert.gps_ns, instead_of=alert.superevent_id)
        self._outbox.acknowledge(alert.alert_id)
        return True

    def _acknowledged(self, alert: Outgoing) -> None:
        """Forget an alert that Kafka has, and tell of it."""
        sent, now_ns = sent_in(alert), self._clock.now_ns()
        self.truth.add(sent)
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
        for alert_id, sent in self.truth.news():
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
        if sent is None or (sent.superevent_id, sent.number) != event_and_number(alert):
            # A message id follows from event and revision: anyone can write one that is yet to come.
            log.error("message_id_taken", superevent_id=alert.superevent_id, message_id=alert_id, effect="it is sent")
            return
        if self.truth.event_at(alert.gps_ns) != alert.superevent_id:
            # Two daemons that did not hear of each other gave one id to two mergers.
            self._outbox.set_aside(alert.alert_id, f"{sent.superevent_id} is on the topic, of another merger")
            return
        self._acknowledged(alert)

    def _recover(self) -> None:
        """Let the events know what the outbox holds and the topic lacks; then nothing is held any more."""
        for alert in self._outbox:
            if not self._is_anothers(alert):
                self._events.recall(sent_in(alert))
        if len(self._outbox):
            log.warning("outbox_recovered", alerts=[alert.superevent_id for alert in self._outbox])
        self._recovered()
