"""When places are within reach of a site in the dark.

Whether one is at all follows from its unit vector and the zeniths as a dark begins and ends; from when to when, from
the arc of hour angle that its declination has above the airmass, and sidereal time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from stream.sky import ephemeris
from stream.sky.night import Span
from stream.sky.sites import Site
from stream.types import BoolArray, FloatArray

_STEP_NS, _HOUR_NS = 300 * 10**9, 3600 * 10**9
_TURN = 2 * math.pi
_RATE_RAD_PER_NS = _TURN * 1.00273790935 / (86_400 * 10**9)
"""How fast sidereal time runs."""


class Reach:
    """When each place is within reach in the dark.

    Parameters
    ----------
    site : Site
    place : array of float64, shape (3, n)
        Unit vectors, for the equinox of date.
    airmass : float
    dark : sequence of (int, int)
        From when to when, Unix nanoseconds.
    """

    def __init__(self, site: Site, place: FloatArray, airmass: float, dark: Sequence[Span]) -> None:
        self._site, self._place, self._airmass, self.dark = site, place, airmass, tuple(dark)
        self.origin = dark[0][0] if dark else 0
        self._sky = [_sidereal_rad(site, start) for start, _ in dark]
        self._met = list(self._within()) if dark else []

    def _within(self) -> Iterator[BoolArray]:
        """Yield of each dark which places are within reach in it: as it begins or ends, or as they culminate."""
        latitude, (x, y, z) = math.radians(self._site.latitude_deg), self._place
        across, up, low = math.cos(latitude), math.sin(latitude), 1.0 / self._airmass
        high = up * z + across * np.sqrt(x * x + y * y) >= low
        for sky, (start, end) in zip(self._sky, self.dark, strict=True):
            turned = (end - start) * _RATE_RAD_PER_NS
            one, two = ((math.cos(angle), math.sin(angle)) for angle in (sky, sky + turned))
            zeniths = np.array([(across * one[0], across * one[1], up), (across * two[0], across * two[1], up)])
            begin, finish = zeniths @ self._place >= low
            after, before = np.array([(-one[1], one[0], 0.0), (two[1], -two[0], 0.0)]) @ self._place >= 0.0
            if turned >= _TURN:
                yield high
            else:
                between = after & before if turned < math.pi else after | before
                yield begin | finish | (between & high)

    @cached_property
    def ever(self) -> BoolArray:
        """Which places are within reach at some time, shape (n,)."""
        return np.logical_or.reduce(self._met) if self._met else np.zeros(self._place.shape[1], dtype=bool)

    @cached_property
    def spans(self) -> tuple[FloatArray, FloatArray]:
        """When each place is first and last within reach, nanoseconds from the origin; infinite where it never is."""
        ra, half = self._ra, self._half
        first, last = np.full(len(ra), np.inf), np.full(len(ra), -np.inf)
        for met, sky, (start, end) in zip(self._met, self._sky, self.dark, strict=True):
            length = (end - start) * _RATE_RAD_PER_NS
            since_rise = np.mod(sky - (ra - half), _TURN)  # how long ago the place rose when the dark began
            until_rise = np.where((since_rise <= 2 * half) | (half >= math.pi), 0.0, _TURN - since_rise)
            since_set = np.mod(sky + length - (ra + half), _TURN)  # how long ago it set when the dark ended
            inside = (_TURN - since_set <= 2 * half) | (half >= math.pi)
            before_end = np.where(inside, 0.0, since_set)
            begin = (start - self.origin) + np.minimum(until_rise, length) / _RATE_RAD_PER_NS
            leave = (end - self.origin) - np.minimum(before_end, length) / _RATE_RAD_PER_NS
            first = np.where(met, np.minimum(first, begin), first)
            last = np.where(met, np.maximum(last, leave), last)
        return first, last

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
        for begin, (start, end) in zip(self._sky, self.dark, strict=True):
            times = np.append(np.arange(start, end, _STEP_NS), end)
            sky = np.mod(begin + (times - start) * _RATE_RAD_PER_NS, _TURN)
            now = always + already + risen[np.searchsorted(rise, sky, "right")]
            now = now - set_[np.searchsorted(down, sky, "left")]
            if float(now.max()) > found[1] + 1e-12:
                found = int(times[np.argmax(now)]), float(now.max())
        return found

    def highest(self, at: int) -> int:
        """Return when a place within reach stands highest in the dark, Unix nanoseconds."""
        found, nearest = 0, math.inf
        for sky, (start, end) in zip(self._sky, self.dark, strict=True):
            ahead = float(np.mod(self._ra[at] - sky, _TURN)) / _RATE_RAD_PER_NS
            for time in (start, end, start + int(ahead)):
                if start <= time <= end:
                    hour_angle = abs(math.remainder(_sidereal_rad(self._site, time) - float(self._ra[at]), _TURN))
                    if hour_angle < nearest:
                        found, nearest = time, hour_angle
        return found

    def of_date(self, at: int) -> tuple[FloatArray, FloatArray]:
        """Return right ascension and declination of a place, for the equinox of date."""
        x, y, z = self._place[:, at]
        return self._ra[at], np.arctan2(z, np.hypot(x, y))

    @cached_property
    def _ra(self) -> FloatArray:
        found: FloatArray = np.mod(np.arctan2(self._place[1], self._place[0]), _TURN)
        return found

    @cached_property
    def _half(self) -> FloatArray:
        """For how much hour angle, to each side, each place is within the airmass: 0 never, pi always."""
        latitude, (x, y, z) = math.radians(self._site.latitude_deg), self._place
        over = 1.0 / self._airmass - math.sin(latitude) * z
        under = max(math.cos(latitude), 1e-12) * np.maximum(np.hypot(x, y), 1e-12)
        found: FloatArray = np.arccos(np.clip(over / under, -1.0, 1.0))
        return found


def _sidereal_rad(site: Site, unix_ns: int) -> float:
    hour, since_ns = divmod(unix_ns, _HOUR_NS)
    return _of_hour_rad(site, hour) + since_ns * _RATE_RAD_PER_NS


@functools.lru_cache(maxsize=1024)
def _of_hour_rad(site: Site, hour: int) -> float:
    """Return a site's sidereal time as an hour begins: alerts that follow each other ask for the same."""
    return float(ephemeris.local_sidereal_rad(site, ephemeris.days_of(hour * _HOUR_NS)))


def _running(at: FloatArray, held: FloatArray) -> tuple[FloatArray, FloatArray]:
    by_time = np.argsort(at)
    return at[by_time], np.concatenate([[0.0], np.cumsum(held[by_time])])
