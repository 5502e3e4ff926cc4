"""What a rule asks of an alert's sky map: areas, places, distances, what of it can be seen and lies in a field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.subscribe.where.values import Unknown, Value
from stream.errors import DataError
from stream.regions import most_probable_deg
from stream.sky.fields import field_probabilities
from stream.sky.shapes import Circle
from stream.sky.sites import find_site
from stream.sky.visibility import AIRMASS, SUN_DEG, visible_probability

if TYPE_CHECKING:
    from pipelines.subscribe.facts import Facts


def _area(facts: Facts, level: float) -> float | Unknown:
    areas = facts.areas_deg2(level)
    return areas if isinstance(areas, Unknown) else areas[level]


def _place(axis: int) -> Callable[[Facts], float | Unknown]:
    def read(facts: Facts) -> float | Unknown:
        skymap = facts.skymap()
        return skymap if isinstance(skymap, Unknown) else most_probable_deg(skymap)[axis]

    return read


def _of_distance(field: str) -> Callable[[Facts], float | Unknown]:
    def read(facts: Facts) -> float | Unknown:
        skymap = facts.skymap()
        if isinstance(skymap, Unknown):
            return skymap
        told: float | None = getattr(skymap, field)
        return Unknown("the sky map tells no distance") if told is None else told

    return read


def _visible(
    facts: Facts, site: str, within_s: float = 24 * 3600.0, airmass: float = AIRMASS, sun_deg: float = SUN_DEG
) -> float | Unknown:
    """Return the part of the probability that a site sees in the dark, from now on."""
    places = facts.places()
    if isinstance(places, Unknown):
        return places
    try:
        return visible_probability(places, find_site(site), facts.now_unix_ns, within_s / 3600.0, sun_deg, airmass)
    except DataError as error:
        return Unknown(str(error))


def _field(facts: Facts, ra_deg: float, dec_deg: float, radius_deg: float) -> float | Unknown:
    sums = facts.sums()
    if isinstance(sums, Unknown):
        return sums
    return float(field_probabilities(sums, [Circle("field", ra_deg % 360.0, dec_deg, radius_deg)])[0])


SKY_READERS: dict[str, Callable[..., Value | Unknown]] = {
    "area": _area,
    "area50": lambda facts: facts.get("area", (0.5,)),
    "area90": lambda facts: facts.get("area", (0.9,)),
    "ra": _place(0),
    "dec": _place(1),
    "distance": _of_distance("distmean_mpc"),
    "distance_std": _of_distance("diststd_mpc"),
    "visible": _visible,
    "field": _field,
}
"""How each of their names is read."""
