"""What a rule asks of an alert's sky map: areas, places, distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.subscribe.where.values import Unknown, Value
from stream.regions import credible_areas_deg2, most_probable_deg

if TYPE_CHECKING:
    from pipelines.subscribe.facts import Facts


def _area(facts: Facts, level: float) -> float | Unknown:
    skymap = facts.skymap()
    return skymap if isinstance(skymap, Unknown) else credible_areas_deg2(skymap, (level,))[0]


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


SKY_READERS: dict[str, Callable[..., Value | Unknown]] = {
    "area": _area,
    "area50": lambda facts: facts.get("area", (0.5,)),
    "area90": lambda facts: facts.get("area", (0.9,)),
    "ra": _place(0),
    "dec": _place(1),
    "distance": _of_distance("distmean_mpc"),
    "distance_std": _of_distance("diststd_mpc"),
}
"""How each of their names is read."""
