"""How each name of a rule is read off an alert; what the sky map is needed for stands in :mod:`sky_readers`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from pipelines.subscribe.messenger import OtherMessenger
from pipelines.subscribe.sky_readers import SKY_READERS
from pipelines.subscribe.where.values import NOT_TOLD, Unknown, Value, folded
from stream.superevent import is_superevent_id
from stream.timebase import utc_to_gps_ns

if TYPE_CHECKING:
    from pipelines.subscribe.facts import Facts

_MOST_DETECTORS, _MOST_BINS = 16, 10_000
_HIGHEST_HZ, _LONGEST_S, _LATEST_NS = 1e9, 1e7, 1 << 62


def _number(value: object, low: float, high: float) -> float | Unknown:
    """Return a number within bounds."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Unknown(f"a {type(value).__name__} where a number belongs")
    return float(value) if low <= value <= high else Unknown(f"a number that is not from {low:g} to {high:g}")


def _text(value: object) -> str | Unknown:
    if isinstance(value, Unknown):
        return value
    return value if isinstance(value, str) and value else Unknown(NOT_TOLD)


def _of_event(field: str, low: float, high: float) -> Callable[[Facts], float | Unknown]:
    return lambda facts: _number(facts.event(field), low, high)


def _text_of_event(field: str) -> Callable[[Facts], str | Unknown]:
    return lambda facts: _text(facts.event(field))


def _probability(field: str, named: str | None = None) -> Callable[..., float | Unknown]:
    """Return a reader of one probability of a map of names, whatever the case of the name."""

    def read(facts: Facts, name: str = named or "") -> float | Unknown:
        told = facts.event(field)
        if isinstance(told, Unknown):
            return told
        found = next((part for key, part in told.items() if folded(key) == folded(name)), None)
        return Unknown(f"the alert tells no {name}") if found is None else _number(found, 0.0, 1.0)

    return read


def _p_astro(facts: Facts) -> float | Unknown:
    noise = _probability("classification", "Terrestrial")(facts)
    return noise if isinstance(noise, Unknown) else 1.0 - noise


def _significant(facts: Facts) -> bool | Unknown:
    told = facts.event("significant")
    return told if isinstance(told, bool | Unknown) else Unknown(NOT_TOLD)


def _mchirp(facts: Facts) -> float | Unknown:
    """Return the median of the histogram of the chirp mass."""
    told = facts.event("mchirp_source")
    if isinstance(told, Unknown):
        return told
    edges, parts = told["bin_edges"], told["probabilities"]
    if not (1 <= len(parts) <= _MOST_BINS and len(edges) == len(parts) + 1):
        return Unknown("the histogram of the chirp mass is none")
    rising = all(0.0 <= low < high <= 1e6 for low, high in pairwise(edges))
    if not (rising and all(0.0 <= part <= 1e9 for part in parts) and sum(parts) > 0):
        return Unknown("the histogram of the chirp mass is none")
    left = sum(parts) / 2
    for part, (low, high) in zip(parts, pairwise(edges), strict=True):
        if left <= part and part > 0:
            return float(low + (high - low) * left / part)
        left -= part
    return float(edges[-1])


def _detectors(facts: Facts) -> tuple[str, ...] | Unknown:
    told = facts.event("instruments")
    if isinstance(told, Unknown):
        return told
    if not isinstance(told, Sequence) or not 1 <= len(told) <= _MOST_DETECTORS:
        return Unknown(NOT_TOLD)
    return tuple(sorted(name for name in told if isinstance(name, str)))


def _count(facts: Facts, _: str) -> float | Unknown:
    told = _detectors(facts)
    return told if isinstance(told, Unknown) else float(len(told))


def _superevent(facts: Facts) -> str | Unknown:
    return _text(facts.record["superevent_id"])


