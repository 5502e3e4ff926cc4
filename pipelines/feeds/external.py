"""Simulated notices onto Kafka: each goes through the parser, as a mission's does, and its event onto the topic."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import structlog

from stream.codec.avro import encode_external
from stream.codec.registry import schema_registry
from stream.errors import DataError, DeadlineExceeded
from stream.kafka.producer import Producer
from stream.notices import read_notice
from stream.records import Block
from stream.settings import Settings
from stream.simulate.external import MessengerNetwork
from stream.simulate.notices import SimulatedNotice
from stream.timebase import Clock, ns_to_gps_s

log = structlog.get_logger()
_LAST_S = 5.0
_REMEMBERED = 1000


class NoticeFeed:
    """Sends the notices of a simulation when they are due; used with ``with``.

    A notice that cannot be sent is lost, and said: a simulation's strain does not wait for it.

    Parameters
    ----------
    network : MessengerNetwork
    settings : Settings
    clock : Clock
        Says when a notice is received: of each simulated event, ``received_ns`` keeps that of its first.
    """

    def __init__(self, network: MessengerNetwork, settings: Settings, clock: Clock) -> None:
        self._network, self._clock = network, clock
        self._topic = settings.topics.external
        self._producer, self._registry = Producer(settings.kafka), schema_registry(settings.kafka)
        self.received_ns: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what waits, for some seconds."""
        self._producer.close(_LAST_S)

    def sent_until(self, block: Block) -> None:
        """Send what is due when a block has been sent."""
        for notice in self._network.until(block.end_ns):
            self._send(notice)

    def _send(self, notice: SimulatedNotice) -> None:
        received_ns = self._clock.now_ns()
        try:
            events = read_notice(notice.payload, received_ns, notice.topic)
            for event in events:
                message = encode_external(event)
                if self._registry is not None:
                    message = self._registry.frame(self._topic, message)
                self._producer.send(self._topic, f"{event.source}/{event.event_id}", message)
        except (DataError, DeadlineExceeded) as error:
            log.warning("notice_not_sent", event_id=notice.event_id, error=str(error))
            return
        self.received_ns.setdefault(notice.event_id, received_ns)
        while len(self.received_ns) > _REMEMBERED:
            del self.received_ns[next(iter(self.received_ns))]
        log.info(
            "notice_sent", event_id=notice.event_id, topic=notice.topic, of_merger=notice.of_merger,
            at=[ns_to_gps_s(event.gps_ns) for event in events], type=[event.alert_type for event in events],
        )  # fmt: skip
