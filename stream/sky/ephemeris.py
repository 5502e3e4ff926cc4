"""Sun, moon and sidereal time for pointing, with numpy alone: to 0.04 degrees, where tables give 1e-7.

Coordinates are of the mean equator and equinox of date, without nutation (17 arcseconds) and aberration (20); UTC
stands for UT1 (less than 0.9 s, 14 arcseconds); refraction is left out, as it is in what rules of airmass mean. From
1980 to 2100 the altitude of a star or the sun is wrong by less than 0.015 degrees, that of the moon by less than 0.04
(measured beside astropy: decision 31).
Sources: Capitaine, Wallace and Chapront, A&A 412, 567 (2003), and 432, 355 (2005), for precession and sidereal time;
The Astronomical Almanac, section C, "low precision formulas for the Sun's coordinates"; J. Meeus, Astronomical
Algorithms (2nd edition, 1998), chapters 40, 47 and 48, for parallax, the moon and its phase.
"""

from __future__ import annotations

import math

import numpy as np

from stream.errors import DataError
from stream.sky.sites import Site
from stream.types import FloatArray, IntArray

EARLIEST_NS, LATEST_NS = 315_532_800 * 10**9, 4_102_444_800 * 10**9
"""1980 to 2100: outside of them the formulas are not checked."""

AU_KM = 149_597_870.7
_EARTH_KM, _FLATTENING = 6378.137, 1 / 298.257223563
_DAY_NS, _J2000_DAYS = 86_400 * 10**9, 10_957.5
_TT_DAYS = 69.2 / 86_400
"""Terrestrial time is ahead of UTC by 51 s in 1980, 69.2 s from 2017 on: the moon moves by 0.003 degrees meanwhile."""
_ARCSEC = math.radians(1 / 3600)

# Meeus, table 47.A: multiples of D, M, M' and F; longitude in 1e-6 degrees, distance in metres; the largest terms.
_MOON = np.array([
    (0, 0, 1, 0, 6288774, -20905355), (2, 0, -1, 0, 1274027, -3699111), (2, 0, 0, 0, 658314, -2955968),
    (0, 0, 2, 0, 213618, -569925), (0, 1, 0, 0, -185116, 48888), (0, 0, 0, 2, -114332, -3149),
    (2, 0, -2, 0, 58793, 246158), (2, -1, -1, 0, 57066, -152138), (2, 0, 1, 0, 53322, -170733),
    (2, -1, 0, 0, 45758, -204586), (0, 1, -1, 0, -40923, -129620), (1, 0, 0, 0, -34720, 108743),
    (0, 1, 1, 0, -30383, 104755), (2, 0, 0, -2, 15327, 10321), (0, 0, 1, 2, -12528, 0),
    (0, 0, 1, -2, 10980, 79661), (4, 0, -1, 0, 10675, -34782), (0, 0, 3, 0, 10034, -23210),
    (4, 0, -2, 0, 8548, -21636), (2, 1, -1, 0, -7888, 24208), (2, 1, 0, 0, -6766, 30824),
    (1, 0, -1, 0, -5163, -8379), (1, 1, 0, 0, 4987, -16675), (2, -1, 1, 0, 4036, -12831),
])  # fmt: skip
# Table 47.B: latitude in 1e-6 degrees.
_MOON_LATITUDE = np.array([
    (0, 0, 0, 1, 5128122), (0, 0, 1, 1, 280602), (0, 0, 1, -1, 277693), (2, 0, 0, -1, 173237), (2, 0, -1, 1, 55413),
    (2, 0, -1, -1, 46271), (2, 0, 0, 1, 32573), (0, 0, 2, 1, 17198), (2, 0, 1, -1, 9266), (0, 0, 2, -1, 8822),
    (2, -1, 0, -1, 8216), (2, 0, -2, -1, 4324), (2, 0, 1, 1, 4200), (2, 1, 0, -1, -3359),
])  # fmt: skip


