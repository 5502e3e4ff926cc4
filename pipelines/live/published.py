"""An alert that has left, as whoever wants to know is told of it."""

from __future__ import annotations

from dataclasses import dataclass

from stream.codec.alert import Outgoing
from stream.records import AlertType, Followed


@dataclass(frozen=True, slots=True)
class Published:
    """An alert that Kafka has acknowledged, and when (GPS ns); ``candidate_ns`` is its merger's time.

    ``followed`` tells what it has of its candidate's follow-up; ``alert`` is what was sent.
    """

    superevent_id: str
    candidate_ns: int
    acknowledged_ns: int
    number: int
    alert_type: AlertType
    followed: Followed | None = None
    alert: Outgoing | None = None
