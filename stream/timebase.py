"""Integer time: GPS nanoseconds, the hop grid, and leap seconds for display.

A time is an ``int`` of nanoseconds since the GPS epoch (1980-01-06T00:00:00Z). The pipeline's quantum is the
*hop*, 1/16 s on the absolute GPS grid; both 4096 Hz and 16384 Hz put a whole number of samples on it, and so
do their periods in binary, but not in nanoseconds: sample *k* of a second starts at ``round(k * 1e9 / rate)``.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from stream.errors import ConfigurationError

NS_PER_S = 1_000_000_000
HOPS_PER_S = 16
HOP_NS = NS_PER_S // HOPS_PER_S

_GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
# GPS second at which each leap second since 1980 had been inserted (IERS Bulletin C; none after 2017-01-01 so far).
_LEAP_GPS_S = (
    46828800, 78364801, 109900802, 173059203, 252028804, 315187205, 346723206, 393984007, 425520008,
    457056009, 504489610, 551750411, 599184012, 820108813, 914803214, 1025136015, 1119744016, 1167264017,
)  # fmt: skip


class Clock(Protocol):
    """What a stage that must know the present asks; tests give it a fake one."""

    def now_ns(self) -> int:
        """Return the present as GPS nanoseconds."""
        ...


class SystemClock:
    """The machine's clock, in GPS nanoseconds."""

    def now_ns(self) -> int:
        """Return the present as GPS nanoseconds."""
        return unix_ns_to_gps_ns(time.time_ns())


def samples_to_ns(count: int, rate_hz: int) -> int:
    """Return the duration of ``count`` samples, rounded to the nearest nanosecond."""
    return (count * NS_PER_S + rate_hz // 2) // rate_hz


def samples_per_hop(rate_hz: int) -> int:
    """Return how many samples one hop of 1/16 s holds.

    Raises
    ------
    ConfigurationError
        If the rate does not put a whole number of samples on the hop grid.
    """
    count, rest = divmod(rate_hz, HOPS_PER_S)
    if rest or count < 1:
        raise ConfigurationError(f"sample rate {rate_hz} Hz is not a multiple of {HOPS_PER_S} Hz: resample it first")
    return count


def ns_to_gps_s(gps_ns: int) -> float:
    """Return GPS seconds as a float, for display and plots only."""
    return gps_ns / NS_PER_S


def _leap_seconds(gps_s: int) -> int:
    return sum(1 for leap in _LEAP_GPS_S if gps_s >= leap)


def gps_ns_to_utc(gps_ns: int) -> datetime:
    """Return the UTC time of a GPS time, to the microsecond."""
    leap_s = _leap_seconds(gps_ns // NS_PER_S)
    return _GPS_EPOCH + timedelta(microseconds=gps_ns // 1000) - timedelta(seconds=leap_s)


def utc_to_gps_ns(utc: datetime) -> int:
    """Return the GPS time of an aware UTC time."""
    delta = utc - _GPS_EPOCH
    plain_ns = (delta.days * 86_400 + delta.seconds) * NS_PER_S + delta.microseconds * 1000
    return plain_ns + _leaps_for_plain(plain_ns // NS_PER_S) * NS_PER_S


def unix_ns_to_gps_ns(unix_ns: int) -> int:
    """Return the GPS time of a Unix time in nanoseconds."""
    plain_ns = unix_ns - 315_964_800 * NS_PER_S
    return plain_ns + _leaps_for_plain(plain_ns // NS_PER_S) * NS_PER_S


def gps_ns_to_unix_ns(gps_ns: int) -> int:
    """Return the Unix time in nanoseconds of a GPS time."""
    return gps_ns - _leap_seconds(gps_ns // NS_PER_S) * NS_PER_S + 315_964_800 * NS_PER_S


def _leaps_for_plain(plain_s: int) -> int:
    """Leap seconds at a UTC count without leaps: the n-th leap lies n seconds earlier on that count."""
    return sum(1 for n, leap in enumerate(_LEAP_GPS_S) if plain_s >= leap - n)


def gps_ns_to_iso(gps_ns: int) -> str:
    """Return the UTC time as ISO 8601 with milliseconds and ``Z``."""
    return gps_ns_to_utc(gps_ns).isoformat(timespec="milliseconds").replace("+00:00", "Z")
