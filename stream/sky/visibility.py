"""What of a sky map a site can see in the next night: the sun far enough below the horizon, and the airmass small.

A place is within reach in a dark if it stands high enough as that begins, as it ends, or as it culminates between: for
each place three comparisons of its unit vector, and none for each moment. Airmass is the secant of the zenith distance,
as astroplan has it: 2.5 is an altitude of 23.6 degrees.
Source of the default bounds: LVK public alerts user guide, sun at most -18 degrees, airmass at most 2.5.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stream.errors import ConfigurationError
from stream.records import SkyMap
from stream.sky import ephemeris
from stream.sky.night import Span, dark_spans, lowest_sun_deg
from stream.sky.places import Places, places_of
from stream.sky.reach import Reach
from stream.sky.sites import Site
from stream.types import BoolArray, FloatArray

SUN_DEG, AIRMASS = -18.0, 2.5
_REGIONS = (0.5, 0.9)
_HOUR_NS = 3600 * 10**9
_NOTHING = 1e-6
"""What is less likely than this is not there: maps have a density everywhere."""


@dataclass(frozen=True, slots=True)
class Region:
    """When the smallest region that holds a probability is within reach, in the dark.

    Attributes
    ----------
    level : float
    rises_unix_ns, sets_unix_ns : int or None
        When its first part comes within reach, and its last part leaves it or the dark ends; None if none ever is.
    fraction : float
        How much of its probability is within reach at some moment.
    """

    level: float
    rises_unix_ns: int | None
    sets_unix_ns: int | None
    fraction: float


@dataclass(frozen=True, slots=True)
class Aim:
    """The most probable place within reach, and when it stands highest in the dark.

    Attributes
    ----------
    ra_deg, dec_deg : float
        Of ICRS.
    unix_ns : int
    airmass : float
    moon_deg : float
        How far the moon is from it then.
    moon_up : bool
    """

    ra_deg: float
    dec_deg: float
    unix_ns: int
    airmass: float
    moon_deg: float
    moon_up: bool


@dataclass(frozen=True, slots=True)
class Visibility:
    """What a site can see of a map.

    Attributes
    ----------
    site : Site
    from_unix_ns, until_unix_ns : int
    dark : tuple of (int, int)
        From when to when the sun is low enough, Unix nanoseconds.
    probability : float
        Of what is within reach at some moment of the dark.
    at_once : float
        The most that is within reach at one moment.
    best_unix_ns : int or None
        That moment.
    regions : tuple of Region
        Of 50 and 90 %.
    aim : Aim or None
    moon_illumination : float
        In the middle of the dark; of the whole time where it is never dark.
    reason : str or None
        Why nothing is within reach.
    """

    site: Site
    from_unix_ns: int
    until_unix_ns: int
    dark: tuple[Span, ...]
    probability: float
    at_once: float
    best_unix_ns: int | None
    regions: tuple[Region, ...]
    aim: Aim | None
    moon_illumination: float
    reason: str | None

    @property
    def dark_hours(self) -> float:
        """Hours of darkness."""
        return sum(end - start for start, end in self.dark) / 3.6e12

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it; names are stable."""
        return asdict(self) | {"dark_hours": self.dark_hours}


def visible(
    skymap: SkyMap | Places, site: Site, from_unix_ns: int, hours: float = 24.0, sun_deg: float = SUN_DEG,
    airmass: float = AIRMASS,
) -> Visibility:  # fmt: skip
    """Return what of a map a site can see from a time on.

    Parameters
    ----------
    skymap : SkyMap or Places
        Places of one map serve many sites.
    site : Site
    from_unix_ns : int
    hours : float
        How far to look ahead, at most 240.
    sun_deg : float
        Highest altitude of the sun.
    airmass : float
        Largest airmass, 1 to 40.

    Raises
    ------
    ConfigurationError
        If a bound makes no sense.
    DataError
        If the time is not one for which sun and moon are known.
    """
    places = places_of(skymap) if isinstance(skymap, SkyMap) else skymap
    until_ns, middle_ns, reach = _reached(places, site, from_unix_ns, hours, sun_deg, airmass)
    dark, seen = reach.dark, _seen(places, reach)
    best_ns, at_once = reach.best(places.probability)
    return Visibility(
        site, from_unix_ns, until_ns, dark, float(places.probability[seen].sum()), at_once if seen.any() else 0.0,
        best_ns if seen.any() else None, tuple(_region(places, reach, seen, level) for level in _REGIONS),
        _aim(site, places, reach, seen), float(ephemeris.moon_illumination(ephemeris.days_of(middle_ns))),
        None if seen.any() else _reason(places, site, dark, (from_unix_ns, until_ns), sun_deg, airmass),
    )  # fmt: skip


