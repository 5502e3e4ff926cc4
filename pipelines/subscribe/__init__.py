"""Alerts as a telescope receives them: ``tocsin subscribe``, or from Python in a few lines.

::

    from pipelines.subscribe import alerts
    from stream.configuration import load_settings

    for alert in alerts(load_settings(), "alerts.gw"):
        print(alert.superevent_id, alert.far_hz, alert.detectors)

Reads the Avro and the JSON topic, this pipeline's alerts and LVK's (``igwn.alerts.v1_0`` and 1.3.0). Each message is
handed on once; one that is no alert is logged with its place and passed over.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256

import structlog

from pipelines.subscribe.received import ReceivedAlert, keep, receive
from stream.errors import DataError
from stream.kafka.consumer import Consumer, Message
from stream.metrics import MESSAGES_REFUSED
from stream.settings import Settings

__all__ = ["ReceivedAlert", "alerts", "keep", "receive"]

log = structlog.get_logger()
_REMEMBERED = 10_000


def alerts(
    settings: Settings, topic: str | None = None, start: str | int = "latest", stop: threading.Event | None = None
) -> Iterator[ReceivedAlert]:
    """Yield alerts as they come, until stopped.

    Parameters
    ----------
    settings : Settings
    topic : str, optional
        The configured Avro topic if not given.
    start : {"latest", "earliest"} or int
        Where to begin; an int is a Unix time in nanoseconds.
    stop : threading.Event, optional

    Raises
    ------
    TransportError
        For an error that will not mend itself, such as refused credentials.
    """
    stop = stop or threading.Event()
    seen: OrderedDict[bytes, None] = OrderedDict()
    with Consumer(settings.kafka, [topic or settings.topics.alerts], start) as consumer:
        while not stop.is_set():
            for message in consumer.poll_batch(0.1):
                alert = _read(message)
                if alert is not None and _is_new(message, alert, seen):
                    yield alert


def _read(message: Message) -> ReceivedAlert | None:
    """Return a message's alert; what is none is counted, named and passed over."""
    try:
        return receive(message)
    except DataError as error:
        MESSAGES_REFUSED.labels(message.topic).inc()
        log.warning(
            "not_an_alert", topic=message.topic, partition=message.partition, offset=message.offset, error=str(error)
        )
        return None


def _is_new(message: Message, alert: ReceivedAlert, seen: OrderedDict[bytes, None]) -> bool:
    """Know an alert again by hop's ``_id`` and what it is about, or by its content where it has no id.

    An id alone proves nothing: this pipeline's follow from event and revision, so that whoever may write to the topic
    could take the id of an alert that is yet to come. When its merger will be, nobody can know.
    """
    alert_id, event = dict(message.headers).get("_id"), alert.record["event"]
    about = (alert_id, alert.superevent_id, alert.record["alert_type"], event and event["time"])
    identity = sha256(repr(about).encode() if alert_id else alert.raw).digest()
    if identity in seen:
        return False
    seen[identity] = None
    if len(seen) > _REMEMBERED:
        seen.popitem(last=False)
    return True
