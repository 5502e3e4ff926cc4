"""What an alert says in a few values: for the list of events, and for the list of an event's alerts.

An alert is a stranger's even here: a value that has not the expected form is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from pipelines.subscribe.messenger import OtherMessenger
from stream.records import SkyMap
from stream.regions import credible_areas_deg2

_WORD = 64
_MOST = 1e300


@dataclass(frozen=True, slots=True)
class Summary:
    """One alert; what it does not tell is None.

    ``best`` is the most probable class and ``best_part`` its probability; ``why`` is what people gave as reason.
    """

    superevent_id: str
    alert_type: str
    created: str
    revision: int | None = None
    time: str | None = None
    gps_ns: int | None = None
    far_hz: float | None = None
    far_is_limit: bool = False
    significant: bool | None = None
    detectors: str | None = None
    p_astro: float | None = None
    best: str | None = None
    best_part: float | None = None
    area90_deg2: float | None = None
    distance_mpc: float | None = None
    distance_std_mpc: float | None = None
    why: str | None = None
    joined: str | None = None
    joint_far_hz: float | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any], extra: Mapping[str, Any], skymap: SkyMap | None) -> Self:
        """Return what an alert says."""
        event = record["event"] or {}
        classes = {k: v for k, v in event.get("classification", {}).items() if math.isfinite(v)}
        best = max(classes, key=lambda name: classes[name], default=None)
        other = OtherMessenger.of(record, extra)
        return cls(
            superevent_id=str(record["superevent_id"])[:_WORD],
            alert_type=str(record["alert_type"]),
            created=str(record["time_created"])[:_WORD],
            revision=whole(extra.get("revision")),
            time=str(event["time"])[:_WORD] if event else None,
            gps_ns=whole(extra.get("gps_ns")),
            far_hz=number(event.get("far")),
            far_is_limit=extra.get("far_is_limit") is True,
            significant=event.get("significant"),
            detectors="+".join(str(name)[:8] for name in event["instruments"][:8]) if event else None,
            p_astro=number(extra.get("p_astro")),
            best=None if best is None else best[:_WORD],
            best_part=None if best is None else float(classes[best]),
            area90_deg2=None if skymap is None else credible_areas_deg2(skymap, [0.9])[0],
            distance_mpc=None if skymap is None else skymap.distmean_mpc,
            distance_std_mpc=None if skymap is None else skymap.diststd_mpc,
            why=reason(extra),
            joined=None if other is None else f"{other.name} ({other.observatory})",
            joint_far_hz=None if other is None else other.far_hz,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """Return what :meth:`as_dict` gave; names that are not known, of a later version, are left out."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in told.items() if name in names})


def number(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:
        return None
    return float(value)


def whole(value: object) -> int | None:
    """Return a whole number of 63 bits, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else None


def reason(extra: Mapping[str, Any]) -> str | None:
    """Return why people decided as they did, if they did."""
    decision = extra.get("decision")
    if not isinstance(decision, Mapping):
        return None
    why, who = str(decision.get("why", ""))[:400], str(decision.get("who", ""))[:100]
    return f"{why} ({who})" if who else why