def check_time(unix_ns: int) -> None:
    """Refuse a time for which the formulas do not hold.

    Raises
    ------
    DataError
    """
    if not EARLIEST_NS <= unix_ns <= LATEST_NS:
        raise DataError(f"sun and moon are known from 1980 to 2100; the time asked for is {unix_ns / 1e9:.0f} s (Unix)")


def days_of(unix_ns: IntArray | int) -> FloatArray:
    """Return days since J2000.0 (UTC), to microseconds."""
    whole, part = np.divmod(np.asarray(unix_ns, dtype=np.int64), _DAY_NS)
    found: FloatArray = (whole - _J2000_DAYS) + part / _DAY_NS
    return found


def sidereal_rad(days: FloatArray) -> FloatArray:
    """Return Greenwich mean sidereal time, 0 to 2 pi, of days (UT) since J2000.0."""
    t = days / 36525.0
    turn = 0.7790572732640 + 0.00273781191135448 * days + np.mod(days, 1.0)
    more = (0.014506 + 4612.156534 * t + 1.3915817 * t**2) * _ARCSEC
    found: FloatArray = np.mod(2 * math.pi * np.mod(turn, 1.0) + more, 2 * math.pi)
    return found


def precession(days: float) -> FloatArray:
    """Return the matrix that takes unit vectors of ICRS to those for the mean equinox of a day."""
    t = days / 36525.0
    zeta = (2.650545 + 2306.083227 * t + 0.2988499 * t**2 + 0.01801828 * t**3) * _ARCSEC
    z = (-2.650545 + 2306.077181 * t + 1.0927348 * t**2 + 0.01826837 * t**3) * _ARCSEC
    theta = (2004.191903 * t - 0.4294934 * t**2 - 0.04182264 * t**3) * _ARCSEC
    along, up = math.cos(theta), math.sin(theta)
    tilt = np.array([[along, 0.0, -up], [0.0, 1.0, 0.0], [up, 0.0, along]])
    found: FloatArray = _about_pole(z) @ tilt @ _about_pole(zeta)
    return found


def of_date(ra_rad: FloatArray, dec_rad: FloatArray, days: float) -> tuple[FloatArray, FloatArray]:
    """Return right ascension and declination for the mean equinox of a day, from those of ICRS; shapes as theirs."""
    across = np.cos(dec_rad)
    x, y, z = np.tensordot(
        precession(days), np.stack([across * np.cos(ra_rad), across * np.sin(ra_rad), np.sin(dec_rad)]), 1
    )
    return np.mod(np.arctan2(y, x), 2 * math.pi), np.arctan2(z, np.hypot(x, y))


def sun(days: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the sun's right ascension and declination of date, and its distance in km."""
    g = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(g) + 0.020 * np.sin(2 * g))
    ra, dec = _equatorial(longitude, np.zeros_like(longitude), days)
    return ra, dec, AU_KM * (1.00014 - 0.01671 * np.cos(g) - 0.00014 * np.cos(2 * g))


