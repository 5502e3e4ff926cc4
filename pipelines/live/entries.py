"""Entries of the outbox: which alert each is, and what a process before this one left there."""

from __future__ import annotations

from pathlib import Path

from stream.codec.alert import Outgoing, sent_of
from stream.errors import DataError
from stream.publish import Outbox
from stream.superevent import Sent


def taken_up(folder: Path) -> Outbox:
    """Return the outbox with what a process before this one left in it.

    Raises
    ------
    PublishError
        If it cannot be made or read.
    """
    outbox = Outbox(folder)
    outbox.take_up()
    for alert in outbox:
        try:
            sent_in(alert)
        except DataError as error:
            outbox.set_aside(alert.alert_id, str(error))
    return outbox


def sent_in(alert: Outgoing) -> Sent:
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


def event_and_number(alert: Outgoing) -> tuple[str, int]:
    """Return event and revision of an entry of the outbox."""
    sent = sent_in(alert)
    return sent.superevent_id, sent.number
