"""What librdkafka says of its brokers: counted always, logged once in a while.

A broker that is away makes an error every few milliseconds; a log that says so each time hides everything else.
"""

from __future__ import annotations

import time

import structlog
from confluent_kafka import KafkaError

log = structlog.get_logger()
_LOG_EVERY_S = 5.0


class BrokerWatch:
    """Count a client's broker errors; ``__call__`` is its ``error_cb``."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._logged_s = -_LOG_EVERY_S
        self._silent = 0
        self.errors = 0

    def __call__(self, error: KafkaError) -> None:
        """Take an error."""
        self.errors += 1
        now_s = time.monotonic()
        if now_s - self._logged_s < _LOG_EVERY_S:
            self._silent += 1
            return
        log.warning("broker_error", client=self._client, code=error.name(), error=error.str(), not_shown=self._silent)
        self._logged_s, self._silent = now_s, 0
