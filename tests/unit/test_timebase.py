"""GPS and UTC are the same instants on both sides of every leap second, and our table is that of the astronomers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import erfa
import lal
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream import timebase
from stream.errors import ConfigurationError
from stream.timebase import (
    NS_PER_S,
    gps_ns_to_iso,
    gps_ns_to_unix_ns,
    gps_ns_to_utc,
    samples_per_hop,
    samples_to_ns,
    unix_ns_to_gps_ns,
    utc_to_gps_ns,
)

LEAP_2015 = 1119744016
"""GPS second that is 2015-06-30T23:59:60."""
LEAP_2016 = 1167264017
"""GPS second that is 2016-12-31T23:59:60."""
LAST_S = 4_102_444_800
"""Far beyond the table's end: in the year 2110."""


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("gps_s", "expected"),
    [
        (LEAP_2015 - 1, "2015-06-30T23:59:59.000Z"),
        (LEAP_2015 + 1, "2015-07-01T00:00:00.000Z"),
        (LEAP_2016 - 1, "2016-12-31T23:59:59.000Z"),
        (LEAP_2016 + 1, "2017-01-01T00:00:00.000Z"),
        (0, "1980-01-06T00:00:00.000Z"),
    ],
)
def test_both_sides_of_a_leap_second_have_their_date(gps_s: int, expected: str) -> None:
    assert gps_ns_to_iso(gps_s * NS_PER_S) == expected
    assert utc_to_gps_ns(datetime.fromisoformat(expected)) == gps_s * NS_PER_S


@pytest.mark.parametrize("leap_s", [LEAP_2015, LEAP_2016])
def test_an_event_in_a_leap_second_is_of_the_day_that_ends(leap_s: int) -> None:
    """23:59:60 has no datetime: it is shown as 23:59:59 again, so no superevent gets the next day's name."""
    at_ns = leap_s * NS_PER_S + 500_000_000
    shown = gps_ns_to_utc(at_ns)
    assert shown == gps_ns_to_utc(at_ns - NS_PER_S)
    assert (shown.hour, shown.minute, shown.second, shown.microsecond) == (23, 59, 59, 500_000)


@pytest.mark.parametrize("leap_s", [LEAP_2015, LEAP_2016])
def test_a_clock_across_a_leap_second_goes_on_by_two(leap_s: int) -> None:
    """Unix time has no leap second: the tick from :59 to :00 is two seconds of GPS."""
    last_ns = gps_ns_to_unix_ns((leap_s - 1) * NS_PER_S)
    assert unix_ns_to_gps_ns(last_ns) == (leap_s - 1) * NS_PER_S
    assert unix_ns_to_gps_ns(last_ns + NS_PER_S) == (leap_s + 1) * NS_PER_S


def test_the_table_is_that_of_the_earth_rotation_service() -> None:
    """As astropy's tables have it; fails when a leap second is announced and the pins are renewed."""
    days = [datetime(int(row["year"]), int(row["month"]), 1, tzinfo=UTC) for row in erfa.leap_seconds.get()]
    since = [day for day in days if day > utc(1980, 1, 6)]
    assert [gps_ns_to_utc((leap_s + 1) * NS_PER_S) for leap_s in timebase._LEAP_GPS_S] == since


def test_after_the_tables_end_its_last_count_holds() -> None:
    for gps_s in (LEAP_2016 + 1, 1_400_000_000, LAST_S):
        assert gps_ns_to_unix_ns(gps_s * NS_PER_S) == (gps_s + 315_964_800 - 18) * NS_PER_S


def leaps_near() -> st.SearchStrategy[int]:
    """Times of all decades, as many near leap seconds as far from them."""
    near = st.builds(
        lambda leap_s, off_ns: leap_s * NS_PER_S + off_ns,
        st.sampled_from(timebase._LEAP_GPS_S),
        st.integers(-3 * NS_PER_S, 3 * NS_PER_S),
    )
    return st.one_of(near, st.integers(0, LAST_S * NS_PER_S))


def in_a_leap_second(gps_ns: int) -> bool:
    return gps_ns // NS_PER_S in timebase._LEAP_GPS_S


@given(leaps_near())
@example(LEAP_2016 * NS_PER_S)
@example(LEAP_2016 * NS_PER_S - 1)
@example((LEAP_2016 + 1) * NS_PER_S)
def test_gps_to_unix_and_back_is_the_same_except_in_a_leap_second(gps_ns: int) -> None:
    """There the second before it stands for it: a time is never moved by more than that."""
    back_ns = unix_ns_to_gps_ns(gps_ns_to_unix_ns(gps_ns))
    assert back_ns == gps_ns - (NS_PER_S if in_a_leap_second(gps_ns) else 0)


@given(leaps_near())
def test_gps_to_utc_and_back_is_the_same_microsecond(gps_ns: int) -> None:
    back_ns = utc_to_gps_ns(gps_ns_to_utc(gps_ns))
    assert back_ns == gps_ns // 1000 * 1000 - (NS_PER_S if in_a_leap_second(gps_ns) else 0)


@given(leaps_near(), st.integers(0, 10 * NS_PER_S))
def test_utc_never_goes_back_by_more_than_the_leap_second(gps_ns: int, later_ns: int) -> None:
    assert gps_ns_to_utc(gps_ns + later_ns) >= gps_ns_to_utc(gps_ns) - timedelta(seconds=1)


@given(leaps_near().filter(lambda gps_ns: gps_ns < 2**31 * NS_PER_S and not in_a_leap_second(gps_ns)))
def test_utc_is_lals(gps_ns: int) -> None:
    expected = utc(*lal.GPSToUTC(gps_ns // NS_PER_S)[:6])
    assert gps_ns_to_utc(gps_ns).replace(microsecond=0) == expected


@given(st.integers(0, 2**45), st.sampled_from([16, 256, 4096, 16384, 65536]))
def test_samples_last_their_time_to_half_a_nanosecond(count: int, rate_hz: int) -> None:
    assert abs(samples_to_ns(count, rate_hz) * rate_hz - count * NS_PER_S) * 2 <= rate_hz


@pytest.mark.parametrize("rate_hz", [0, -16, 8, 4095, 44100])
def test_a_rate_without_whole_samples_on_the_grid_is_refused(rate_hz: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{rate_hz} Hz is not a multiple of 16 Hz"):
        samples_per_hop(rate_hz)
