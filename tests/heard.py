"""What was heard around an event, for tests of pages and pictures: noise with a short chirp."""

from __future__ import annotations

import numpy as np

from pipelines.show.evidence import Evidence
from stream.records import Statistic, WhitenedSegment
from stream.timebase import HOP_NS, NS_PER_S
from stream.types import Float32Array

GPS_NS = 1_126_259_462 * NS_PER_S + 420_000_000
RATE_HZ = 2048
START_NS = GPS_NS // NS_PER_S * NS_PER_S - 6 * NS_PER_S


def strain(seconds: int = 8, seed: int = 1, frequency_hz: float = 120.0) -> Float32Array:
    """Return whitened strain from START_NS on: noise, and a loud burst at GPS_NS."""
    time_s = np.arange(seconds * RATE_HZ) / RATE_HZ - (GPS_NS - START_NS) / NS_PER_S
    burst = 8 * np.exp(-((time_s / 0.02) ** 2)) * np.cos(2 * np.pi * frequency_hz * time_s)
    noise = np.random.default_rng(seed).normal(size=len(time_s))
    whole: Float32Array = (noise + burst).astype(np.float32)
    return whole


def segment(detector: str, seconds: int = 8) -> WhitenedSegment:
    """Return the strain of a detector."""
    samples = strain(seconds, seed=ord(detector[0]))
    return WhitenedSegment(detector, START_NS, RATE_HZ, samples, np.ones(16 * seconds, dtype=bool))


def spans(whole: WhitenedSegment, hops: int) -> list[WhitenedSegment]:
    """Return a segment in pieces of so many hops."""
    per_hop = whole.sample_rate_hz // 16
    return [
        WhitenedSegment(
            whole.detector, whole.gps_ns + at * HOP_NS, whole.sample_rate_hz,
            whole.samples[at * per_hop : (at + hops) * per_hop], whole.valid[at : at + hops],
        )
        for at in range(0, whole.n_hops, hops)
    ]  # fmt: skip


def statistic_of(span: WhitenedSegment) -> Statistic:
    """Return one event in the middle of a span."""
    middle_ns = (span.gps_ns + span.end_ns) // 2
    return Statistic(np.array([middle_ns]), np.array([7.5]), False, span.n_hops * HOP_NS)


def evidence(*detectors: str) -> Evidence:
    """Return what was heard by some detectors."""
    times = np.array([GPS_NS - 5 * NS_PER_S, GPS_NS])
    return Evidence(GPS_NS, tuple(segment(name) for name in detectors), times, np.array([6.0, 31.0]), False)