def moon(days: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the moon's right ascension and declination of date, and its distance in km, from the Earth's centre."""
    t = (np.asarray(days) + _TT_DAYS) / 36525.0
    mean = np.radians(218.3164477 + 481267.88123421 * t - 0.0015786 * t**2)
    elements = np.radians(np.stack([
        297.8501921 + 445267.1114034 * t - 0.0018819 * t**2, 357.5291092 + 35999.0502909 * t - 0.0001536 * t**2,
        134.9633964 + 477198.8675055 * t + 0.0087414 * t**2, 93.2720950 + 483202.0175233 * t - 0.0036539 * t**2,
    ], axis=-1))  # fmt: skip
    shrinking = 1 - 0.002516 * t - 0.0000074 * t**2  # the Earth's orbit becomes rounder
    terms, weight = elements @ _MOON[:, :4].T, shrinking[..., None] ** np.abs(_MOON[:, 1])
    longitude = mean + np.radians(1e-6) * np.sum(weight * _MOON[:, 4] * np.sin(terms), axis=-1)
    distance_km = 385000.56 + 1e-3 * np.sum(weight * _MOON[:, 5] * np.cos(terms), axis=-1)
    terms, weight = elements @ _MOON_LATITUDE[:, :4].T, shrinking[..., None] ** np.abs(_MOON_LATITUDE[:, 1])
    latitude = np.radians(1e-6) * np.sum(weight * _MOON_LATITUDE[:, 4] * np.sin(terms), axis=-1)
    return *_equatorial(longitude, latitude, days), distance_km


def moon_from(site: Site, days: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the moon's right ascension and declination of date, and its distance in km, as a site sees it."""
    ra, dec, distance_km = moon(days)
    latitude, local = math.radians(site.latitude_deg), local_sidereal_rad(site, days)
    e2 = _FLATTENING * (2 - _FLATTENING)
    curvature = _EARTH_KM / math.sqrt(1 - e2 * math.sin(latitude) ** 2)
    out = (curvature + site.height_m / 1e3) * math.cos(latitude)
    x = distance_km * np.cos(dec) * np.cos(ra) - out * np.cos(local)
    y = distance_km * np.cos(dec) * np.sin(ra) - out * np.sin(local)
    z = distance_km * np.sin(dec) - (curvature * (1 - e2) + site.height_m / 1e3) * math.sin(latitude)
    return np.mod(np.arctan2(y, x), 2 * math.pi), np.arctan2(z, np.hypot(x, y)), np.sqrt(x * x + y * y + z * z)


def moon_illumination(days: FloatArray) -> FloatArray:
    """Return which part of the moon's disc is lit, 0 to 1 (Meeus, equations 48.1 to 48.3)."""
    (ra, dec, km), (sun_ra, sun_dec, sun_km) = moon(days), sun(days)
    apart = separation_rad(ra, dec, sun_ra, sun_dec)
    phase = np.arctan2(sun_km * np.sin(apart), km - sun_km * np.cos(apart))
    found: FloatArray = (1 + np.cos(phase)) / 2
    return found


def local_sidereal_rad(site: Site, days: FloatArray) -> FloatArray:
    """Return a site's mean sidereal time, 0 to 2 pi."""
    found: FloatArray = np.mod(sidereal_rad(days) + math.radians(site.longitude_deg), 2 * math.pi)
    return found


def altitude_rad(site: Site, days: FloatArray, ra_rad: FloatArray, dec_rad: FloatArray) -> FloatArray:
    """Return the altitude of places of date above a site's horizon; shapes are broadcast."""
    latitude = math.radians(site.latitude_deg)
    hour_angle = local_sidereal_rad(site, days) - ra_rad
    sine = math.sin(latitude) * np.sin(dec_rad) + math.cos(latitude) * np.cos(dec_rad) * np.cos(hour_angle)
    found: FloatArray = np.arcsin(np.clip(sine, -1.0, 1.0))
    return found


def separation_rad(ra_rad: FloatArray, dec_rad: FloatArray, ra2_rad: FloatArray, dec2_rad: FloatArray) -> FloatArray:
    """Return the angle between places, exact also where it is small (haversines)."""
    across, up = np.sin((ra_rad - ra2_rad) / 2), np.sin((dec_rad - dec2_rad) / 2)
    found: FloatArray = 2 * np.arcsin(np.sqrt(np.clip(up**2 + np.cos(dec_rad) * np.cos(dec2_rad) * across**2, 0, 1)))
    return found


def _equatorial(longitude: FloatArray, latitude: FloatArray, days: FloatArray) -> tuple[FloatArray, FloatArray]:
    tilt = np.radians(23.439291 - 3.563e-7 * np.asarray(days))
    y = np.cos(latitude) * np.sin(longitude) * np.cos(tilt) - np.sin(latitude) * np.sin(tilt)
    z = np.cos(latitude) * np.sin(longitude) * np.sin(tilt) + np.sin(latitude) * np.cos(tilt)
    x = np.cos(latitude) * np.cos(longitude)
    return np.mod(np.arctan2(y, x), 2 * math.pi), np.arctan2(z, np.hypot(x, y))


def _about_pole(angle_rad: float) -> FloatArray:
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
