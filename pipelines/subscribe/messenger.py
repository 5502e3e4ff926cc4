"""What an alert tells of another messenger: its ``external_coinc``, and what this pipeline says beside it.

An alert is a stranger's: a value that has not the expected form is not known, and texts are cleaned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from stream.text import clean

MESSENGERS = {
    "GRB": "gamma",
    "SubGRB": "gamma",
    "SubGRBTargeted": "gamma",
    "FRB": "radio",
    "HEN": "neutrino",
    "SNEWS": "neutrino",
    "Supernova": "neutrino",
    "X-ray": "x-ray",
    "Optical": "optical",
}
"""Kind of messenger by search, ours and LVK's (``Supernova`` is LVK's SNEWS)."""

_WORD, _MOST_NAMES = 64, 4
_LONGEST_S = 1e7
_YEAR_S, _MONTH_S, _DAY_S = 31_557_600.0, 2_592_000.0, 86_400.0


@dataclass(frozen=True, slots=True)
class OtherMessenger:
    """The event of another messenger that an alert tells of; what it does not tell is None, or empty.

    Attributes
    ----------
    observatory, search, notice_id : str
        As in ``Fermi-GBM``, or LVK's ``Fermi``; ``GRB``; ``524666471``.
    event_id : str
    names : tuple of str
        As in ``GRB 170817A``.
    time_difference_s : float or None
        External event minus merger.
    time_far_hz, sky_far_hz : float or None
        Joint false-alarm rate, from the times alone, and with the sky maps.
    overlap : float or None
        Integral of the product of the two maps over 1 / 4 pi.
    significant : bool or None
        Whether the joint false-alarm rate alone makes the event significant.
    others : tuple of str
        What coincides besides.
    combined_fits : bytes or None
    """

    observatory: str
    search: str
    notice_id: str = ""
    event_id: str = ""
    names: tuple[str, ...] = ()
    time_difference_s: float | None = None
    time_far_hz: float | None = None
    sky_far_hz: float | None = None
    overlap: float | None = None
    significant: bool | None = None
    others: tuple[str, ...] = ()
    combined_fits: bytes | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any], extra: Mapping[str, Any]) -> Self | None:
        """Return what an alert, as :func:`stream.codec.alert.decode` gives it, tells of one; None where of none."""
        told = record["external_coinc"]
        if told is None:
            return None
        beside = extra.get("joined")
        beside = beside if isinstance(beside, Mapping) else {}
        source, significant = beside.get("source"), beside.get("significant")
        return cls(
            observatory=clean(source if isinstance(source, str) else str(told["observatory"]), _WORD),
            search=clean(str(told["search"]), _WORD),
            notice_id=clean(str(told["gcn_notice_id"]), _WORD),
            event_id=clean(str(beside.get("event_id", "")), _WORD),
            names=_names(beside.get("names")),
            time_difference_s=_within(told["time_difference"], -_LONGEST_S, _LONGEST_S),
            time_far_hz=_within(told["time_coincidence_far"], 0.0, 1e9),
            sky_far_hz=_within(told["time_sky_position_coincidence_far"], 0.0, 1e9),
            overlap=_within(beside.get("overlap"), 0.0, 1e12),
            significant=significant if isinstance(significant, bool) else None,
            others=_names(beside.get("others")),
            combined_fits=told["combined_skymap"],
        )

    @property
    def name(self) -> str:
        """What people call it: its first name, else its number at its observatory."""
        if self.names:
            return self.names[0]
        number = self.event_id or self.notice_id
        return f"{self.search} {number}".strip()

    @property
    def far_hz(self) -> float | None:
        """The joint false-alarm rate that counts: with the sky where both maps are known."""
        return self.time_far_hz if self.sky_far_hz is None else self.sky_far_hz

    @property
    def messenger(self) -> str:
        """``gamma``, ``neutrino``, ``radio``, ``x-ray`` or ``optical``; empty of a search that is not known."""
        return MESSENGERS.get(self.search, "")

    def as_dict(self) -> dict[str, Any]:
        """Return what is told, but for the map, as JSON can hold it; names are stable."""
        told = {name: value for name, value in asdict(self).items() if name != "combined_fits"}
        return told | {"name": self.name, "messenger": self.messenger, "far_hz": self.far_hz}

    def as_words(self) -> str:
        """Return it on a line: ``with GRB 170817A (Fermi-GBM) 1.7 s after the merger, joint FAR 1 per 9 years``."""
        rate = "unknown" if self.far_hz is None else rate_text(self.far_hz)
        return f"with {self.name} ({self.observatory}) {self.when()}, joint FAR {rate}"

    def when(self) -> str:
        """Return the time difference with its sign in words."""
        return "at a time not told" if self.time_difference_s is None else difference_text(self.time_difference_s)


def difference_text(seconds: float) -> str:
    """Return an external event's time minus the merger's, as in ``1.7 s after the merger``."""
    if abs(seconds) < 0.005:
        return "at the merger"
    size = f"{abs(seconds):.2f}".rstrip("0").rstrip(".")
    return f"{size} s {'after' if seconds > 0 else 'before'} the merger"


def rate_text(rate_hz: float) -> str:
    """Return a rate in the unit that people compare in, such as ``1 per 238 days``; of zero, that it never happens."""
    if not (math.isfinite(rate_hz) and rate_hz >= 0):
        return "unknown"
    if rate_hz == 0 or not math.isfinite(1 / rate_hz):
        return "0"
    seconds = 1 / rate_hz
    for unit, length in (("years", _YEAR_S), ("months", _MONTH_S), ("days", _DAY_S), ("hours", 3600.0)):
        if seconds >= length:
            return f"1 per {_count(seconds / length)} {unit}"
    return f"1 per {seconds:.3g} s"


def _count(number: float) -> str:
    """Return a number to three digits, as people say it; above what has a name, as a power of ten."""
    if number < 1000 or number >= 1e12:
        return f"{number:.3g}"
    if number < 1e6:
        return f"{float(f'{number:.3g}'):,.0f}"
    return f"{number / 1e6:.3g} million" if number < 1e9 else f"{number / 1e9:.3g} billion"


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return ()
    return tuple(clean(name, _WORD) for name in value[:_MOST_NAMES] if isinstance(name, str) and name)


def _within(value: object, low: float, high: float) -> float | None:
    """Return a number between two others, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value)
