"""How a daemon is: the heartbeat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DetectorStatus:
    """How one detector's stream is: GPS end of the newest strain used (None before the first), and if it is masked."""

    detector: str
    last_sample_ns: int | None
    masked: bool


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How a daemon is, once a second.

    Latencies are from the end of the data to the end of their search, over the last minute, None before the first;
    ``lag_s`` is how far the search is behind the present, ``skipped_s`` what it skipped since its start.
    """

    daemon_id: str
    gps_ns: int
    state: str
    detectors: tuple[DetectorStatus, ...]
    latency_p50_s: float | None = None
    latency_p99_s: float | None = None
    lag_s: float = 0.0
    skipped_s: float = 0.0
    version: str = ""
    model: str = ""
