"""What was said of an event longer ago, or is too large to be kept in memory: read when an alert has to repeat it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from pipelines.events import Events
from pipelines.live.entries import sent_in
from pipelines.live.truth import Truth
from stream.codec.alert import decode
from stream.errors import DataError
from stream.publish import Outbox
from stream.records import message_id


class Recall:
    """Let the events know what stands in the outbox or on the topic of one event.

    Parameters
    ----------
    events : Events
    outbox : Outbox
    truth : Truth
    """

    def __init__(self, events: Events, outbox: Outbox, truth: Truth) -> None:
        self._events = events
        self._outbox = outbox
        self._truth = truth

    def history(self, superevent_id: str) -> None:
        """Recall the alerts of an event that may be older than what a start reads.

        Raises
        ------
        TransportError
            If the topic cannot be read now.
        """
        for sent in self._truth.history(superevent_id):
            self._events.recall(sent)

    def whole(self, superevent_id: str) -> None:
        """Recall, with map and class, the alert that another is going to repeat.

        Raises
        ------
        TransportError
            If the topic cannot be read now.
        """
        number = self._events.unread(superevent_id)
        if number is None:
            return
        waiting = self._outbox.find(message_id(superevent_id, number))
        there = [(sent_in(waiting), waiting.avro)] if waiting is not None else self._truth.payloads(superevent_id)
        for sent, payload in there:
            with contextlib.suppress(DataError):  # one that is no alert: a stranger's under our name
                if sent.number == number:
                    self._events.recall(replace(sent, event=decode(payload)[0]["event"]))
