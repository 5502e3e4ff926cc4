"""What an alert tells, by name, as rules ask for it: each value read when it is asked for, and once.

All of it is a stranger's: what has not the expected form, or is no number that can be, is unknown, with the reason. The
sky map is decoded if something is asked that needs it. Areas and distances are the map's; those that an alert of ours
tells beside are not used, so that the same name means the same of every pipeline's alert.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.subscribe.messenger import OtherMessenger
from pipelines.subscribe.readers import READERS
from pipelines.subscribe.received import ReceivedAlert
from pipelines.subscribe.where.values import NOT_TOLD, Arguments, Unknown, Value
from stream.codec.skymap import decode_skymap
from stream.errors import DataError
from stream.records import SkyMap
from stream.regions import credible_areas_deg2
from stream.sky.places import Places, places_of
from stream.sky.sums import Sums
from stream.timebase import unix_ns_to_gps_ns


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
        self.now_unix_ns = now_unix_ns
        self._combined = combined
        self._known: dict[tuple[str, Arguments], Value | Unknown] = {}
        self._other: tuple[OtherMessenger | None] | None = None
        self._skymap: SkyMap | Unknown | None = None
        self._areas_deg2: dict[float, float] = {}
        self._places: Places | Unknown | None = None
        self._sums: Sums | Unknown | None = None

    @property
    def now_ns(self) -> int:
        """When the rule is asked, GPS."""
        return unix_ns_to_gps_ns(self.now_unix_ns)

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
        return reason if isinstance(reason, str) and reason else NOT_TOLD

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
        """Return the sky map without the distances along its lines of sight, decoded once."""
        if self._skymap is None:
            fits = self.fits()
            try:
                self._skymap = fits if isinstance(fits, Unknown) else decode_skymap(fits, distances=False)
            except DataError as error:
                self._skymap = Unknown(str(error))
        return self._skymap

    def areas_deg2(self, level: float) -> dict[float, float] | Unknown:
        """Return the smallest areas that hold a probability, and the two that are asked for most: sorted for once."""
        if level not in self._areas_deg2:
            skymap = self.skymap()
            if isinstance(skymap, Unknown):
                return skymap
            levels = (level, 0.5, 0.9)
            self._areas_deg2 |= dict(zip(levels, credible_areas_deg2(skymap, levels), strict=True))
        return self._areas_deg2

    def places(self) -> Places | Unknown:
        """Return the sky map as places to be seen, gathered once."""
        if self._places is None:
            skymap = self.skymap()
            self._places = skymap if isinstance(skymap, Unknown) else places_of(skymap)
        return self._places

    def sums(self) -> Sums | Unknown:
        """Return the sky map's probability as fields ask for it, summed once."""
        if self._sums is None:
            skymap = self.skymap()
            self._sums = skymap if isinstance(skymap, Unknown) else Sums(skymap)
        return self._sums


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
