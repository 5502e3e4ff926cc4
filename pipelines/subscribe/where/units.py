"""Units of a rule, and what kind of quantity each measures.

Inside, each kind of quantity has one unit, that which a bare number is taken in: Hz, s, deg, deg2, Mpc, solar masses.
"""

from __future__ import annotations

import math

Dimension = tuple[int, int, int, int]
"""Powers of second, degree, Mpc and solar mass."""

NONE: Dimension = (0, 0, 0, 0)
TIME: Dimension = (1, 0, 0, 0)
RATE: Dimension = (-1, 0, 0, 0)
ANGLE: Dimension = (0, 1, 0, 0)
AREA: Dimension = (0, 2, 0, 0)
DISTANCE: Dimension = (0, 0, 1, 0)
MASS: Dimension = (0, 0, 0, 1)

KINDS = {
    NONE: ("a plain number", ""), TIME: ("a time", "s"), RATE: ("a rate", "Hz"), ANGLE: ("an angle", "deg"),
    AREA: ("an area", "deg2"), DISTANCE: ("a distance", "Mpc"), MASS: ("a mass", "Msun"),
}  # fmt: skip
"""What people call a quantity, and the unit that it has inside."""

DAY_S, MONTH_S, YEAR_S = 86_400.0, 2_592_000.0, 31_557_600.0
"""A month is 30 days, a year 365.25."""

_DEG_PER_RAD = 180.0 / math.pi

UNITS: dict[str, tuple[float, Dimension]] = {
    "%": (0.01, NONE),
    **dict.fromkeys(("s", "sec", "second", "seconds"), (1.0, TIME)),
    "ms": (1e-3, TIME),
    **dict.fromkeys(("min", "minute", "minutes"), (60.0, TIME)),
    **dict.fromkeys(("h", "hr", "hour", "hours"), (3600.0, TIME)),
    **dict.fromkeys(("d", "day", "days"), (DAY_S, TIME)),
    **dict.fromkeys(("week", "weeks"), (7 * DAY_S, TIME)),
    **dict.fromkeys(("month", "months"), (MONTH_S, TIME)),
    **dict.fromkeys(("yr", "year", "years"), (YEAR_S, TIME)),
    **dict.fromkeys(("decade", "decades"), (10 * YEAR_S, TIME)),
    **dict.fromkeys(("century", "centuries"), (100 * YEAR_S, TIME)),
    "hz": (1.0, RATE),
    **dict.fromkeys(("deg", "degree", "degrees"), (1.0, ANGLE)),
    **dict.fromkeys(("arcmin", "arcminute", "arcminutes"), (1 / 60, ANGLE)),
    **dict.fromkeys(("arcsec", "arcsecond", "arcseconds"), (1 / 3600, ANGLE)),
    **dict.fromkeys(("deg2", "deg²"), (1.0, AREA)),
    "sr": (_DEG_PER_RAD**2, AREA),
    "kpc": (1e-3, DISTANCE),
    "mpc": (1.0, DISTANCE),
    "gpc": (1e3, DISTANCE),
    "msun": (1.0, MASS),
}
"""By their names in small letters: what one is in the unit used inside, and what it measures."""


def scaled(value: float, scale: float) -> float:
    """Return a number of units in the unit used inside: 95 % is 0.95 to the last bit, which 95 * 0.01 is not."""
    return value / round(1 / scale) if scale < 1 else value * scale


def kind_text(dimension: Dimension) -> str:
    """Return what people call a quantity, with its unit: ``an area (deg2)``."""
    name, unit = KINDS.get(dimension, ("a quantity without a name", ""))
    return f"{name} ({unit})" if unit else name


def quantity_text(value: float, dimension: Dimension) -> str:
    """Return a number with its unit."""
    unit = KINDS.get(dimension, ("", ""))[1]
    return f"{value:.4g} {unit}".rstrip()
