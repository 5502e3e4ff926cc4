"""Where telescopes stand: astropy's named sites, and places given as numbers.

The table ``sites.json`` has the facts of astropy-data's ``coordinates/sites.json`` (BSD licence), as of 2023, each with
its source there, and the TAROT telescopes of GRANDMA's site list. A name is found whatever its case, and with space,
hyphen or underscore alike.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

from stream.errors import ConfigurationError
from stream.text import clean

_LOWEST_M, _HIGHEST_M = -11_000.0, 100_000.0
_WORD = 64


@dataclass(frozen=True, slots=True)
class Site:
    """A place on the Earth, on the WGS84 ellipsoid.

    Attributes
    ----------
    name : str
    longitude_deg : float
        East, -180 to 180.
    latitude_deg : float
    height_m : float
    """

    name: str
    longitude_deg: float
    latitude_deg: float
    height_m: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no place on the Earth."""
        for name, value, low, high in (
            ("longitude", self.longitude_deg, -180.0, 360.0),
            ("latitude", self.latitude_deg, -90.0, 90.0),
            ("height", self.height_m, _LOWEST_M, _HIGHEST_M),
        ):
            if not (math.isfinite(value) and low <= value <= high):
                raise ConfigurationError(f"{name} {value:g} of a site is not from {low:g} to {high:g}")


def find_site(text: str) -> Site:
    """Return a site by its name, or from ``longitude,latitude[,height]`` in degrees east, degrees north and metres.

    Raises
    ------
    ConfigurationError
        If no site has that name, with names that are like it; if a number is out of range.
    """
    if "," in text:
        return _given(text)
    found = _by_name().get(_folded(text))
    if found is None:
        like = difflib.get_close_matches(_folded(text), _by_name(), 3)
        hint = f"; is it {' or '.join(like)}?" if like else "."
        raise ConfigurationError(
            f"no site is named {clean(text, _WORD)!r}{hint} Give one that astropy knows, or longitude,latitude,height"
        )
    return found


def site_names() -> tuple[str, ...]:
    """Return the short name of each site of the table."""
    return tuple(_table())


def _given(text: str) -> Site:
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3):
        raise ConfigurationError(
            f"{clean(text, _WORD)!r} is no site: give longitude,latitude[,height]: -70.4,-24.6,2635"
        )
    return Site(text.replace(" ", ""), *numbers)


def _folded(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads((resources.files("stream.sky") / "sites.json").read_text("utf-8"))
    return table


@functools.cache
def _by_name() -> dict[str, Site]:
    found: dict[str, Site] = {}
    for key, row in _table().items():
        site = Site(key, row["longitude_deg"], row["latitude_deg"], row["height_m"])
        for name in (key, row["name"], *row["aliases"]):
            found.setdefault(_folded(name), site)
    return found
