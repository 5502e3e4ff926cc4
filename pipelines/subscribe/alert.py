"""An alert as a program has it that iterates over :func:`pipelines.subscribe.subscribe`; its map is read when asked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pipelines.subscribe.delivery import Delivery
from pipelines.subscribe.maps import map_of
from pipelines.subscribe.messenger import OtherMessenger
from stream.errors import DataError
from stream.records import SkyMap
from stream.regions import credible_areas_deg2, most_probable_deg
from stream.sky.best import Place, best


class AlertMap:
    """The sky map of an alert, or why there is none; read once, when something is asked of it.

    Parameters
    ----------
    record : mapping
        The alert's.
    why : str
        What the alert says of a map that it does not have.
    """

    def __init__(self, record: Mapping[str, Any], why: str) -> None:
        self._record, self._why = record, why

    @cached_property
    def _read(self) -> tuple[SkyMap | None, bytes, str]:
        try:
            found = map_of(dict(self._record))
        except DataError as error:
            return None, b"", str(error)
        return (None, b"", self._why) if found is None else (found.skymap, found.fits, "")

    def __bool__(self) -> bool:
        """Whether there is one that can be read."""
        return self._read[0] is not None

    @property
    def map(self) -> SkyMap | None:
        """The map itself."""
        return self._read[0]

    @property
    def fits(self) -> bytes:
        """As it came, multi-order or flat; empty where there is none."""
        return self._read[1]

    @property
    def why(self) -> str:
        """Why there is none; empty where there is one."""
        return self._read[2]

    @cached_property
    def _areas(self) -> tuple[float, ...] | None:
        return None if self.map is None else credible_areas_deg2(self.map, (0.5, 0.9))

    @property
    def area50_deg2(self) -> float | None:
        """Smallest area that holds half of the probability."""
        return None if self._areas is None else self._areas[0]

    @property
    def area90_deg2(self) -> float | None:
        """Smallest area that holds 90 %."""
        return None if self._areas is None else self._areas[1]

    @property
    def distance_mpc(self) -> float | None:
        """Mean of the distance."""
        return None if self.map is None else self.map.distmean_mpc

    @property
    def most_probable_deg(self) -> tuple[float, float] | None:
        """Right ascension and declination of the most probable place."""
        return None if self.map is None else most_probable_deg(self.map)

    def best(self, count: int = 5, radius_deg: float = 1.0) -> tuple[Place, ...]:
        """Return the most probable circles of a telescope's field that do not overlap; none where there is no map.

        Parameters
        ----------
        count : int
            How many, at most.
        radius_deg : float
            Half of the field.
        """
        return () if self.map is None else best(self.map, count, radius_deg)


class Alert:
    """One alert, as it is delivered.

    Parameters
    ----------
    delivery : Delivery
    """

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def __repr__(self) -> str:
        """Return superevent and kind."""
        return f"<Alert {self.delivery.alert.as_line()}>"

    @property
    def superevent_id(self) -> str:
        """Id of the superevent, a stranger's text."""
        return self.delivery.alert.superevent_id

    @property
    def alert_type(self) -> str:
        """``EARLYWARNING``, ``PRELIMINARY``, ``INITIAL``, ``UPDATE`` or ``RETRACTION``."""
        return str(self.record["alert_type"])

    @property
    def is_retraction(self) -> bool:
        """Whether it withdraws an event that was delivered before: stop looking."""
        return self.alert_type == "RETRACTION"

    @property
    def is_test(self) -> bool:
        """Whether it is a test or a mock."""
        return self.delivery.is_test

    @property
    def key(self) -> str:
        """The same for the same alert, however it came, and if it comes again after a crash."""
        return self.delivery.key

    @property
    def source(self) -> str:
        """What it came from: ``gcn``, ``scimma``, ``local``."""
        return self.delivery.alert.source

    @property
    def far_hz(self) -> float | None:
        """False-alarm rate; None in a retraction."""
        return self.delivery.alert.far_hz

    @property
    def detectors(self) -> tuple[str, ...]:
        """Detectors that took part."""
        return self.delivery.alert.detectors

    @property
    def classification(self) -> dict[str, float]:
        """Probability by kind of source, as in ``BNS``; empty where it is not told."""
        event = self.record["event"]
        return {} if event is None else dict(event["classification"])

    @property
    def record(self) -> dict[str, Any]:
        """The whole ``igwn.alerts.Alert``."""
        return self.delivery.alert.record

    @property
    def matched(self) -> tuple[str, ...]:
        """Names of the rules that it matches; none where it is delivered for what was before it."""
        return tuple(verdict.rule for verdict in self.delivery.verdicts if verdict.judged.matched)

    @property
    def because(self) -> tuple[str, ...]:
        """What matched and what not, of all rules."""
        return tuple(reason for verdict in self.delivery.verdicts for reason in verdict.judged.reasons)

    @cached_property
    def other(self) -> OtherMessenger | None:
        """The event of another messenger that coincides."""
        return OtherMessenger.of(self.record, self.delivery.alert.extra)

    @cached_property
    def skymap(self) -> AlertMap:
        """Its sky map; false where it has none."""
        unknown = self.delivery.alert.extra.get("unknown")
        told = unknown.get("skymap") if isinstance(unknown, Mapping) else None
        why = "it withdraws the event" if self.record["event"] is None else str(told or "the alert does not say why")
        return AlertMap(self.record, why)
