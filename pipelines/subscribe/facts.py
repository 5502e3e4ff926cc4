"""What an alert tells, by name, as rules ask for it: each value read when it is asked for, and once.

All of it is a stranger's: what has not the expected form, or is no number that can be, is unknown, with the reason. The
sky map is decoded if something is asked that needs it. Areas and distances are the map's; those that an alert of ours
tells beside are not used, so that the same name means the same of every pipeline's alert.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from pipelines.subscribe.messenger import OtherMessenger
from pipelines.subscribe.received import ReceivedAlert
from pipelines.subscribe.where.values import Arguments, Unknown, Value, folded
from stream.codec.skymap import decode_skymap
from stream.errors import DataError
from stream.records import SkyMap
from stream.regions import credible_areas_deg2, most_probable_deg
from stream.superevent import is_superevent_id
from stream.timebase import unix_ns_to_gps_ns, utc_to_gps_ns

_MOST_DETECTORS, _MOST_BINS = 16, 10_000
_HIGHEST_HZ, _LONGEST_S, _LATEST_NS = 1e9, 1e7, 1 << 62
_NOT_TOLD = "the alert does not tell it"


class Facts:
    """The values of one alert; made by :func:`facts_of`.

    Parameters
    ----------
    alert : ReceivedAlert
    now_unix_ns : int
    combined : bool
        Take the sky map that is combined with another messenger's, where there is one.
    """

    def __init__(self, alert: ReceivedAlert, now_unix_ns: int, combined: bool = False) -> None:
        self.record, self.extra = alert.record, alert.extra
        self.now_ns = unix_ns_to_gps_ns(now_unix_ns)
        self._combined = combined
        self._known: dict[tuple[str, Arguments], Value | Unknown] = {}
        self._other: tuple[OtherMessenger | None] | None = None
        self._skymap: SkyMap | Unknown | None = None

    def get(self, name: str, arguments: Arguments = ()) -> Value | Unknown:
        """Return a value of :data:`pipelines.subscribe.where.NAMES`, or why it is not known."""
        key = (name, arguments)
        if key not in self._known:
            self._known[key] = READERS[name](self, *arguments)
        return self._known[key]

    def event(self, field: str) -> Any:
        """Return a field of the event; unknown where it is null, or withdrawn."""
        event = self.record["event"]
        if event is None:
            return Unknown("the alert withdraws the event")
        value = event[field]
        return Unknown(self.why(field)) if value is None or value == {} else value

    def why(self, field: str) -> str:
        """Return why a field is empty, as far as the alert says."""
        told = self.extra.get("unknown")
        reason = told.get(field) if isinstance(told, Mapping) else None
        return reason if isinstance(reason, str) and reason else _NOT_TOLD

    def other(self) -> OtherMessenger | Unknown:
        """Return what coincides."""
        if self.record["event"] is None:
            return Unknown("the alert withdraws the event")
        if self._other is None:
            self._other = (OtherMessenger.of(self.record, self.extra),)
        return self._other[0] or Unknown("the alert tells of no other messenger")

    def fits(self) -> bytes | Unknown:
        """Return the sky map as it came: the combined one where that is asked for and there is one."""
        other = self.other() if self._combined else None
        if isinstance(other, OtherMessenger) and other.combined_fits is not None:
            return other.combined_fits
        found: bytes | Unknown = self.event("skymap")
        return found

    def skymap(self) -> SkyMap | Unknown:
        """Return the sky map, decoded once."""
        if self._skymap is None:
            fits = self.fits()
            try:
                self._skymap = fits if isinstance(fits, Unknown) else decode_skymap(fits)
            except DataError as error:
                self._skymap = Unknown(str(error))
        return self._skymap


def facts_of(alert: ReceivedAlert, now_unix_ns: int, combined: bool = False) -> Facts:
    """Return what an alert tells, for a rule to judge.

    Parameters
    ----------
    alert : ReceivedAlert
    now_unix_ns : int
        When the rule is asked.
    combined : bool
        Take the sky map that is combined with another messenger's, where there is one.
    """
    return Facts(alert, now_unix_ns, combined)


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
    return value if isinstance(value, str) and value else Unknown(_NOT_TOLD)


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
    return told if isinstance(told, bool | Unknown) else Unknown(_NOT_TOLD)


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
        return Unknown(_NOT_TOLD)
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
    return Unknown(_NOT_TOLD) if told is None else _number(told, 0.0, 1e9)


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
        return Unknown(_NOT_TOLD) if told is None else _number(told, low, high)

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
    "area": _area,
    "area50": lambda facts: facts.get("area", (0.5,)),
    "area90": lambda facts: facts.get("area", (0.9,)),
    "ra": _place(0),
    "dec": _place(1),
    "distance": _of_distance("distmean_mpc"),
    "distance_std": _of_distance("diststd_mpc"),
    "joint": _joint,
    "messenger": _text_of_other("messenger"),
    "observatory": _text_of_other("observatory"),
    "joint_far": _of_other("far_hz", 0.0, _HIGHEST_HZ),
    "time_difference": _of_other("time_difference_s", -_LONGEST_S, _LONGEST_S),
    "overlap": _of_other("overlap", 0.0, math.inf),
    "combined": _combined,
}
"""How each name is read."""
