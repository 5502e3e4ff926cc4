"""Alerts as a telescope receives them: ``tocsin subscribe``, or from Python in a few lines.

::

    from pipelines.subscribe import subscribe

    for alert in subscribe("gcn", where="far < 1/month and area90 < 500", name="my-telescope"):
        point_at(alert.skymap.best(5))                # committed when the loop comes back for the next one

Reads this pipeline's alerts and LVK's (``igwn.alerts.v1_0`` and 1.3.0), Avro and JSON, from GCN, SCiMMA and any Kafka.
Each alert is handed on once, whatever it came by; what is none is logged with its place and passed over.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing

from pipelines.subscribe.received import ReceivedAlert, keep, receive
from pipelines.subscribe.running import Asked, opened
from stream.settings import Settings

__all__ = ["ReceivedAlert", "alerts", "keep", "receive"]


def alerts(
    settings: Settings, topic: str | None = None, start: str | int = "latest", stop: threading.Event | None = None
) -> Iterator[ReceivedAlert]:
    """Yield the alerts of a topic as they come, until stopped; nothing is remembered.

    Parameters
    ----------
    settings : Settings
    topic : str, optional
        The configured Avro topic if not given.
    start : {"latest", "earliest", "last:N"} or int
        Where to begin; an int is a Unix time in nanoseconds.
    stop : threading.Event, optional

    Raises
    ------
    TransportError
        For an error that will not mend itself, such as refused credentials.
    """
    asked = Asked(topics=() if topic is None else (topic,), start=start)
    with opened(settings, asked, os.environ) as engine, closing(engine.deliveries(stop or threading.Event())) as found:
        for delivery in found:
            yield delivery.alert
