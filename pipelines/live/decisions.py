"""What people decide: from its topic into the events' loop; and, by the same thread, the daemon's right to publish.

A decision (``tocsin retract``, ``tocsin confirm``) is a finding like any other: what follows from it stands in the
outbox before its place on the topic moves on, so that it is carried out however often the daemon is killed, and once:
its id stands in the alert that it made. One that cannot be read, or cannot be carried out, is counted, named with its
place and passed over.

Nothing in this thread waits for long, for its polls keep the membership that is the right to publish
(:mod:`stream.kafka.ownership`): while a decision has to wait, as until the alert topic has been read, the topic is
paused.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

import structlog

from stream.codec.avro import decode_decision
from stream.errors import DataError, PublishError, TransportError
from stream.kafka.consumer import Message
from stream.kafka.ownership import Ownership
from stream.metrics import MESSAGES_REFUSED
from stream.records import Decision

log = structlog.get_logger()
_POLL_S = 0.1
_AGAIN_S = 2.0


class Decider(Protocol):
    """Who carries decisions out: the publisher."""

    @property
    def ready(self) -> bool:
        """Whether decisions can be taken now."""
        ...

    def decide(self, decision: Decision) -> None:
        """Carry a decision out; what follows from it is on disk when this returns."""
        ...


class Decisions:
    """Poll the ownership in a thread of its own, until closed or until it is lost; hand on what comes.

    Parameters
    ----------
    ownership : Ownership
        Asked by others whether it still holds; closed with this.
    decider : Decider
    """

    def __init__(self, ownership: Ownership, decider: Decider) -> None:
        self._ownership = ownership
        self._decider = decider
        self._waiting: deque[Message] = deque()
        self._not_before_s = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="decisions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and leave the group."""
        self._closed.set()
        self._thread.join()
        self._ownership.close()

    def _work(self) -> None:
        try:
            while not self._closed.is_set():
                busy = bool(self._waiting) or not self._decider.ready
                message = self._ownership.poll(_POLL_S, paused=busy)
                if message is not None:  # also while paused, where the partition has just come back
                    self._waiting.append(message)
                if self._waiting and self._is_done(self._waiting[0]):
                    self._ownership.done(self._waiting.popleft())
        except TransportError as error:
            log.error("ownership_ended", error=str(error))
        except Exception as error:  # who publishes must not go on as if it were still heard
            log.error("decisions_died", error=repr(error), exc_info=True)
            self._ownership.fail(TransportError(f"decisions are no longer taken: {error!r}"))

    def _is_done(self, message: Message) -> bool:
        """Carry a decision out, or pass it over; return False if it has to wait."""
        if not self._decider.ready or time.monotonic() < self._not_before_s:
            return False
        try:
            decision = decode_decision(message.value or b"")
            self._decider.decide(decision)
        except (DataError, PublishError) as error:
            if not self._decider.ready:  # it died; the next start carries the decision out
                return False
            MESSAGES_REFUSED.labels(message.topic).inc()
            log.error(
                "decision_refused",
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                error=str(error),
            )
        except TransportError as error:
            self._not_before_s = time.monotonic() + _AGAIN_S
            log.warning("decision_waits", offset=message.offset, error=str(error))
            return False
        else:
            log.info(
                "decision_taken",
                superevent_id=decision.superevent_id,
                kind=decision.kind,
                why=decision.why,
                who=decision.who,
                decision=decision.decision_id,
            )
        return True