def _test(facts: Facts) -> bool | Unknown:
    """Return whether it is a test: LVK's ids begin with S, those of mock and test events with MS and TS."""
    told = str(facts.record["superevent_id"])
    return not told.startswith("S") if is_superevent_id(told) else Unknown("the id is none of a superevent")


def _revision(facts: Facts) -> float | Unknown:
    told = facts.extra.get("revision")
    return Unknown(NOT_TOLD) if told is None else _number(told, 0.0, 1e9)


def _when(told: object) -> int | Unknown:
    """Return a time of ISO 8601 in GPS nanoseconds; UTC where it does not say."""
    if isinstance(told, Unknown):
        return told
    try:
        time = datetime.fromisoformat(str(told)[:64])
        gps_ns = utc_to_gps_ns(time if time.tzinfo is not None else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return Unknown("the time is none")
    return gps_ns if 0 <= gps_ns < _LATEST_NS else Unknown("the time is out of reach")


def _time(facts: Facts) -> int | Unknown:
    return _when(facts.event("time"))


def _age(facts: Facts) -> float | Unknown:
    time = facts.get("time")
    return time if isinstance(time, Unknown) else (facts.now_ns - int(time)) / 1e9  # type: ignore[arg-type]


def _has_skymap(facts: Facts) -> bool | Unknown:
    if facts.record["event"] is None:
        return Unknown("the alert withdraws the event")
    return not isinstance(facts.fits(), Unknown)


def _joint(facts: Facts) -> bool | Unknown:
    if facts.record["event"] is None:
        return Unknown("the alert withdraws the event")
    return isinstance(facts.other(), OtherMessenger)


def _combined(facts: Facts) -> bool | Unknown:
    joint, other = _joint(facts), facts.other()
    return joint if isinstance(other, Unknown) else other.combined_fits is not None


def _of_other(field: str, low: float, high: float) -> Callable[[Facts], float | Unknown]:
    def read(facts: Facts) -> float | Unknown:
        other = facts.other()
        if isinstance(other, Unknown):
            return other
        told = getattr(other, field)
        return Unknown(NOT_TOLD) if told is None else _number(told, low, high)

    return read


def _text_of_other(field: str) -> Callable[[Facts], str | Unknown]:
    def read(facts: Facts) -> str | Unknown:
        other = facts.other()
        return other if isinstance(other, Unknown) else _text(getattr(other, field))

    return read


READERS: dict[str, Callable[..., Value | Unknown]] = {
    "far": _of_event("far", 0.0, _HIGHEST_HZ),
    "significant": _significant,
    "p": _probability("classification"),
    "p_astro": _p_astro,
    "property": _probability("properties"),
    "has_ns": _probability("properties", "HasNS"),
    "has_remnant": _probability("properties", "HasRemnant"),
    "has_mass_gap": _probability("properties", "HasMassGap"),
    "mchirp": _mchirp,
    "duration": _of_event("duration", 0.0, _LONGEST_S),
    "central_frequency": _of_event("central_frequency", 0.0, _HIGHEST_HZ),
    "detectors": _detectors,
    "count": _count,
    "group": _text_of_event("group"),
    "search": _text_of_event("search"),
    "pipeline": _text_of_event("pipeline"),
    "type": lambda facts: str(facts.record["alert_type"]).lower(),
    "superevent": _superevent,
    "revision": _revision,
    "test": _test,
    "time": _time,
    "created": lambda facts: _when(facts.record["time_created"]),
    "now": lambda facts: facts.now_ns,
    "age": _age,
    "skymap": _has_skymap,
    "joint": _joint,
    "messenger": _text_of_other("messenger"),
    "observatory": _text_of_other("observatory"),
    "joint_far": _of_other("far_hz", 0.0, _HIGHEST_HZ),
    "time_difference": _of_other("time_difference_s", -_LONGEST_S, _LONGEST_S),
    "overlap": _of_other("overlap", 0.0, math.inf),
    "combined": _combined,
    **SKY_READERS,
}
"""How each name is read."""
