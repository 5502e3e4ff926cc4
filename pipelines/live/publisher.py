"""The publisher: candidates in, each alert on Kafka exactly once.

1. The caller gives a candidate its superevent id and writes its alert to the outbox, before anything else happens.
2. A thread drains the outbox in order: one Kafka transaction appends the Avro and the JSON form of an alert.
3. The outbox forgets it.

The caller never waits for a broker, only a few ms for the disk; however long a send takes, what is found meanwhile is
on disk at once.

The alert topic is the truth. When the drain starts, and after any failure whose outcome is not known (a broker that
vanished in mid-commit), it makes a new transactional producer, which ends whatever the old one had left open, reads the
topic, and sends only what is not there. A crash at any step therefore neither loses nor doubles an alert.

Until the truth has been read for the first time candidates have no id and are held in memory. :attr:`Publisher.safe`
says when none is, and each alert is on disk or on Kafka: the daemon then lets its place on the strain move on.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from stream.codec.alert import decode_alert, encode_alert
from stream.errors import DataError, PublishError, SchemaError, TransportError
from stream.kafka.consumer import Message
from stream.kafka.producer import TransactionalProducer
from stream.kafka.reading import read_all
from stream.metrics import MESSAGES_REFUSED
from stream.publish import Outbox, Outgoing, SupereventRegistry, make_alert
from stream.publish.alert import alert_id_of, companion, hop_headers, merger_ns_of, to_json, tocsin_headers
from stream.publish.superevent import PREFIXES, SAME_EVENT_NS, is_superevent_id
from stream.records import Candidate
from stream.settings import Settings
from stream.timebase import Clock

log = structlog.get_logger()
_HELD = 256
_CLOSE_S = 8.0
_GRACE_S = 2.0
"""A call that waits for the broker looks up once a second."""
_BACK_OFF_S = (0.1, 0.25, 0.5, 1.0)
_TRUTH_S = 5.0
"""So long nothing may come while the alert topic is read, before it is said and tried again."""
_SAY_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Published:
    """An alert that Kafka has acknowledged, and when (GPS ns)."""

    superevent_id: str
    candidate_ns: int
    acknowledged_ns: int


class Publisher:
    """Publish candidates: into the outbox by the caller, onto Kafka by a thread of its own.

    Parameters
    ----------
    settings : Settings
    clock : Clock
    on_published : callable, optional
        Told of every acknowledged alert, from the drain's thread.
    """

    def __init__(
        self, settings: Settings, clock: Clock, on_published: Callable[[Published], None] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._on_published = on_published
        self._outbox = Outbox(settings.publish.outbox)
        self._registry = SupereventRegistry(settings.publish.kind)
        self._lock = threading.Lock()
        self._held: list[Candidate] = []
        self._error: BaseException | None = None
        self._known: set[str] = set()
        self._on_topic_ns: list[int] = []
        self._closed, self._wake = threading.Event(), threading.Event()
        self._patient_until_s = float("inf")
        self._producer: TransactionalProducer | None = None
        self._in_step = False
        self._recovered = False
        self._said_s = -_SAY_EVERY_S
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, candidate: Candidate) -> None:
        """Take a candidate; its alert is on disk when this returns, if the alert topic has been read. From any thread.

        Raises
        ------
        PublishError
            If the drain has died, or as many candidates wait for the alert topic as may.
        """
        self.check()
        with self._lock:
            if self._recovered:
                self._make(candidate)
            elif len(self._held) < _HELD:
                self._held.append(candidate)
            else:
                raise PublishError(
                    f"{_HELD} candidates wait for topic {self._settings.topics.alerts} to be read: restart the daemon"
                )
        self._wake.set()

    def check(self) -> None:
        """Raise what killed the drain, if it is dead."""
        if self._error is not None:
            raise PublishError(f"the publisher stopped: {self._error}") from self._error

    @property
    def alive(self) -> bool:
        """Whether the drain can send."""
        return self._error is None and self._thread.is_alive()

    @property
    def ready(self) -> bool:
        """Whether the alert topic has been read, so that alerts can be sent."""
        return self._recovered and self.alive

    @property
    def safe(self) -> bool:
        """Whether every candidate that was handed over has its alert on disk, or on Kafka."""
        return self._recovered and not self._held and self._outbox.on_disk

    @property
    def waiting(self) -> int:
        """Alerts that Kafka does not have yet."""
        return len(self._held) + len(self._outbox)

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Send what waits, then end; what could not be sent stays in the outbox for the next start."""
        if self._closed.is_set():
            return
        self._patient_until_s = time.monotonic() + timeout_s
        self._closed.set()
        self._wake.set()
        self._thread.join(timeout_s + _GRACE_S)
        if len(self._outbox):
            log.warning("alerts_left_in_outbox", alerts=len(self._outbox))
        if not self.safe:
            # Their strain's offsets were not committed: the next start finds them again.
            log.warning("candidates_left", candidates=len(self._held))
        if self._producer is not None and not self._thread.is_alive():
            self._producer.close(0.0 if len(self._outbox) else _CLOSE_S)

    # -- the caller's part --------------------------------------------------------------------------------------

    def _make(self, candidate: Candidate) -> None:
        """Assign the id and write the alert to the outbox; an event that has its alert gets no second one."""
        known = self._registry.find(candidate.gps_ns)
        if known is not None:
            log.info("already_alerted", superevent_id=known, gps_ns=candidate.gps_ns)
            return
        self._outbox.put(self._outgoing(candidate, self._registry.assign(candidate.gps_ns)))

    def _outgoing(self, candidate: Candidate, superevent_id: str) -> Outgoing:
        settings = self._settings
        alert = make_alert(
            candidate,
            superevent_id,
            self._clock.now_ns(),
            settings.significance.significant_far_hz,
            settings.publish.pipeline,
        )
        extra = companion(candidate)
        alert_id = str(uuid.uuid4())
        headers = (*hop_headers(alert_id, settings.publish), *tocsin_headers(extra))
        return Outgoing(alert_id, superevent_id, candidate.gps_ns, encode_alert(alert), to_json(alert, extra), headers)

    # -- the drain ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Read the truth, then send what the outbox holds until told to end."""
        attempt = 0
        try:
            while not self._finished():
                self._wake.clear()
                attempt = 0 if self._drain() else attempt + 1
                if not self._finished():
                    self._wake.wait(_BACK_OFF_S[min(attempt, len(_BACK_OFF_S)) - 1] if attempt else None)
        except BaseException as error:
            self._error = error
            log.error("publisher_died", error=str(error), exc_info=True)

    def _finished(self) -> bool:
        """Whether the end was asked for, and all is sent or the time given for it is over."""
        if not self._closed.is_set():
            return False
        return self._abandoned() or (self._recovered and not len(self._outbox))

    def _abandoned(self) -> bool:
        """Whether the end was asked for and the time given for it is over."""
        return time.monotonic() > self._patient_until_s

    def _drain(self) -> bool:
        """Send what waits, oldest first; return False when the broker would not have it, so that it is tried again."""
        try:
            if not self._in_step:
                self._reconnect()
            while (alert := self._outbox.oldest()) is not None and not self._abandoned():
                self._send(alert)
        except TransportError as error:
            self._in_step = False
            self._say(error)
            return False
        return True

    def _say(self, error: TransportError) -> None:
        """Log what is waited for, once in a while."""
        if time.monotonic() - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = time.monotonic()
        if self._recovered:
            log.warning("alert_not_sent_yet", alerts=len(self._outbox), error=str(error))
        else:
            topic = self._settings.topics.alerts
            log.warning("waiting_for_alert_topic", topic=topic, candidates=len(self._held), error=str(error))

    def _send(self, alert: Outgoing) -> None:
        """Append one alert to both topics, as one, unless the topic has it, or another daemon's of the same event.

        The latter is seen in time: who sent it fenced this producer, so that the topic was read again since.
        """
        if any(abs(there_ns - alert.gps_ns) <= SAME_EVENT_NS for there_ns in self._on_topic_ns):
            log.info("already_alerted", superevent_id=alert.superevent_id, gps_ns=alert.gps_ns)
        elif alert.alert_id not in self._known:
            topics = self._settings.topics
            assert self._producer is not None
            with self._producer.transaction():
                self._producer.send(topics.alerts, alert.superevent_id, alert.avro, alert.headers)
                headers = tuple((k, b"json" if k == "_format" else v) for k, v in alert.headers)
                self._producer.send(topics.alerts_json, alert.superevent_id, alert.json, headers)
            acknowledged_ns = self._clock.now_ns()
            self._known.add(alert.alert_id)
            log.info(
                "alert_published",
                superevent_id=alert.superevent_id,
                gps_ns=alert.gps_ns,
                after_merger_s=(acknowledged_ns - alert.gps_ns) / 1e9,
            )
            if self._on_published is not None:
                self._on_published(Published(alert.superevent_id, alert.gps_ns, acknowledged_ns))
        self._outbox.acknowledge(alert.alert_id)

    # -- the truth ----------------------------------------------------------------------------------------------

    def _reconnect(self) -> None:
        """Make a producer, which ends what an older one left open, and read what is on the topic."""
        settings, publish = self._settings, self._settings.publish
        self._producer = TransactionalProducer(
            settings.kafka, publish.transactional_id, publish.transactions, self._abandoned
        )
        self._on_topic_ns.clear()
        for message in read_all(settings.kafka, settings.topics.alerts, _TRUTH_S):
            self._remember(message)
        if not self._recovered:
            self._recover()
        self._in_step = True

    def _recover(self) -> None:
        """Take up what the outbox holds and the topic lacks; then give the candidates that were held their ids."""
        for alert in self._outbox.take_up():
            if alert.alert_id in self._known:
                self._outbox.acknowledge(alert.alert_id)
            else:
                self._registry.remember(alert.superevent_id, alert.gps_ns)
        if len(self._outbox):
            log.warning("outbox_recovered", alerts=len(self._outbox))
        with self._lock:
            while self._held:
                self._make(self._held[0])
                del self._held[0]  # only now: until its alert is in the outbox it is not safe
            self._recovered = True

    def _remember(self, message: Message) -> None:
        """Take up an alert that is on the topic; one that cannot be read is counted, named and passed over."""
        alert_id = alert_id_of(message.headers)
        if alert_id is not None:
            self._known.add(alert_id)
        try:
            gps_ns = merger_ns_of(message.headers)
            if gps_ns is None:
                return  # another pipeline's alert: its id is not ours to count
            superevent_id = decode_alert(message.value or b"")["superevent_id"]
            if not is_superevent_id(superevent_id):
                raise SchemaError(f"superevent_id is {superevent_id!r}: expected the form TS261122a")
        except DataError as error:
            MESSAGES_REFUSED.labels(message.topic).inc()
            log.error(
                "alert_topic_has_a_bad_alert", topic=message.topic, partition=message.partition,
                offset=message.offset, error=str(error),
            )  # fmt: skip
            return
        with self._lock:
            self._registry.remember(superevent_id, gps_ns)
        if superevent_id.startswith(PREFIXES[self._settings.publish.kind]):
            self._on_topic_ns.append(gps_ns)
