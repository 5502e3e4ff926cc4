"""The truth: which alerts are on the alert topic, whoever sent them.

Read when the publisher starts and after any failure whose outcome is not known; then only what came since. Whoever may
write to the topic may write anything: what cannot be read is counted, named with its place and passed over.

**How far back a start reads.** Not the whole topic, which grows for years; what it needs is the alerts of all that it
may find again, and the names that their days have given:

* strain that is heard again has a place in the group that is not after it, and an alert is appended after the strain
  that it is about: so back to when the oldest message was sent that the group has not heard, however long the daemon
  was down;
* an alert in the outbox may have been committed since it was written: so back to the oldest entry;
* one hour at least (:data:`LOOK_BACK_NS`), for a late detector, a louder peak, and another daemon that was at work
  until now; and ten minutes more (:data:`MARGIN_NS`), for the clocks of three machines;
* the names that were given on each day on which something may be found: so back to the beginning of the first, UTC.

That is one or two days at an ordinary start. Alerts are read one by one, key and headers only where these tell all.

What is older is not known. Archived strain that is sent onto Kafka with its old times (``replay --rebase-time no``)
and is found again days later is alerted again, under the same ids; a decision on an old event reads that event's day
(``decisions.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import structlog

from stream.codec.alert import alert_id_of, decode, sent_of
from stream.errors import DataError, SchemaError
from stream.kafka.consumer import Message
from stream.kafka.reading import oldest_unheard_ns, read_since
from stream.metrics import MESSAGES_REFUSED
from stream.publish.outbox import oldest_entry_ns
from stream.settings import Settings
from stream.superevent import Sent, Superevents
from stream.timebase import NS_PER_S, Clock, gps_ns_to_unix_ns

log = structlog.get_logger()
LOOK_BACK_NS = 3600 * NS_PER_S
MARGIN_NS = 600 * NS_PER_S
_DAY_NS = 86_400 * NS_PER_S
_MOST_REVISIONS = 10_000
"""No event has as many: one that says so is no alert of ours, and would use up the numbers of those to come."""
_QUIET_S = 5.0
"""So long nothing may come while the topic is read, before it is said and tried again."""


class Truth:
    """What is known to be on the alert topic.

    Parameters
    ----------
    settings : Settings
    clock : Clock
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._since_ns: int | None = None
        self._there = Superevents(settings.publish.kind)
        self._places: dict[int, int] = {}

    def news(self) -> Iterator[tuple[str | None, Sent | None]]:
        """Yield what is there and was not read before: message id, and what the alert tells; None where it does not.

        Raises
        ------
        TransportError
            If the topic cannot be read now; what was yielded is known, and the next call goes on behind it.
        """
        settings, topic, read = self._settings, self._settings.topics.alerts, 0
        if self._since_ns is None:
            self._since_ns = since_unix_ns(settings, self._clock)
        for message in read_since(settings.kafka, topic, self._since_ns, _QUIET_S, self._places):
            read += 1
            if message.offset >= self._places.get(message.partition, 0):
                sent = _sent_of(message)
                if sent is not None:
                    self._there.recall(sent)
                yield alert_id_of(message.headers), sent
                self._places[message.partition] = message.offset + 1
        log.info("alert_topic_read", topic=topic, alerts=read, since=_iso(self._since_ns))

    def add(self, sent: Sent) -> None:
        """Take up an alert that was just committed."""
        self._there.recall(sent)

    def history(self, superevent_id: str) -> Iterator[Sent]:
        """Yield what the topic tells of one event that may be older than what was read; nothing if it is not.

        Raises
        ------
        TransportError
            If the topic cannot be read now.
        """
        begin_ns = day_begin_unix_ns(superevent_id)
        if self._since_ns is not None and begin_ns < self._since_ns:
            for message, sent in alerts_of(self._settings, superevent_id):
                log.debug("alert_recalled", superevent_id=superevent_id, offset=message.offset)
                yield sent

    def payloads(self, superevent_id: str) -> Iterator[tuple[Sent, bytes]]:
        """Yield what the topic tells of one event, each alert with its bytes.

        Raises
        ------
        TransportError
            If the topic cannot be read now.
        """
        for message, sent in alerts_of(self._settings, superevent_id):
            yield sent, message.value or b""

    def event_at(self, gps_ns: int) -> str | None:
        """Return the superevent of this time that the topic has, if it has one."""
        return self._there.find(gps_ns)


def alerts_of(
    settings: Settings, superevent_id: str, made_unix_ns: int | None = None
) -> Iterator[tuple[Message, Sent]]:
    """Yield the alerts of one event that stand on the topic, oldest first: all from its day on are looked at.

    Where only those are wanted that were sent after something was made, all from a little before that on.

    Raises
    ------
    TransportError
        If the topic cannot be read now.
    """
    begin_ns, key = day_begin_unix_ns(superevent_id), superevent_id.encode()
    if made_unix_ns is not None:
        begin_ns = max(begin_ns, made_unix_ns - MARGIN_NS)
    for message in read_since(settings.kafka, settings.topics.alerts, begin_ns, _QUIET_S):
        sent = _sent_of(message) if message.key == key else None
        if sent is not None:
            yield message, sent


def day_begin_unix_ns(superevent_id: str) -> int:
    """Return when the day in a superevent's id began, Unix; 0 where it is no date."""
    digits = re.search("[0-9]{6}", superevent_id)
    try:
        day = datetime.strptime(digits[0], "%y%m%d").replace(tzinfo=UTC) if digits else None
    except ValueError:
        day = None
    return max(0, int(day.timestamp()) * NS_PER_S - MARGIN_NS) if day is not None else 0


def since_unix_ns(settings: Settings, clock: Clock) -> int:
    """Return from which time on the alert topic must be known at a start, Unix.

    Raises
    ------
    TransportError
        If no broker tells what was heard.
    """
    now_ns = gps_ns_to_unix_ns(clock.now_ns())
    strain = [settings.topics.strain_prefix + detector for detector in settings.strain.detectors]
    known = (oldest_unheard_ns(settings.kafka, strain, _QUIET_S), oldest_entry_ns(settings.publish.outbox))
    oldest_ns = min([now_ns - LOOK_BACK_NS, *(ns for ns in known if ns is not None)]) - MARGIN_NS
    return max(0, oldest_ns // _DAY_NS * _DAY_NS)


def _iso(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns // NS_PER_S, UTC).isoformat()


def _sent_of(message: Message) -> Sent | None:
    """Return what an alert tells; its payload is read where the headers do not tell all that a confirmation repeats."""
    sent = None
    try:
        told = sent_of(message.key, message.headers)
        if told is not None and told.number > _MOST_REVISIONS:
            raise SchemaError(f"revision {told.number} of {told.superevent_id}: none is above {_MOST_REVISIONS}")
        sent = told
        if sent is None or sent.candidate is not None or sent.alert_type == "RETRACTION":
            return sent
        record, _ = decode(message.value or b"", message.headers)
        return sent_of(message.key, message.headers, record["event"])
    except DataError as error:
        MESSAGES_REFUSED.labels(message.topic).inc()
        log.error(
            "alert_topic_has_a_bad_alert",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            error=str(error),
        )
        return sent
