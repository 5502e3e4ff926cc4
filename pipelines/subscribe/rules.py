"""Which alerts a telescope asks for: by the other messenger that they tell of."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from pipelines.subscribe.messenger import MESSENGERS, OtherMessenger
from pipelines.subscribe.received import ReceivedAlert
from stream.errors import ConfigurationError

KINDS = tuple(dict.fromkeys(MESSENGERS.values()))
_UNITS_S = {"s": 1.0, "hour": 3600.0, "day": 86_400.0, "month": 2_592_000.0, "year": 31_557_600.0}
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alert must tell; without any of it every alert will do.

    Attributes
    ----------
    joint : bool
        Another messenger coincides.
    joint_far_hz : float or None
        Its joint false-alarm rate is at most this, with the sky maps where both are known.
    messengers : tuple of str
        It is one of these.
    """

    joint: bool = False
    joint_far_hz: float | None = None
    messengers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a messenger that is none."""
        for name in self.messengers:
            if name not in KINDS:
                raise ConfigurationError(f"--messenger {name}: there are {', '.join(KINDS)}")

    def admits(self, alert: ReceivedAlert) -> bool:
        """Return whether an alert tells what is asked for."""
        if not (self.joint or self.messengers or self.joint_far_hz is not None):
            return True
        told = OtherMessenger.of(alert.record, alert.extra)
        if told is None or (self.messengers and told.messenger not in self.messengers):
            return False
        return self.joint_far_hz is None or (told.far_hz is not None and told.far_hz <= self.joint_far_hz)


class Chosen:
    """What passes a rule as alerts come: what it admits, and all that follows of the same event.

    Whoever was told that an event coincides must hear that it does no longer, or that it is withdrawn.

    Parameters
    ----------
    rule : Rule
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._told: OrderedDict[str, None] = OrderedDict()

    def __call__(self, alert: ReceivedAlert) -> bool:
        """Return whether an alert passes, and remember its event if so."""
        if not self._rule.admits(alert) and alert.superevent_id not in self._told:
            return False
        self._told[alert.superevent_id] = None
        self._told.move_to_end(alert.superevent_id)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True


def parse_rate(text: str) -> float:
    """Return a rate in Hz, written as ``1/month``, ``2/day``, ``1/10year`` or as Hz.

    Raises
    ------
    ConfigurationError
        If it is written otherwise.
    """
    count, slash, per = text.partition("/")
    try:
        rate_hz = float(count) / _length_s(per.strip()) if slash else float(count)
    except (ValueError, ZeroDivisionError):
        rate_hz = math.nan
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise ConfigurationError(f"{text} is no rate: write 1/month, 2/day, 1/10year, or a number of Hz")
    return rate_hz


def _length_s(text: str) -> float:
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit) or 1) * _UNITS_S.get(unit.strip(), math.nan)
