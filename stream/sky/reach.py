"""When places are within reach of a site in the dark: the arcs of hour angle above an airmass, and sidereal time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stream.sky import ephemeris
from stream.sky.night import Span
from stream.sky.sites import Site
from stream.types import BoolArray, FloatArray

_STEP_NS = 300 * 10**9
_TURN = 2 * math.pi
_RATE_RAD_PER_NS = _TURN * 1.00273790935 / (86_400 * 10**9)
"""How fast sidereal time runs."""


class Reach:
    """When each place is within reach in the dark."""

    def __init__(self, site: Site, ra: FloatArray, half: FloatArray, dark: Sequence[Span]) -> None:
        self._site, self._ra, self._half, self.dark = site, ra, half, tuple(dark)
        self.first = np.full(len(ra), np.inf)
        self.last = np.full(len(ra), -np.inf)
        origin = dark[0][0] if dark else 0
        for start, end in dark:
            sky, length = self._sidereal(start), (end - start) * _RATE_RAD_PER_NS
            since_rise = np.mod(sky - (ra - half), _TURN)  # how long ago the place rose when the dark began
            until_rise = np.where((since_rise <= 2 * half) | (half >= math.pi), 0.0, _TURN - since_rise)
            since_set = np.mod(sky + length - (ra + half), _TURN)  # how long ago it set when the dark ended
            inside = (_TURN - since_set <= 2 * half) | (half >= math.pi)
            before_end = np.where(inside, 0.0, since_set)
            met = (until_rise <= length) & (half > 0)
            begin = (start - origin) + until_rise / _RATE_RAD_PER_NS
            leave = (end - origin) - before_end / _RATE_RAD_PER_NS
            self.first = np.where(met, np.minimum(self.first, begin), self.first)
            self.last = np.where(met, np.maximum(self.last, leave), self.last)
        self.origin = origin
        self.ever: BoolArray = np.isfinite(self.first)

    def best(self, probability: FloatArray) -> tuple[int | None, float]:
        """Return when the most is within reach at once, to five minutes, and how much that is."""
        up = self._half > 0
        always = float(probability[self._half >= math.pi].sum())
        turning = up & (self._half < math.pi)
        rise, down = (np.mod(self._ra[turning] + s * self._half[turning], _TURN) for s in (-1, 1))
        held = probability[turning]
        already = float(held[rise > down].sum())  # up when sidereal time is 0
        (rise, risen), (down, set_) = _running(rise, held), _running(down, held)
        found: tuple[int | None, float] = (None, 0.0)
        for start, end in self.dark:
            times = np.append(np.arange(start, end, _STEP_NS), end)
            sky = np.mod(self._sidereal(start) + (times - start) * _RATE_RAD_PER_NS, _TURN)
            now = always + already + risen[np.searchsorted(rise, sky, "right")]
            now = now - set_[np.searchsorted(down, sky, "left")]
            if float(now.max()) > found[1] + 1e-12:
                found = int(times[np.argmax(now)]), float(now.max())
        return found

    def highest(self, at: int) -> int:
        """Return when a place within reach stands highest in the dark, Unix nanoseconds."""
        found, nearest = 0, math.inf
        for start, end in self.dark:
            ahead = float(np.mod(self._ra[at] - self._sidereal(start), _TURN)) / _RATE_RAD_PER_NS
            for time in (start, end, start + int(ahead)):
                if start <= time <= end:
                    hour_angle = abs(math.remainder(self._sidereal(time) - float(self._ra[at]), _TURN))
                    if hour_angle < nearest:
                        found, nearest = time, hour_angle
        return found

    def _sidereal(self, unix_ns: int) -> float:
        return float(ephemeris.local_sidereal_rad(self._site, ephemeris.days_of(unix_ns)))


def half_arc(site: Site, dec: FloatArray, airmass: float) -> FloatArray:
    """Return for how much hour angle, to each side, a declination is within an airmass: 0 never, pi always."""
    latitude = math.radians(site.latitude_deg)
    over = 1.0 / airmass - math.sin(latitude) * np.sin(dec)
    under = max(math.cos(latitude), 1e-12) * np.maximum(np.cos(dec), 1e-12)
    found: FloatArray = np.arccos(np.clip(over / under, -1.0, 1.0))
    return found


def _running(at: FloatArray, held: FloatArray) -> tuple[FloatArray, FloatArray]:
    by_time = np.argsort(at)
    return at[by_time], np.concatenate([[0.0], np.cumsum(held[by_time])])
