"""A daemon without its search, on topics of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pipelines.live.decisions import Decisions
from pipelines.live.publisher import Publisher
from stream.configuration import load_settings
from stream.errors import Fenced
from stream.kafka.ownership import Ownership
from stream.settings import Settings
from stream.timebase import SystemClock

from .apache_kafka import ApacheKafka

_HANG_S = 120.0


def daemon_settings(kafka: ApacheKafka, prefix: str, outbox: Path, group_id: str) -> Settings:
    """Return settings whose topics and transactional id begin with a prefix."""
    topics = {kind: prefix + kind for kind in ("alerts", "alerts_json", "heartbeat", "external", "decisions")}
    return load_settings(
        None,
        {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "group_id": group_id},
            "topics": topics | {"strain_prefix": prefix + "."},
            "publish": {"outbox": outbox, "transactional_id": prefix},
        },
    )


class Running:
    """A daemon without its search."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ownership = Ownership(settings)
        self.publisher = Publisher(settings, SystemClock(), ownership=self.ownership)
        self.decisions = Decisions(self.ownership, self.publisher)

    def fenced(self) -> bool:
        try:
            self.publisher.check()
        except Fenced:
            return True
        return False

    def close(self) -> None:
        self.publisher.close()
        self.decisions.close()


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + _HANG_S
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)
