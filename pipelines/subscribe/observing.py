"""What a telescope would point at: the fields or places of a map that hold most, and how they stand at each site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from stream.records import SkyMap
from stream.sky.best import best
from stream.sky.curves import Curve, Night, curve_of, night_of
from stream.sky.fields import field_probabilities
from stream.sky.places import places_of
from stream.sky.shapes import Circle, Field, middle_of
from stream.sky.sites import Site
from stream.sky.sums import Sums
from stream.sky.visibility import AIRMASS, SUN_DEG, Visibility, visible
from stream.text import clean
from stream.types import FloatArray

_WORD = 32
_STEP = 3
"""Of the curve's times every third is told: each quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a site asks for.

    Attributes
    ----------
    hours : float
        How far to look ahead.
    sun_deg : float
        Highest altitude of the sun.
    airmass : float
        Largest airmass.
    """

    hours: float = 24.0
    sun_deg: float = SUN_DEG
    airmass: float = AIRMASS


@dataclass(frozen=True, slots=True)
class Target:
    """A field, or a place, and the probability in it."""

    name: str
    ra_deg: float
    dec_deg: float
    probability: float
    field: Field

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "name": self.name, "ra_deg": self.ra_deg, "dec_deg": self.dec_deg, "probability": self.probability,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class AtSite:
    """A site's night: what of the map it can see, and the curve of each of the best targets."""

    seen: Visibility
    night: Night
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets, the most probable first, and how the first of them stand at each site."""

    targets: tuple[Target, ...]
    shown: int
    airmass: float
    sites: tuple[AtSite, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it; names are stable."""
        return {
            "targets": [target.as_dict() for target in self.targets],
            "airmass_limit": self.airmass,
            "sites": [self._site_dict(site) for site in self.sites],
        }

    def as_text(self) -> str:
        """Return it for people."""
        lines = []
        for site in self.sites:
            lines += [*_site_lines(site), "", *self._table(site), ""]
        left = len(self.targets) - self.shown
        if left > 0:
            lines.append(f"{left} more fields hold less; --json has them all, --best N shows more")
        return "\n".join(lines).rstrip()

    def _site_dict(self, site: AtSite) -> dict[str, Any]:
        night = site.night
        return {
            "visibility": site.seen.as_dict(),
            "unix_ns": night.unix_ns[::_STEP].tolist(),
            "sun_deg": _rounded(night.sun_deg),
            "moon_deg": _rounded(night.moon_deg),
            "targets": [
                {
                    "name": target.name, "hours": curve.hours, "best_unix_ns": curve.best_unix_ns,
                    "airmass": curve.airmass, "moon_deg": curve.moon_deg, "altitude_deg": _rounded(curve.altitude_deg),
                }
                for target, curve in zip(self.targets, site.curves, strict=False)
            ],
        }  # fmt: skip

    def _table(self, site: AtSite) -> list[str]:
        named = [clean(target.name, _WORD) for target in self.targets[: self.shown]]
        wide = max(map(len, ["field", *named]))
        head = f"{'field':{wide}}  {'RA':>8}  {'Dec':>7}  probability  {'best at':>11}  airmass  hours   moon"
        rows = [
            f"{name:{wide}}  {target.ra_deg:7.2f}°  {target.dec_deg:+6.2f}°  {target.probability:11.4f}  "
            + (f"{_clock(curve.best_unix_ns)}  {curve.airmass:7.2f}  {curve.hours:5.1f}  {curve.moon_deg:4.0f}°"
               if curve.best_unix_ns is not None else "      never")
            for name, target, curve in zip(named, self.targets, site.curves, strict=False)
        ]  # fmt: skip
        return [head, *rows]


def plan(
    skymap: SkyMap, sites: Sequence[Site], from_unix_ns: int, fields: Sequence[Field] = (), *, count: int = 5,
    radius_deg: float = 1.0, bounds: Bounds = Bounds(),
) -> Plan:  # fmt: skip
    """Return what to point at from a time on, and how it stands.

    Parameters
    ----------
    skymap : SkyMap
    sites : sequence of Site
    from_unix_ns : int
    fields : sequence of Field
        Of the telescope; without any the most probable circles are looked for.
    count : int
        How many of the best are shown, and have a curve.
    radius_deg : float
        Of the circles.
    bounds : Bounds

    Raises
    ------
    ConfigurationError
        If a number is out of range.
    DataError
        If the time is not one for which sun and moon are known.
    """
    sums, places = Sums(skymap), places_of(skymap)
    targets = _of_fields(sums, fields) if fields else _of_places(sums, count, radius_deg)
    found = []
    for site in sites:
        seen = visible(places, site, from_unix_ns, bounds.hours, bounds.sun_deg, bounds.airmass)
        night = night_of(site, from_unix_ns, seen.until_unix_ns, bounds.sun_deg)
        curves = tuple(curve_of(night, t.ra_deg, t.dec_deg, bounds.airmass) for t in targets[:count])
        found.append(AtSite(seen, night, curves))
    return Plan(targets, min(count, len(targets)), bounds.airmass, tuple(found))


def _of_fields(sums: Sums, fields: Sequence[Field]) -> tuple[Target, ...]:
    held = field_probabilities(sums, fields)
    return tuple(
        Target(fields[at].name, *middle_of(fields[at]), float(held[at]), fields[at])
        for at in np.argsort(-held, kind="stable")
    )


def _of_places(sums: Sums, count: int, radius_deg: float) -> tuple[Target, ...]:
    found = best(sums, count, radius_deg)
    circles = [Circle(f"best {k}", p.ra_deg, p.dec_deg, p.radius_deg) for k, p in enumerate(found, 1)]
    return tuple(Target(c.name, c.ra_deg, c.dec_deg, p.probability, c) for c, p in zip(circles, found, strict=True))


def _site_lines(site: AtSite) -> list[str]:
    seen = site.seen
    spans = ", ".join(f"{_clock(start)} to {_clock(end)}" for start, end in seen.dark) or "never"
    lines = [
        f"{clean(seen.site.name, _WORD)}: dark {spans} UTC ({seen.dark_hours:.1f} h), "
        f"moon {100 * seen.moon_illumination:.0f} % lit",
        f"can be seen: {100 * seen.probability:.1f} %"
        + (f", at most {100 * seen.at_once:.1f} % at once, at {_clock(seen.best_unix_ns)}" if seen.best_unix_ns else "")
        + (f" ({seen.reason})" if seen.reason else ""),
    ]
    for region in seen.regions:
        if region.rises_unix_ns is not None and region.sets_unix_ns is not None:
            lines.append(
                f"{100 * region.level:.0f} % region: {_clock(region.rises_unix_ns)} to "
                f"{_clock(region.sets_unix_ns)}, {100 * region.fraction:.0f} % of it"
            )
    return lines


def _clock(unix_ns: int | None) -> str:
    """Return a time as people read it, day and minute of UTC."""
    return "-" if unix_ns is None else datetime.fromtimestamp(unix_ns / 1e9, UTC).strftime("%m-%d %H:%M")


def _rounded(values: FloatArray) -> list[float]:
    return [round(float(value), 2) for value in values[::_STEP]]