def visible_probability(
    places: Places, site: Site, from_unix_ns: int, hours: float = 24.0, sun_deg: float = SUN_DEG,
    airmass: float = AIRMASS,
) -> float:  # fmt: skip
    """Return :attr:`Visibility.probability` alone, in a small part of the time; parameters as :func:`visible` has.

    Raises
    ------
    ConfigurationError, DataError
        As :func:`visible` does.
    """
    *_, reach = _reached(places, site, from_unix_ns, hours, sun_deg, airmass)
    return float(places.probability[_seen(places, reach)].sum())


def _reached(
    places: Places, site: Site, from_unix_ns: int, hours: float, sun_deg: float, airmass: float
) -> tuple[int, int, Reach]:
    """Return the end of the time, the middle of the first dark, and what is within reach."""
    _check(hours, sun_deg, airmass)
    until_ns = from_unix_ns + round(hours * 3.6e12)
    ephemeris.check_time(from_unix_ns)
    ephemeris.check_time(until_ns)
    dark = dark_spans(site, from_unix_ns, until_ns, sun_deg)
    middle_ns = (dark[0][0] + dark[0][1]) // 2 if dark else (from_unix_ns + until_ns) // 2
    return until_ns, middle_ns, Reach(site, _precession(middle_ns // _HOUR_NS) @ places.direction, airmass, dark)


@functools.lru_cache(maxsize=64)
def _precession(hour: int) -> FloatArray:
    """Return it for a whole hour, in which it turns by 0.006 arcseconds: alerts that follow each other ask once."""
    return ephemeris.precession(float(ephemeris.days_of(hour * _HOUR_NS)))


def _seen(places: Places, reach: Reach) -> BoolArray:
    """Return which places are within reach at some time; none where they hold next to nothing."""
    seen: BoolArray = reach.ever & (places.probability > 0)
    if float(places.probability[seen].sum()) < _NOTHING:
        seen[:] = False
    return seen


def _region(places: Places, reach: Reach, seen: BoolArray, level: float) -> Region:
    inside = places.level - places.probability < level  # the place that completes it counts
    held, both = float(places.probability[inside].sum()), inside & seen
    if not both.any():
        return Region(level, None, None, 0.0)
    first, last = reach.spans
    rises, sets = (reach.origin + int(time) for time in (first[both].min(), last[both].max()))
    return Region(level, rises, sets, float(places.probability[both].sum()) / held)


def _aim(site: Site, places: Places, reach: Reach, seen: BoolArray) -> Aim | None:
    if not seen.any():
        return None
    at = int(np.argmax(np.where(seen, places.density, -1.0)))
    unix_ns, (ra, dec) = reach.highest(at), reach.of_date(at)
    days = ephemeris.days_of(unix_ns)
    icrs_ra, icrs_dec = places.ra_dec_rad
    moon_ra, moon_dec, _ = ephemeris.moon_from(site, days)
    return Aim(
        math.degrees(icrs_ra[at]), math.degrees(icrs_dec[at]), unix_ns,
        1.0 / math.sin(float(ephemeris.altitude_rad(site, days, ra, dec))),
        math.degrees(float(ephemeris.separation_rad(ra, dec, moon_ra, moon_dec))),
        bool(ephemeris.altitude_rad(site, days, moon_ra, moon_dec) > 0),
    )  # fmt: skip


def _reason(places: Places, site: Site, dark: Sequence[Span], span: Span, sun_deg: float, airmass: float) -> str:
    if not np.any(places.probability > 0):
        return "the map holds no probability"
    if not dark:
        return f"the sun stays above {sun_deg:g} degrees: {lowest_sun_deg(site, *span):.1f} is its lowest"
    return f"no part of the map comes within airmass {airmass:g} in the dark"


def _check(hours: float, sun_deg: float, airmass: float) -> None:
    for name, value, low, high in (
        ("hours", hours, 0.0, 240.0), ("altitude of the sun", sun_deg, -90.0, 90.0), ("airmass", airmass, 1.0, 40.0),
    ):  # fmt: skip
        if not low <= value <= high:
            raise ConfigurationError(f"{name} {value:g} is not from {low:g} to {high:g}")
