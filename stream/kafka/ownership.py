"""Who publishes: of the daemons with one transactional id, the one that was started last.

Kafka's transactions let only the youngest *producer* of an id write. That alone does not end the older of two daemons:
whoever makes a producer anew after a failure has the youngest, so two daemons would take the id from each other for
ever. And being fenced proves nobody else: a broker ends a transaction that its own absence kept open too long, and
fences the producer that began it.

So the id has an owner: the member with the fixed name ``owner`` (``group.instance.id``) of the group
``<transactional_id>-owner``. Who joins takes the name over; from then on the coordinator answers every heartbeat and
commit of the one before with FENCED_INSTANCE_ID, and goes on to after brokers have restarted, for a group is kept on a
topic. No clock is compared. Two things follow:

* a daemon that is idle learns within a heartbeat (2 s) that another has taken over, and ends;
* before a producer is made, the coordinator must have confirmed the name since (:meth:`Ownership.confirm`). So an older
  daemon that comes back after a failure finds that it is not the owner any more, and leaves the producer of the younger
  one alone.

What the group reads is the topic of decisions: they are carried out by who publishes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import KafkaError

from stream.errors import DeadlineExceeded, Fenced, TransportError
from stream.kafka.consumer import Consumer, Message
from stream.kafka.deadline import Deadline
from stream.kafka.producer import fenced_by
from stream.settings import Settings

_NAME = "owner"
_AGAIN_S = 1.0
_LOOK_S = 0.02
_CLOSE_S = 5.0


class Ownership:
    """Hold the name, and read what comes to who holds it.

    One thread polls; any may ask.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._id = settings.publish.transactional_id
        self._asks = settings.publish.transactions  # the embedded broker has none: nobody can take over
        self._alerts = settings.topics.alerts
        self._lost: TransportError | None = None
        self._wanted, self._asked, self._answered = 0, 0, 0
        self._why = "the group has not been joined yet"
        self._ask_again_s = 0.0
        self._consumer = Consumer(
            settings.kafka,
            [settings.topics.decisions],
            "unread",
            group_id=f"{self._id}-owner",
            instance_id=_NAME,
            on_answer=self._answer,
        )

    def poll(self, timeout_s: float, *, paused: bool = False) -> Message | None:
        """Return the next decision, if one comes in time; while ``paused`` none does.

        Raises
        ------
        Fenced
            If another daemon has the name now.
        TransportError
            For another error that will not mend itself.
        """
        try:
            self._consumer.pause(paused)
            self._ask()
            found = self._consumer.poll_batch(timeout_s, 1)
        except TransportError as error:
            self._end(error)
        self.check()
        return found[0] if found else None

    def done(self, message: Message) -> None:
        """Mark a decision as carried out, or as passed over for good."""
        self._consumer.store(message)
        self._consumer.commit()

    def check(self) -> None:
        """Raise what ended the ownership, if it is known to have ended."""
        if self._lost is not None:
            raise self._lost

    def fail(self, error: TransportError) -> None:
        """End the ownership, for whoever asks: nothing polls it any more."""
        self._end(error)

    def confirm(self, timeout_s: float, abandoned: Callable[[], bool] = lambda: False) -> None:
        """Return once the coordinator has said, after this was called, that the name is still this daemon's.

        To be called in another thread than that which polls, and by one at a time.

        Raises
        ------
        Fenced
            If it is another's.
        DeadlineExceeded
            If nothing was heard in time, or the wait was abandoned.
        """
        deadline = Deadline(timeout_s, f"asking who holds publish.transactional_id={self._id}")
        self._wanted = wanted = self._asked + 1  # what was asked before this call proves nothing
        while self._asks and self._answered < wanted:
            self.check()
            if abandoned():
                raise DeadlineExceeded(f"who holds publish.transactional_id={self._id} was not heard before the end")
            deadline.waits_for(self._why)
            time.sleep(min(_LOOK_S, deadline.check()))
        self.check()

    def close(self) -> None:
        """Leave; the name is kept for the next start until the session ends."""
        self._consumer.close(_CLOSE_S)

    def _ask(self) -> None:
        """Ask the coordinator if somebody waits for that; again after a while, for an answer may be lost."""
        now_s = time.monotonic()
        due = self._asked < self._wanted or now_s >= self._ask_again_s
        if self._answered < self._wanted and due and self._consumer.assigned:
            self._asked += 1
            self._ask_again_s = now_s + _AGAIN_S
            self._consumer.ask(self._alerts, self._asked)

    def _answer(self, number: int, error: KafkaError | None) -> None:
        if error is None:
            self._answered = max(self._answered, number)
        elif error.code() == KafkaError.FENCED_INSTANCE_ID:
            self._end(Fenced(error.str()))
        else:
            self._why = f"the group's coordinator: {error.str()}"

    def _end(self, error: TransportError) -> None:
        if isinstance(error, Fenced):
            error = Fenced(f"this daemon ends, for {fenced_by(self._id)}")
        self._lost = self._lost or error
