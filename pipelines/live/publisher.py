"""The publisher: candidates in, each alert on Kafka exactly once.

One worker thread with a bounded queue, so that the search never waits for a broker. For each alert:

1. its superevent id is assigned;
2. it is written to the outbox;
3. one Kafka transaction appends the Avro and the JSON form;
4. the outbox forgets it.

The alert topic is the truth. When the publisher starts, and after any failure whose outcome is not known (a broker
that vanished in mid-commit), it makes a new transactional producer, which ends whatever the old one had left open,
reads the topic, and sends only what is not there. A crash at any step therefore neither loses nor doubles an alert.

All this is the worker's: a topic without a leader, or no broker at all, is waited for while the search hears on.
Until the truth has been read candidates have no id and stand only in the queue, as they do while an alert before them
is being sent. :attr:`Publisher.safe` says when none does: the daemon then lets its place on the strain move on.
"""

from __future__ import annotations

import contextlib
import queue
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
_QUEUE = 256
_CLOSE_S = 8.0
_GRACE_S = 2.0
"""A call that waits for the broker looks up once a second."""
_BACK_OFF_S = (0.1, 0.25, 0.5, 1.0)
_FOR_EVER_S = 3600.0
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
    """Publish candidates from a thread of its own.

    Parameters
    ----------
    settings : Settings
    clock : Clock
    on_published : callable, optional
        Told of every acknowledged alert, from the worker's thread.
    """

    def __init__(
        self, settings: Settings, clock: Clock, on_published: Callable[[Published], None] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._on_published = on_published
        self._outbox = Outbox(settings.publish.outbox)
        self._registry = SupereventRegistry(settings.publish.kind)
        self._queue: queue.Queue[Candidate | None] = queue.Queue(_QUEUE)
        self._unsent: list[Outgoing] = []
        self._only_here: set[str] = set()
        self._error: BaseException | None = None
        self._known: set[str] = set()
        self._on_topic_ns: list[int] = []
        self._closed = threading.Event()
        self._patient_until_s = float("inf")
        self._producer: TransactionalProducer | None = None
        self._in_step = False
        self._recovered = False
        self._said_s = -_SAY_EVERY_S
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, candidate: Candidate) -> None:
        """Hand over a candidate and return at once.

        Raises
        ------
        PublishError
            If the worker has died, or its queue is full.
        """
        self.check()
        try:
            self._queue.put_nowait(candidate)
        except queue.Full:
            raise PublishError(f"{_QUEUE} candidates wait for the publisher: it hangs; restart the daemon") from None

    def check(self) -> None:
        """Raise what killed the worker, if it is dead."""
        if self._error is not None:
            raise PublishError(f"the publisher stopped: {self._error}") from self._error

    @property
    def alive(self) -> bool:
        """Whether the worker can send."""
        return self._error is None and self._thread.is_alive()

    @property
    def ready(self) -> bool:
        """Whether the alert topic has been read, so that alerts can be sent."""
        return self._recovered and self.alive

    @property
    def safe(self) -> bool:
        """Whether every candidate that was handed over has its alert in the outbox, or on Kafka."""
        return self._recovered and self._queue.unfinished_tasks == 0 and not self._only_here

    @property
    def waiting(self) -> int:
        """Alerts that Kafka does not have yet."""
        return self._in_memory() + len(self._unsent)

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Send what waits, then end; what could not be sent stays in the outbox for the next start."""
        if self._closed.is_set():
            return
        self._patient_until_s = time.monotonic() + timeout_s
        self._closed.set()
        with contextlib.suppress(queue.Full):  # then nobody waits at it who had to be woken
            self._queue.put_nowait(None)
        self._thread.join(timeout_s + _GRACE_S)
        if self._unsent:
            log.warning("alerts_left_in_outbox", alerts=[a.superevent_id for a in self._unsent])
        if self._in_memory() or self._only_here:
            # Their strain's offsets were not committed: the next start finds them again.
            log.warning("candidates_left", candidates=self._in_memory())
        if self._producer is not None and not self._thread.is_alive():
            self._producer.close(0.0 if self._unsent else _CLOSE_S)

    def _in_memory(self) -> int:
        """Count the candidates that stand only in the queue; its None is the end's."""
        with self._queue.mutex:
            return sum(candidate is not None for candidate in self._queue.queue)

    # -- the worker ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Read the truth, then take candidates and send alerts until told to end; only here is the outbox touched."""
        attempt = 0
        try:
            while not self._finished():
                if self._recovered:
                    self._take(self._patience_s(attempt))
                elif attempt:
                    time.sleep(self._patience_s(attempt))
                attempt = 0 if self._send_all() else attempt + 1
        except BaseException as error:
            self._error = error
            log.error("publisher_died", error=str(error), exc_info=True)

    def _finished(self) -> bool:
        """Whether the end was asked for, and all is sent or the time given for it is over."""
        if not self._closed.is_set():
            return False
        return self._abandoned() or (self._recovered and self._queue.empty() and not self._unsent)

    def _patience_s(self, attempt: int) -> float:
        """Return how long to wait for a candidate: not long while something is to be tried again."""
        return _BACK_OFF_S[min(attempt, len(_BACK_OFF_S)) - 1] if attempt else _FOR_EVER_S

    def _abandoned(self) -> bool:
        """Whether the end was asked for and the time given for it is over."""
        return time.monotonic() > self._patient_until_s

    def _take(self, timeout_s: float) -> None:
        """Wait for a candidate and make its alert; None only wakes."""
        try:
            candidate = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return
        try:
            if candidate is not None:
                self._make(candidate)
        finally:
            self._queue.task_done()

    def _make(self, candidate: Candidate) -> None:
        """Assign the id and write the alert to the outbox; an event that has its alert gets no second one."""
        known = self._registry.find(candidate.gps_ns)
        if known is not None:
            log.info("already_alerted", superevent_id=known, gps_ns=candidate.gps_ns)
            return
        alert = self._outgoing(candidate, self._registry.assign(candidate.gps_ns))
        try:
            self._outbox.put(alert)
        except PublishError as error:
            # Kafka is the truth: the alert is sent all the same, and until it is the strain's place does not move on.
            self._only_here.add(alert.alert_id)
            log.error("outbox_failed", superevent_id=alert.superevent_id, error=str(error))
        self._unsent.append(alert)

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

    def _send_all(self) -> bool:
        """Send what waits; return False when the broker would not have it, so that it is tried again."""
        try:
            if not self._in_step:
                self._reconnect()
            while self._unsent:
                self._send(self._unsent[0])
                self._unsent.pop(0)
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
            log.warning("alert_not_sent_yet", alerts=len(self._unsent), error=str(error))
        else:
            log.warning(
                "waiting_for_alert_topic", topic=self._settings.topics.alerts, candidates=self._in_memory(),
                error=str(error),
            )  # fmt: skip

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
                "alert_published", superevent_id=alert.superevent_id, gps_ns=alert.gps_ns,
                after_merger_s=(acknowledged_ns - alert.gps_ns) / 1e9,
            )  # fmt: skip
            if self._on_published is not None:
                self._on_published(Published(alert.superevent_id, alert.gps_ns, acknowledged_ns))
        self._only_here.discard(alert.alert_id)
        self._outbox.acknowledge(alert)

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
        """Queue what the outbox holds and the topic lacks."""
        for alert in self._outbox.pending():
            if alert.alert_id in self._known:
                self._outbox.acknowledge(alert)
            else:
                self._registry.remember(alert.superevent_id, alert.gps_ns)
                self._unsent.append(alert)
        if self._unsent:
            log.warning("outbox_recovered", alerts=[a.superevent_id for a in self._unsent])
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
        self._registry.remember(superevent_id, gps_ns)
        if superevent_id.startswith(PREFIXES[self._settings.publish.kind]):
            self._on_topic_ns.append(gps_ns)
