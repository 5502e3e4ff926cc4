"""The truth: which alerts are on the alert topic, whoever sent them.

Read when the publisher starts and after any failure whose outcome is not known; then only what came since. Whoever may
write to the topic may write anything: what cannot be read is counted, named with its place and passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from stream.codec.alert import alert_id_of, decode, sent_of
from stream.errors import DataError
from stream.kafka.consumer import Message
from stream.kafka.reading import read_all
from stream.metrics import MESSAGES_REFUSED
from stream.settings import Settings
from stream.superevent import Sent, Superevents

log = structlog.get_logger()
_QUIET_S = 5.0
"""So long nothing may come while the topic is read, before it is said and tried again."""


class Truth:
    """What is known to be on the alert topic.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._there = Superevents(settings.publish.kind)
        self._places: dict[int, int] = {}

    def news(self) -> Iterator[tuple[str | None, Sent | None]]:
        """Yield what is there and was not read before: message id, and what the alert tells; None where it does not.

        Raises
        ------
        TransportError
            If the topic cannot be read now; what was yielded is known, and the next call goes on behind it.
        """
        for message in read_all(self._settings.kafka, self._settings.topics.alerts, _QUIET_S):
            if message.offset >= self._places.get(message.partition, 0):
                sent = _sent_of(message)
                if sent is not None:
                    self._there.recall(sent)
                yield alert_id_of(message.headers), sent
                self._places[message.partition] = message.offset + 1

    def add(self, sent: Sent) -> None:
        """Take up an alert that was just committed."""
        self._there.recall(sent)

    def event_at(self, gps_ns: int) -> str | None:
        """Return the superevent of this time that the topic has, if it has one."""
        return self._there.find(gps_ns)


def _sent_of(message: Message) -> Sent | None:
    """Return what an alert tells; its payload is read where the headers do not tell all that a confirmation repeats."""
    sent = None
    try:
        sent = sent_of(message.key, message.headers)
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
