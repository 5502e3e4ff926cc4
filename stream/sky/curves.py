"""How high the sun, the moon and places to point at stand through a night, every five minutes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stream.sky import ephemeris
from stream.sky.night import Span, dark_spans
from stream.sky.sites import Site
from stream.types import BoolArray, FloatArray, IntArray

STEP_NS = 300 * 10**9
_AROUND_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Night:
    """The dark at a site in a time ahead, with the hour before and after; all of the time where it is never dark.

    Attributes
    ----------
    site : Site
    unix_ns : array of int64, shape (n,)
    sun_deg, moon_deg : array of float64, shape (n,)
        Altitudes.
    dark : tuple of (int, int)
        From when to when the sun is low enough, Unix nanoseconds.
    is_dark : array of bool, shape (n,)
    """

    site: Site
    unix_ns: IntArray
    sun_deg: FloatArray
    moon_deg: FloatArray
    dark: tuple[Span, ...]
    is_dark: BoolArray


@dataclass(frozen=True, slots=True)
class Curve:
    """How a place stands through a night.

    Attributes
    ----------
    altitude_deg : array of float64, shape (n,)
        At the night's times.
    hours : float
        For how long it is within the airmass in the dark, to five minutes.
    best_unix_ns : int or None
        When it stands highest while it is; None if it never is.
    airmass : float or None
        Then.
    moon_deg : float or None
        How far the moon is from it then.
    """

    altitude_deg: FloatArray
    hours: float
    best_unix_ns: int | None
    airmass: float | None
    moon_deg: float | None


def night_of(site: Site, from_unix_ns: int, until_unix_ns: int, sun_deg: float) -> Night:
    """Return the dark at a site between two times: maybe what is left of one night, and the beginning of the next.

    Raises
    ------
    DataError
        If a time is not one for which sun and moon are known.
    """
    ephemeris.check_time(from_unix_ns)
    ephemeris.check_time(until_unix_ns)
    dark = dark_spans(site, from_unix_ns, until_unix_ns, sun_deg)
    first, last = (dark[0][0] - _AROUND_NS, dark[-1][1] + _AROUND_NS) if dark else (from_unix_ns, until_unix_ns)
    times = np.arange(first, last + 1, STEP_NS)
    days = ephemeris.days_of(times)
    (sun_ra, sun_dec, _), (moon_ra, moon_dec, _) = ephemeris.sun(days), ephemeris.moon_from(site, days)
    sun = np.degrees(ephemeris.altitude_rad(site, days, sun_ra, sun_dec))
    moon = np.degrees(ephemeris.altitude_rad(site, days, moon_ra, moon_dec))
    is_dark = np.zeros(len(times), dtype=bool)
    for start, end in dark:
        is_dark |= (times >= start) & (times <= end)
    return Night(site, times, sun, moon, dark, is_dark)


def curve_of(night: Night, ra_deg: float, dec_deg: float, airmass: float) -> Curve:
    """Return how a place of ICRS stands through a night."""
    days = ephemeris.days_of(night.unix_ns)
    ra, dec = ephemeris.of_date(np.radians([ra_deg]), np.radians([dec_deg]), float(days[len(days) // 2]))
    altitude = ephemeris.altitude_rad(night.site, days, ra, dec)
    fit = night.is_dark & (np.sin(altitude) >= 1.0 / airmass)
    found = np.degrees(altitude)
    if not fit.any():
        return Curve(found, 0.0, None, None, None)
    at = int(np.argmax(np.where(fit, altitude, -np.inf)))
    moon_ra, moon_dec, _ = ephemeris.moon_from(night.site, days[at : at + 1])
    apart = math.degrees(float(ephemeris.separation_rad(ra, dec, moon_ra, moon_dec)[0]))
    hours = min(float(fit.sum()) * STEP_NS, float(sum(end - start for start, end in night.dark))) / 3.6e12
    return Curve(found, hours, int(night.unix_ns[at]), 1.0 / math.sin(float(altitude[at])), apart)
