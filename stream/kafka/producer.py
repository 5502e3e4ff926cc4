"""Producers: idempotent, and transactional where the broker has transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import confluent_kafka
import structlog

from stream.errors import DeadlineExceeded, Fenced, MessageTooLarge, TransportError
from stream.kafka import config
from stream.kafka.deadline import Deadline
from stream.kafka.watch import BrokerWatch
from stream.settings import KafkaSettings

log = structlog.get_logger()
_SLICE_S = 1.0
_AGAIN_S = 0.1
_ABORT_S = 5.0
"""A transaction that is not aborted in this time is ended by the next producer of its id."""
_FENCED = {
    confluent_kafka.KafkaError._FENCED,
    confluent_kafka.KafkaError.INVALID_PRODUCER_EPOCH,
    confluent_kafka.KafkaError.PRODUCER_FENCED,
}
Headers = Sequence[tuple[str, bytes]]


class Producer:
    """Send messages; what could not be delivered is raised at the next call.

    Parameters
    ----------
    settings : KafkaSettings
    extra : dict, optional
        More librdkafka settings.
    """

    def __init__(self, settings: KafkaSettings, extra: dict[str, Any] | None = None) -> None:
        self._timeout_s = settings.operation_timeout_s
        self._failure: TransportError | None = None
        self._watch = BrokerWatch("producer")
        self._producer = confluent_kafka.Producer(
            config.producer(settings) | {"error_cb": self._watch} | (extra or {}),
        )

    @property
    def errors(self) -> int:
        """Broker errors so far."""
        return self._watch.errors

    def send(self, topic: str, key: str | bytes, value: bytes, headers: Headers = ()) -> None:
        """Hand a message to the client's queue, waiting for room if it is full.

        Raises
        ------
        TransportError
            If an earlier message could not be delivered.
        MessageTooLarge
            If this one, or that, is larger than is taken.
        DeadlineExceeded
            If the queue stayed full.
        """
        self._raise_failure()
        deadline = Deadline(self._timeout_s, f"sending to {topic}")
        while True:
            try:
                self._producer.produce(topic, value, key, headers=list(headers), on_delivery=self._delivered)
                break
            except BufferError:
                deadline.check()
                self._producer.poll(0.01)
            except confluent_kafka.KafkaException as error:
                told = f"topic {topic} refused a message of {len(value)} bytes: {error}"
                raise _refused(error.args[0], told) from error
        self._producer.poll(0)

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until everything was acknowledged.

        Raises
        ------
        DeadlineExceeded
            If the broker did not acknowledge in time; what was not sent stays in the queue.
        """
        deadline = Deadline(timeout_s if timeout_s is not None else self._timeout_s, "flushing the producer")
        while self._producer.flush(min(0.5, deadline.left_s)):
            deadline.check()
        self._raise_failure()

    @property
    def waiting(self) -> int:
        """Messages that no broker has acknowledged yet."""
        return len(self._producer)

    def close(self, timeout_s: float | None = None) -> None:
        """Flush what can be flushed within the time-out, and say what could not."""
        try:
            left = self._producer.flush(self._timeout_s if timeout_s is None else timeout_s)
        except confluent_kafka.KafkaException as error:  # of a producer that was fenced
            log.info("producer_was_over", error=str(error))
            return
        if left:
            log.error("producer_closed_unflushed", messages=left)
            self._producer.purge()

    def _delivered(self, error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message) -> None:
        if error is not None:
            self._failure = _refused(error, f"topic {message.topic()}: a message was not delivered: {error.str()}")

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure


def _refused(error: confluent_kafka.KafkaError, told: str) -> TransportError:
    is_too_large = error.code() == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE
    return MessageTooLarge(told) if is_too_large else TransportError(told)


def fenced_by(transactional_id: str) -> str:
    """Return what an error says of an id that another has taken over."""
    return (
        f"another producer has publish.transactional_id={transactional_id}: stop one of the two daemons, or give each "
        "an id of its own"
    )


class TransactionalProducer(Producer):
    """A producer whose messages appear together or not at all.

    Without ``transactions`` (the embedded broker does not enforce them) the same calls send and flush.

    Parameters
    ----------
    settings : KafkaSettings
    transactional_id : str
        One per publishing daemon: a second one with the same id fences the first.
    transactions : bool
    abandoned : callable
        Asked about once a second while a call waits for the broker; once it says yes, the call fails.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        transactions: bool = True,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> None:
        self._transactions = transactions
        self._transactional_id = transactional_id
        self._abandoned = abandoned
        timeouts = {"transaction.timeout.ms": 60_000, "message.timeout.ms": 30_000}
        extra = {"transactional.id": transactional_id, **timeouts} if transactions else {}
        super().__init__(settings, extra)
        if transactions:
            self._finish("init_transactions")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Send what is sent inside as one; any error aborts it.

        Raises
        ------
        TransportError
            If the transaction could not be committed: nothing of it will be read.
        MessageTooLarge
            If that is because of a message's size.
        Fenced
            If a younger producer has this id, or the broker has ended the transaction because it was open too long.
            Which of the two, :class:`stream.kafka.ownership.Ownership` knows.
        """
        if self._transactions:
            self._try("begin_transaction")
        try:
            yield
            if self._transactions:
                self._commit()
            else:
                self.flush()
        except BaseException:
            self._abort()
            raise

    def _commit(self) -> None:
        try:
            self._finish("commit_transaction")
        except TransportError as error:
            if isinstance(self._failure, MessageTooLarge):  # which the commit's own error does not tell
                raise self._failure from error
            raise
        self._raise_failure()

    def _abort(self) -> None:
        if not self._transactions:
            self._producer.purge()
            self._producer.poll(0)
            self._failure = None
            return
        try:
            self._producer.abort_transaction(min(_ABORT_S, self._timeout_s))
        except confluent_kafka.KafkaException as error:
            log.warning("transaction_not_aborted", error=str(error))
        self._failure = None

    def _finish(self, call: str) -> None:
        """Call and, for as long as the operation may take, call again: a call that ran out of time is taken up."""
        deadline = Deadline(self._timeout_s, call)
        while True:
            try:
                self._try(call, min(_SLICE_S, deadline.left_s))
                return
            except DeadlineExceeded:
                if deadline.passed or self._abandoned():
                    raise
                time.sleep(_AGAIN_S)

    def _try(self, call: str, *arguments: float) -> None:
        try:
            getattr(self._producer, call)(*arguments)
        except confluent_kafka.KafkaException as exception:
            error = exception.args[0]
            if error.retriable():
                raise DeadlineExceeded(f"{call} is not done: {error.str()}") from exception
            if error.code() in _FENCED:
                raise Fenced(f"{call} failed: {error.str()}: {fenced_by(self._transactional_id)}") from exception
            raise TransportError(f"{call} failed: {error.str()}") from exception
