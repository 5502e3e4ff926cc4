"""When it is dark: the moments at which the sun passes an altitude, found on a grid and then halved to a second."""

from __future__ import annotations

import functools
import math
from typing import TypeAlias

import numpy as np

from stream.sky import ephemeris
from stream.sky.sites import Site
from stream.types import FloatArray, IntArray

Span: TypeAlias = tuple[int, int]
"""From when to when, Unix nanoseconds."""

_HOUR_NS = 3600 * 10**9
_STEP_NS = 600 * 10**9
_HALVINGS = 10
"""600 s become 0.6 s."""


def dark_spans(site: Site, from_unix_ns: int, until_unix_ns: int, sun_deg: float) -> tuple[Span, ...]:
    """Return when the sun is at or below an altitude, in order; a dark shorter than ten minutes may be missed."""
    hours = from_unix_ns // _HOUR_NS, -(-until_unix_ns // _HOUR_NS)
    return tuple(
        (max(start, from_unix_ns), min(end, until_unix_ns))
        for start, end in _spans(site, hours[0] * _HOUR_NS, hours[1] * _HOUR_NS, sun_deg)
        if start < until_unix_ns and end > from_unix_ns
    )


@functools.lru_cache(maxsize=256)
def _spans(site: Site, from_unix_ns: int, until_unix_ns: int, sun_deg: float) -> tuple[Span, ...]:
    """Return the same for whole hours, so that alerts that follow each other ask once."""
    times = np.append(np.arange(from_unix_ns, until_unix_ns, _STEP_NS), until_unix_ns)
    dark = _sun_deg(site, times) <= sun_deg
    turns = np.flatnonzero(dark[1:] != dark[:-1])
    low, high, was = times[turns], times[turns + 1], dark[turns]
    for _ in range(_HALVINGS):
        middle = (low + high) // 2
        same = (_sun_deg(site, middle) <= sun_deg) == was
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    edges = [int(edge) for edge in high]
    if dark[0]:
        edges.insert(0, from_unix_ns)
    if dark[-1]:
        edges.append(until_unix_ns)
    return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a)


def lowest_sun_deg(site: Site, from_unix_ns: int, until_unix_ns: int) -> float:
    """Return the lowest altitude of the sun, to a tenth of a degree."""
    return float(_sun_deg(site, np.arange(from_unix_ns, until_unix_ns + 1, _STEP_NS)).min())


def _sun_deg(site: Site, unix_ns: IntArray) -> FloatArray:
    days = ephemeris.days_of(unix_ns)
    ra, dec, _ = ephemeris.sun(days)
    found: FloatArray = ephemeris.altitude_rad(site, days, ra, dec) * (180 / math.pi)
    return found
